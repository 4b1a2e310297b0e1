"""What a large first rate does to wrong labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._noisy import Clusters, clusters_run
from learnrate.schedules import Constant, MultiStep

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

_LARGE, _SMALL = 0.3, 0.01


def _measure(bench: Bench) -> Measured:
    epochs = 60 if bench.full else 30
    cut = 2 * epochs // 3
    large, small = f"{_LARGE:g}", f"{_SMALL:g}"
    decayed, without = f"{large}, decayed", "no weight decay"

    def run(lr: float, **changes: Any) -> Clusters:
        schedule = (lr * Constant()).over(epochs)
        width = 256 if bench.full else 128
        return replace(Clusters(schedule=schedule, seed=0, width=width), **changes)

    rates = (_LARGE, 0.1, 0.03, _SMALL, 0.003) if bench.full else (_LARGE, _SMALL)
    kinds = {f"{lr:g}": run(lr) for lr in rates}
    falling = _LARGE * MultiStep(boundaries=(cut, 5 * epochs // 6))
    kinds[decayed] = run(_LARGE, schedule=falling.over(epochs))
    for lr in (_LARGE, _SMALL):
        kinds[f"{lr:g}, {without}"] = run(lr, weight_decay=0.0)
    if bench.full:
        for lr in (0.2, 0.01):
            kinds[f"{lr:g}, no BatchNorm"] = run(lr, batch_norm=False)
    runs = [replace(kind, seed=seed) for kind in kinds.values() for seed in bench.seeds]
    scores = np.array(bench.each(clusters_run, runs))
    of = dict(zip(kinds, scores.reshape(len(kinds), len(bench.seeds), epochs, 2), strict=True))
    fitted = {kind: score[:, cut - 1, 0] for kind, score in of.items() if kind != decayed}
    highest = {kind: score[:, :, 1].max(axis=1) for kind, score in of.items()}
    stopped = np.max([highest[f"{lr:g}"] for lr in rates if lr <= _SMALL], axis=0)
    return Measured(
        [
            Case("memorised", "with weight decay", (fitted[large] / fitted[small]).tolist()),
            *(Case("fitted", f"rate {kind}", share.tolist()) for kind, share in fitted.items()),
            Case(
                "over early stopping",
                "decayed, at its highest",
                (highest[decayed] - stopped).tolist(),
            ),
        ],
        [
            Line(kind, list(range(1, epochs + 1)), score[:, :, 0].mean(axis=0).tolist())
            for kind, score in list(of.items())[:6]
        ],
    )


CLAIM = Claim(
    name="large-first-rate-resists-noise",
    topic="noise and patterns",
    statement="A large first rate keeps a network from memorising noisy labels.",
    source=(
        "You, Long, Wang and Jordan 2019, How does learning rate decay help modern neural "
        "networks?, arXiv:1908.01878"
    ),
    design=(
        "Ten classes of three Gaussian clusters in 40 dimensions, 3,000 points, a fifth of the "
        "labels wrong; two hidden layers with BatchNorm, SGD with momentum 0.9 and weight decay "
        "5e-3, batch 64, constant rates. What is fitted is counted after two thirds of the run; "
        "there the decayed run divides its rate by ten, and again after five sixths."
    ),
    figures=(
        Figure(
            name="memorised",
            says=f"wrong labels fitted at {_LARGE:g} over those fitted at {_SMALL:g}",
            high=0.5,
            unit="%",
        ),
        Figure(name="fitted", says="share of the wrong labels fitted at two thirds", unit="%"),
        Figure(
            name="over early stopping",
            says=f"highest accuracy on right labels, less that of {_SMALL:g} or less, stopped in time",
            unit="%",
        ),
    ),
    measure=_measure,
    seeds=3,
    full_seeds=3,
    remark=(
        "It takes weight decay, with BatchNorm or without: where there is none, both rates memorise "
        "nearly all there is, the large one sooner, because it gets further. And 0.003, stopped in "
        "time, does as well as the large rate that decays (in the full test), which begins to "
        "memorise too if it runs on at its low rate."
    ),
    axes=("epoch", "share of the wrong labels fitted"),
    log="",
)
