"""The suggestion of a range test against its length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, Figure
from learnrate.claims._measures import geometric_mean
from learnrate.claims._tasks import mlp_tasks
from learnrate.claims._trials import ClaimTrials, for_each_task
from learnrate.range_test import find

if TYPE_CHECKING:
    from learnrate.task import Task

_LENGTHS = (50, 100, 200, 400)
_RULES = {"minimum": "slope", "steepest": "slope, other rules", "valley": "slope, other rules"}


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The slope of each rule's answer against the length of the test."""
    lengths = (*_LENGTHS, 800, 1600) if trials.full else _LENGTHS
    answers = np.array(
        [[_answers(task, seed, length) for length in lengths] for seed in trials.seeds]
    )
    parts = []
    for column, (rule, figure) in enumerate(_RULES.items()):
        rates = answers[..., column]
        slopes = np.polyfit(np.log(lengths), np.log(rates).T, 1)[0]
        where = f"{task.name}, {rule}"
        line = ClaimLine.of(where, lengths, geometric_mean(rates, axis=0))
        parts.append(ClaimMeasurement.of(where, {figure: slopes}, line))
    return ClaimMeasurement.joined(parts)


def _answers(task: Task, seed: int, length: int) -> list[float]:
    """The answers of the rules on a range test of `length` updates."""
    test = find(task, low=1e-5, iters=length, repeats=1, seed=seed, progress=False)
    # If a curve is too short for a rule, its answer counts as the lowest rate of the test.
    return [test.rules[rule] or float(test.lr[0]) for rule in _RULES]


CLAIM = Claim(
    topic="range test",
    statement="The rate that a range test suggests depends on its length: the longer, the lower.",
    source="""
        Logs of Smith & Topin, Super-convergence, 2017, arXiv:1708.07120, in
        github.com/lnsmith54/super-convergence
    """,
    design="""
        Range tests of 50 to 400 updates (1,600 in the full test) raise the rate from 1e-5 to 10,
        with the same initial weights. The slope is that of ln suggestion against ln length. The
        suggestion is a tenth of the rate with the lowest smoothed loss; the rules of the steepest
        fall and the valley are also reported.
    """,
    figures=(
        Figure("slope", "d ln suggestion / d ln length, by the lowest loss", high=0.0),
        Figure("slope, other rules", "d ln suggestion / d ln length"),
    ),
    measure=for_each_task(_measure),
    tasks=mlp_tasks("SGD momentum", "Adam"),
    axes=ClaimAxes("updates in the test", "suggested rate", log="xy"),
    remark="""
        In Smith's logs of ResNet-56, with rates from 0 to 3, the smoothed training loss is lowest
        at 1.86 in the test of 5,000 updates, and at 0.18 to 0.57 in those of 20,000 and 100,000,
        which is three to ten times lower. The smoothing here spans the same number of updates at
        every length, so it blurs the rate less in a longer test.
    """,
)
