"""Training at a rate of zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.claims._claim import Claim
from learnrate.claims._measurement import ClaimMeasurement, share
from learnrate.claims._tasks import digits_cnn, digits_mlp
from learnrate.claims._trials import ClaimTrials, for_each_task
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from learnrate.task import Task


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The change of the validation loss from one update at a rate of zero to a whole run."""
    zero = 0.0 * Constant()
    first, last = trials.losses(task, [zero.over(1), zero.over(task.run_length())])
    return ClaimMeasurement.of(task.name, {"change": last / first - 1.0})


CLAIM = Claim(
    topic="extremes",
    statement="A learning rate of zero learns nothing.",
    source="The update rule itself: w <- w - lr * step.",
    design="""
        Each network makes one update at a rate of zero, and 400 updates (30 in the quick test),
        with the same seeds. The validation losses are compared.
    """,
    figures=(
        share(
            "change",
            "validation loss after a whole run at zero divided by that after one update, minus 1",
            low=-1e-6,
            high=1e-6,
        ),
    ),
    measure=for_each_task(_measure),
    seeds=(3, 10),
    tasks=lambda full: [
        make(optimizer, steps=400 if full else 30)
        for make in (digits_mlp, digits_cnn)
        for optimizer in ("SGD momentum", "AdamW")
    ],
    remark="""
        The running statistics of BatchNorm change at any rate. The validation loss of a network
        with BatchNorm therefore changes although no weight does; --task shows this.
    """,
)
