"""Rates at which nothing is learned in the available time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import best_constant, rates_around
from learnrate.claims._measurement import AS_GOOD, ClaimLine, ClaimMeasurement, factor, share
from learnrate.claims._measures import geometric_grid
from learnrate.claims._tasks import narrow_mlp_tasks
from learnrate.claims._trials import ClaimTrials, for_each_task
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from learnrate.task import Task

_SHARES = geometric_grid(1e-5, 1.0, 2)
_FAR = 1e-3
_NOTHING = AS_GOOD - 1.0


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The progress at rates far below the best one, as a share of that at the best one."""
    total_steps = task.run_length()
    best = best_constant(trials, task, rates_around(trials, task, 0.1, 10.0), total_steps)
    rates = [0.0, *(best * part for part in _SHARES)]
    losses = trials.losses(task, [(rate * Constant()).over(total_steps) for rate in rates])
    learned = (losses[0] - losses[1:]) / (losses[0] - losses[-1])
    thresholds = [
        np.exp(np.interp(_NOTHING, np.maximum.accumulate(column), np.log(_SHARES)))
        for column in learned.T
    ]
    return ClaimMeasurement.of(
        task.name,
        {"learned": learned[_SHARES.index(_FAR)], "threshold": thresholds},
        ClaimLine.of_means(task.name, _SHARES, learned),
    )


CLAIM = Claim(
    topic="extremes",
    statement="At a learning rate that is far too low, training gets stuck.",
    source="""
        common advice, for example J. Brownlee, Understand the impact of learning rate on neural
        network performance, 2019: a rate that is too small can cause the process to get stuck
    """,
    design="""
        Each network trains at the constant rate that is best over the run, at 1e-5 to 1 times this
        rate, two a decade, and at zero. The figure is the decrease of the validation loss, compared
        with a rate of zero, as a share of the decrease at the best rate. Far too low means a
        thousandth of the best rate. Stuck means a share of at most 5 %.
    """,
    figures=(
        share("learned", "fall of the loss at a thousandth of the best rate", high=_NOTHING),
        factor("threshold", "the share of the best rate at which 5 % of the fall is learned"),
    ),
    measure=for_each_task(_measure),
    tasks=narrow_mlp_tasks(60, 60),
    seeds=(4, 8),
    axes=ClaimAxes("share of the best rate", "share of the fall"),
    remark="""
        Stuck is a matter of time: a run that is twice as long learns as much at half the rate.
        The weights are not in a minimum; they have hardly moved.
    """,
)
