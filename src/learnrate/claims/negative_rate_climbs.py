"""Plain training at a negative rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import suggested_rate, unstopped_losses
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import geometric_mean
from learnrate.claims._tasks import digits_cnn, digits_mlp
from learnrate.claims._trials import ClaimTrials, for_each_task

if TYPE_CHECKING:
    from learnrate.task import Task

_CEILING = 1e6


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The training loss at minus the suggested rate: the end of the run over the start."""
    total_steps = task.run_length()
    losses = unstopped_losses(trials, task, -suggested_rate(trials, task), total_steps)
    over = np.minimum(losses / losses[:, :1], _CEILING)
    return ClaimMeasurement.of(
        task.name,
        {"climb": over[:, -max(1, total_steps // 10) :].mean(axis=1)},
        ClaimLine.of(task.name, range(1, total_steps + 1), geometric_mean(over, axis=0)),
    )


CLAIM = Claim(
    topic="extremes",
    statement="A negative learning rate climbs: plain training gets worse with it.",
    source="The update rule itself: w <- w - lr * step.",
    design="""
        Each network makes 50 updates at minus the rate that a range test suggests. The mean
        training loss over the last tenth is divided by the first loss. A ratio above a million, or
        one that is not finite, counts as a million.
    """,
    figures=(factor("climb", "training loss at the end over that at the start", low=1.0),),
    measure=for_each_task(_measure),
    tasks=lambda full: [
        make(optimizer, steps=50)
        for make in ((digits_mlp, digits_cnn) if full else (digits_mlp,))
        for optimizer in ("SGD", "SGD momentum", "Adam", "RMSprop")
    ],
    seeds=(3, 10),
    axes=ClaimAxes("update", "training loss over its start", log="y"),
    remark="""
        The claim is about ordinary training. In meta-learning, the best inner rate is negative in
        some settings (Bernacchia, 2021, arXiv:2102.00940). A negative schedule must be declared
        explicitly: ascend(0.01 * constant()).
    """,
)
