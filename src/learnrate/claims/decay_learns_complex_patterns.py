"""What a network learns when its rate decays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._noisy import Patterns, patterns_run
from learnrate.schedules import Constant, MultiStep

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

_HALVES = ("simple", "complex")


def _measure(bench: Bench) -> Measured:
    epochs = 60 if bench.full else 40
    cut = 2 * epochs // 3
    then = cut + epochs // 12
    peaks = (0.1, 0.3) if bench.full else (0.1,)
    runs = [
        Patterns(schedule=(peak * shape).over(epochs), seed=seed, width=256 if bench.full else 128)
        for peak in peaks
        for shape in (Constant(), MultiStep(boundaries=(cut,)))
        for seed in bench.seeds
    ]
    scores = np.array(bench.each(patterns_run, runs))
    scores = scores.reshape(len(peaks), 2, len(bench.seeds), epochs, 2)
    cases, lines = [], []
    for peak, (constant, decayed) in zip(peaks, scores, strict=True):
        for half, name in enumerate(_HALVES):
            there, kept = (of[:, cut:then, half].mean(axis=1) for of in (decayed, constant))
            left = (1.0 - there) / (1.0 - kept)
            cases += [
                Case(f"{name} half", f"{peak:g}, then {peak / 10:g}", (there - kept).tolist()),
                Case("errors left", f"{peak:g}: {name} half", left.tolist()),
            ]
    for half, name in enumerate(_HALVES):
        for kind, runs_of in zip(("constant", "decayed"), scores[0], strict=True):
            mean = runs_of[:, :, half].mean(axis=0)
            lines.append(Line(f"{name} half, {kind}", list(range(1, epochs + 1)), mean.tolist()))
    return Measured(sorted(cases, key=lambda case: case.figure), lines)


CLAIM = Claim(
    name="decay-learns-complex-patterns",
    topic="noise and patterns",
    statement="Decaying the rate improves the learning of complex patterns.",
    source=(
        "You, Long, Wang and Jordan 2019, How does learning rate decay help modern neural "
        "networks?, arXiv:1908.01878"
    ),
    design=(
        "20,000 points, half of them of 10 patterns a class and half of 100, a tenth of the labels "
        "wrong; two hidden layers, SGD with momentum 0.9, batch 128. After two thirds of the run "
        "the rate is divided by ten; over the twelfth of the run that follows, each half's mean "
        "accuracy on new points is compared with that at the constant rate."
    ),
    figures=(
        Figure(
            name="complex half",
            says="accuracy soon after the decay, less that at the constant rate",
            low=0.05,
            unit="%",
        ),
        Figure(
            name="simple half",
            says="the same of the simple half, which the claim says is learned before",
            high=0.05,
            unit="%",
        ),
        Figure(
            name="errors left",
            says="errors soon after the decay over those at the constant rate",
            unit="%",
        ),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=5,
    remark=(
        "In points of accuracy the complex half gains more, of which more is left to gain. As a "
        "share of the errors that are left it need not be so: see the last figure."
    ),
    axes=("epoch", "accuracy on new points"),
    log="",
)
