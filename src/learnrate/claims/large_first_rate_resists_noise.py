"""The effect of a large first rate on wrong labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import MUCH, Case, ClaimLine, ClaimMeasurement, share
from learnrate.claims._noisy import ClusterTraining, cluster_scores
from learnrate.schedules import Constant, MultiStep

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_LARGE, _SMALL = 0.3, 0.01
_DECAYED = f"{_LARGE:g}, decayed"


def _trainings(epochs: int, *, full: bool) -> dict[str, ClusterTraining]:
    """Trainings by name, all with one seed."""

    def training(lr: float, **changes: Any) -> ClusterTraining:
        schedule = (lr * Constant()).over(epochs)
        width = 256 if full else 128
        return replace(ClusterTraining(schedule=schedule, seed=0, width=width), **changes)

    rates = (_LARGE, 0.1, 0.03, _SMALL, 0.003) if full else (_LARGE, _SMALL)
    trainings = {f"{lr:g}": training(lr) for lr in rates}
    decay = _LARGE * MultiStep(boundaries=(2 * epochs // 3, 5 * epochs // 6))
    trainings[_DECAYED] = training(_LARGE, schedule=decay.over(epochs))
    for lr in (_LARGE, _SMALL):
        trainings[f"{lr:g}, no weight decay"] = training(lr, weight_decay=0.0)
    if full:
        for lr in (0.2, 0.01):
            trainings[f"{lr:g}, no BatchNorm"] = training(lr, batch_norm=False)
    return trainings


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """Wrong labels fitted before the decay, and the accuracy after it."""
    epochs = 60 if trials.full else 30
    trainings = _trainings(epochs, full=trials.full)
    runs = [replace(run, seed=seed) for run in trainings.values() for seed in trials.seeds]
    scores = np.array(trials.parallel_map(cluster_scores, runs))
    scores = scores.reshape(len(trainings), len(trials.seeds), epochs, 2)
    by_name = dict(zip(trainings, scores, strict=True))
    fitted = {
        name: rows[:, 2 * epochs // 3 - 1, 0] for name, rows in by_name.items() if name != _DECAYED
    }
    highest = {name: rows[:, :, 1].max(axis=1) for name, rows in by_name.items()}
    small = [f"{lr:g}" for lr in (_SMALL, 0.003) if f"{lr:g}" in highest]
    gain = highest[_DECAYED] - np.max([highest[name] for name in small], axis=0)
    memorised = fitted[f"{_LARGE:g}"] / fitted[f"{_SMALL:g}"]
    return ClaimMeasurement(
        [
            Case("memorised", "with weight decay", memorised.tolist()),
            *(Case("fitted", f"rate {name}", share.tolist()) for name, share in fitted.items()),
            Case("over early stopping", "decayed, at its highest", gain.tolist()),
        ],
        [
            ClaimLine.of(name, range(1, epochs + 1), rows[:, :, 0].mean(axis=0))
            for name, rows in list(by_name.items())[:6]
        ],
    )


CLAIM = Claim(
    topic="noise and patterns",
    statement="A large first rate keeps a network from memorising noisy labels.",
    source="""
        You, Long, Wang and Jordan 2019, How does learning rate decay help modern neural
        networks?, arXiv:1908.01878
    """,
    design="""
        The data are 3,000 points of ten classes, each with three Gaussian clusters in 40
        dimensions, and a fifth of the labels are wrong. A network with two hidden layers and
        BatchNorm trains at constant rates by SGD with momentum 0.9, weight decay 5e-3 and batch
        size 64. The fitted wrong labels are counted after two thirds of the run. A decayed run
        divides its rate by ten at that point, and again after five sixths.
    """,
    figures=(
        share(
            "memorised",
            f"wrong labels fitted at {_LARGE:g} divided by those fitted at {_SMALL:g}",
            high=1 / MUCH,
        ),
        share("fitted", "share of the wrong labels fitted at two thirds"),
        share(
            "over early stopping",
            f"highest accuracy on right labels, less that of {_SMALL:g} or less, stopped in time",
        ),
    ),
    measure=_measure,
    seeds=(3, 3),
    remark="""
        The effect needs weight decay, with BatchNorm or without. Without weight decay, both rates
        memorise nearly all wrong labels, and the large rate does so sooner because it learns
        faster. In the full test, a rate of 0.003 with early stopping does as well as the large rate
        with a decay. The decayed run also starts to memorise if it continues at its low rate.
    """,
    axes=ClaimAxes("epoch", "share of the wrong labels fitted", log=""),
)
