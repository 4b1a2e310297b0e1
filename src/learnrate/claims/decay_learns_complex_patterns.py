"""Which patterns a network learns after its rate decays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, share
from learnrate.claims._noisy import PatternTraining, pattern_scores
from learnrate.schedules import Constant, MultiStep

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_HALVES = ("simple", "complex")


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The gain of each half when the rate is cut, and the lead of the complex half."""
    epochs = 40
    cut = 2 * epochs // 3
    soon = slice(cut, cut + epochs // 12)
    peaks = (0.1, 0.3) if trials.full else (0.1,)
    runs = [
        PatternTraining(schedule=(peak * shape).over(epochs), seed=seed, width=128)
        for peak in peaks
        for shape in (Constant(), MultiStep(boundaries=(cut,)))
        for seed in trials.seeds
    ]
    scores = np.array(trials.parallel_map(pattern_scores, runs))
    scores = scores.reshape(len(peaks), 2, len(trials.seeds), epochs, 2)
    cases, lines = [], []
    for peak, pair in zip(peaks, scores, strict=True):
        where, gains = f"{peak:g}, then {peak / 10:g}", []
        for half, name in enumerate(_HALVES):
            constant, decayed = (runs_of[:, soon, half].mean(axis=1) for runs_of in pair)
            errors_left = (1.0 - decayed) / (1.0 - constant)
            gains.append(decayed - constant)
            cases += [
                Case(f"{name} half", where, gains[half].tolist()),
                Case("errors left", f"{peak:g}: {name} half", errors_left.tolist()),
            ]
        cases.append(Case("lead", where, (gains[1] - gains[0]).tolist()))
    for half, name in enumerate(_HALVES):
        for kind, runs_of in zip(("constant", "decayed"), scores[0], strict=True):
            mean = runs_of[:, :, half].mean(axis=0)
            lines.append(ClaimLine.of(f"{name} half, {kind}", range(1, epochs + 1), mean))
    return ClaimMeasurement(sorted(cases, key=lambda case: case.figure), lines)


CLAIM = Claim(
    topic="noise and patterns",
    statement="Decaying the rate improves the learning of complex patterns.",
    source="""
        You, Long, Wang and Jordan 2019, How does learning rate decay help modern neural
        networks?, arXiv:1908.01878
    """,
    design="""
        The data are 20,000 points: half of them have 10 patterns per class and half have 100, and a
        tenth of the labels are wrong. A network with two hidden layers trains by SGD with momentum
        0.9 and batch size 128. After two thirds of the run, the rate is divided by ten. Over the
        next twelfth of the run, the mean accuracy of each half on new points is compared with that
        at the constant rate.
    """,
    figures=(
        share(
            "complex half",
            "accuracy soon after the decay minus accuracy at the constant rate",
            low=0.0,
        ),
        share("lead", "gain of the complex half minus gain of the simple half", low=0.0),
        share(
            "simple half",
            "the gain of the simple half, which the claim says is learned before the decay",
        ),
        share("errors left", "errors soon after the decay divided by errors at the constant rate"),
    ),
    measure=_measure,
    seeds=(6, 10),
    remark="""
        Both halves gain about the same number of percentage points, so the complex half has no
        advantage. It has more left to gain: after the decay, the complex half still has nearly all
        of its errors and the simple half a third of them, as the last figure shows.
    """,
    axes=ClaimAxes("epoch", "accuracy on new points", log=""),
)
