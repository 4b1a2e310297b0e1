"""The parts of a range test's curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor, share
from learnrate.claims._tasks import mlp_tasks
from learnrate.claims._trials import ClaimTrials, for_each_task
from learnrate.range_test import find

if TYPE_CHECKING:
    from learnrate.range_test import RangeTest
    from learnrate.task import Task

_FLAT = 0.1  # share of the total decrease up to which the loss counts as flat


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The three parts of a test with equal factors, and of one with equal differences."""
    parts = []
    seeds = len(trials.seeds)
    for mode in ("exponential", "linear"):
        test = find(task, mode=mode, repeats=seeds, seed=trials.seeds[0], progress=trials.progress)
        shares = np.array([_parts(test, repeat) for repeat in range(seeds)]).T
        where = f"{task.name}, {mode}"
        shown = np.unique(np.linspace(0, len(test.mean) - 1, 60).astype(int))
        line = ClaimLine.of(where, test.lr[shown], test.mean[shown])
        figures = dict(zip(("flat", "falling", "exploding"), shares, strict=True))
        parts.append(ClaimMeasurement.of(where, figures, line))
    return ClaimMeasurement.joined(parts)


def _parts(test: RangeTest, repeat: int) -> tuple[float, float, float]:
    """The flat and the falling share of the test, and the highest loss after them."""
    smooth = test.smooth[repeat, : test.reached[repeat]]
    lowest = int(smooth.argmin())
    level = smooth[0] - _FLAT * (smooth[0] - smooth[lowest])
    flat = int(np.argmax(smooth <= level))
    return (
        flat / len(smooth),
        (lowest - flat) / len(smooth),
        float(smooth[lowest:].max() / smooth[0]),
    )


CLAIM = Claim(
    topic="range test",
    statement="""
        Under a rate that rises from 1e-10 to 10, the loss first stays flat, then falls, then
        explodes.
    """,
    source="Common advice, after Smith, Cyclical learning rates, 2017, arXiv:1506.01186",
    design="""
        A range test of 200 rates from 1e-10 to 10 is made with equal factors and with equal
        differences between rates. The smoothed loss is flat until it has completed a tenth of its
        decrease, and falls until it is lowest. Shares are of the updates that the test makes before
        it ends.
    """,
    figures=(
        share("flat", "share of the test that is flat", low=0.1),
        share("falling", "share of the test in which the loss falls", low=0.1),
        factor(
            "exploding", "highest loss after the lowest, divided by the loss at the start", low=1.0
        ),
    ),
    measure=for_each_task(_measure),
    tasks=mlp_tasks("SGD momentum", "Adam"),
    seeds=(3, 10),
    axes=ClaimAxes("lr", "training loss, smoothed", log="x"),
    remark="""
        A part must be at least a tenth of the test. With equal differences, the second rate is
        already 0.05, so the test passes all lower decades in one update. Only the exponential mode
        has a flat part.
    """,
)
