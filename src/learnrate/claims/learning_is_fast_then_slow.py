"""The pace of learning at a constant rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import best_constant, constant_losses, rates_around, windowed
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, share
from learnrate.claims._tasks import narrow_mlp_tasks
from learnrate.claims._trials import ClaimTrials, for_each_task

if TYPE_CHECKING:
    from learnrate.task import Task

_DIVISORS = {"the best rate": 1.0, "a tenth of it": 10.0, "a hundredth": 100.0}


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The share of the total decrease of the loss that falls into the first half of a run."""
    total_steps = task.run_length()
    best = best_constant(trials, task, rates_around(trials, task, 0.1, 10.0), total_steps)
    rates = [best / divisor for divisor in _DIVISORS.values()]
    losses = windowed(constant_losses(trials, task, rates, total_steps), max(2, total_steps // 20))
    shown = np.unique(np.geomspace(1, total_steps, 60).astype(int))
    parts = []
    for name, runs in zip(_DIVISORS, losses, strict=True):
        halves = (runs[:, 0] - runs[:, total_steps // 2]) / (runs[:, 0] - runs[:, -1])
        where = f"{task.name}, {name}"
        line = ClaimLine.of(where, shown, runs.mean(axis=0)[shown - 1])
        parts.append(ClaimMeasurement.of(where, {"first half": halves}, line))
    return ClaimMeasurement.joined(parts)


CLAIM = Claim(
    topic="horizon",
    statement="Learning is fast at first and slow later.",
    source="common observation; it is why the loss is often plotted over the logarithm of updates",
    design="""
        Each network trains at the constant rate with the lowest training loss over the last tenth
        of the run, and at a tenth and a hundredth of this rate. The smoothed training loss is read
        at the start, in the middle and at the end.
    """,
    figures=(
        share(
            "first half",
            "decrease of the loss in the first half of the run, as a share of the total decrease",
            low=0.5,
        ),
    ),
    measure=for_each_task(_measure),
    tasks=narrow_mlp_tasks(80, 100),
    seeds=(4, 8),
    axes=ClaimAxes("update", "training loss", log="x"),
    remark="""
        If the rate is so low that the run covers only the start of the curve, the loss falls
        evenly. At a hundredth of the best rate it may hardly fall at all; the share is then mostly
        noise, and its interval is wide. A schedule changes the curve: during a decay the loss falls
        a second time.
    """,
)
