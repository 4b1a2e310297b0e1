"""Training at a rate that is far too high."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import best_constant, rates_around, unstopped_losses
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor, share
from learnrate.claims._tasks import mlp_tasks
from learnrate.claims._trials import ClaimTrials, for_each_task

if TYPE_CHECKING:
    from learnrate.task import Task

_FACTORS = (1, 3, 10, 30, 100, 300, 1000)
_FAR = 30  # from this factor on, a rate is far too high


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The share of runs at rates far above the best that end above their start."""
    total_steps = task.run_length()
    best = best_constant(trials, task, rates_around(trials, task, 0.1, 10.0), total_steps)
    runs = np.stack(
        [unstopped_losses(trials, task, best * multiple, total_steps) for multiple in _FACTORS]
    )
    start = runs[0, :, :1].mean(axis=0)
    ends = runs[:, :, -max(1, total_steps // 10) :].mean(axis=2)
    above = ends > start
    far = np.array(_FACTORS) >= _FAR
    return ClaimMeasurement.of(
        task.name,
        {
            "above": above[far].mean(axis=0),
            "stuck": (above & (ends < 1.1 * start))[far].mean(axis=0),
            "infinite": np.isinf(ends[far]).mean(axis=0),
            "threshold": [_threshold(row) for row in above.T],
        },
        ClaimLine.of_means(task.name, _FACTORS, np.minimum(ends / start, 1e6)),
    )


def _threshold(above: np.ndarray) -> float:
    """The lowest factor from which on every run ends above its start; three times the last if there is none."""
    factors = [*_FACTORS, 3 * _FACTORS[-1]]
    below = np.flatnonzero(~above)
    return float(factors[int(below[-1]) + 1 if len(below) else 0])


CLAIM = Claim(
    topic="extremes",
    statement="A learning rate that is too high diverges.",
    source="Goodfellow, Bengio & Courville, Deep learning, 2016, section 11.4.1",
    design="""
        Each network trains at the best constant rate and at 3 to 1000 times it, with the same
        seeds, and is never stopped. A run has diverged if its training loss over the last tenth
        is above the first loss, or not finite. A rate is far too high from 30 times the best on.
    """,
    figures=(
        share(
            "above", "share of the runs at rates far too high that end above their start", low=0.95
        ),
        share("stuck", "share of these runs that end at most a tenth above their start"),
        share("infinite", "share of these runs whose loss is not finite"),
        factor(
            "threshold",
            "lowest multiple of the best rate from which on every run ends above its start",
        ),
    ),
    measure=for_each_task(_measure),
    tasks=mlp_tasks("SGD", "SGD momentum", "Adam", steps=100),
    seeds=(3, 5),
    axes=ClaimAxes("rate over the best one", "loss at the end over that at the start", log="xy"),
    quick_decides=False,
    remark="""
        A run that ends above its start has not necessarily exploded: if all ReLUs of a network have
        died, its outputs are constant and its loss stays near the start. Adam's updates have a size
        of about lr whatever the gradient, so its loss does not go to infinity.
    """,
)
