"""The cost of a rate that is too low."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import best_constant, constant_losses, rates_around, windowed
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._tasks import mlp_tasks
from learnrate.claims._trials import ClaimTrials, for_each_task

if TYPE_CHECKING:
    from learnrate.task import Task


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The updates to a loss at a tenth of the best rate, divided by those at the best rate."""
    total_steps = task.run_length()
    early = max(2, total_steps // 16)
    best = best_constant(trials, task, rates_around(trials, task, 0.1, 10.0), early)
    pair = [best, best / 10]
    losses = windowed(constant_losses(trials, task, pair, total_steps), max(2, early // 4))
    goals = losses[0, :, early - 1]
    fast, slow = (
        np.array([_first_below(run, goal) for run, goal in zip(runs, goals, strict=True)])
        for runs in losses
    )
    shown = np.unique(np.geomspace(1, total_steps, 60).astype(int))
    lines = [
        ClaimLine.of(f"{task.name}, {rate_text(rate)}", shown, runs.mean(axis=0)[shown - 1])
        for rate, runs in zip(pair, losses, strict=True)
    ]
    return ClaimMeasurement.of(task.name, {"slowdown": slow / fast}, *lines)


def _first_below(losses: np.ndarray, goal: float) -> int:
    """Updates to the goal; the whole run if it is not reached, which is a lower bound."""
    reached = np.flatnonzero(losses <= goal)
    return int(reached[0]) + 1 if len(reached) else len(losses)


CLAIM = Claim(
    topic="extremes",
    statement="A learning rate that is too low learns slowly.",
    source="Goodfellow, Bengio & Courville, Deep learning, 2016, sections 8.3.1 and 11.4.1",
    design="""
        Each network trains at the constant rate that is best over the first sixteenth of a run, and
        at a tenth of this rate, with the same seeds. The smoothed training loss of the best rate
        after that sixteenth is the loss to reach. The figure compares how many updates the two
        rates need to reach it.
    """,
    figures=(
        factor(
            "slowdown",
            "updates to the same loss at a tenth of the best rate, divided by those at the best rate",
            low=1.0,
        ),
    ),
    measure=for_each_task(_measure),
    tasks=mlp_tasks("SGD", "SGD momentum", "Adam", steps=800),
    axes=ClaimAxes("update", "training loss", log="xy"),
    remark="""
        A tenth of the rate costs two to five times as many updates here. A run can show a factor of
        at most sixteen. A rate that is slow at first need not be worse at the end: given enough
        time, the lower of two constant rates reaches the lower loss.
    """,
)
