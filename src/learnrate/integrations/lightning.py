"""Lightning: a schedule in the form that `configure_optimizers` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate.torch_scheduler import to_torch

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from learnrate.schedules import Schedule

__all__ = ["to_lightning"]


def to_lightning(schedule: Schedule, optimizer: Optimizer, **options: Any) -> dict[str, Any]:
    """The value of `configure_optimizers` for one optimizer under `schedule`.

        def configure_optimizers(self):
            schedule = (3e-4 * warmup_cosine()).over(self.trainer.estimated_stepping_batches)
            return to_lightning(schedule, torch.optim.AdamW(self.parameters()))

    A step is an update, whatever `accumulate_grad_batches` is: Lightning counts updates for the
    interval "step". Its checkpoints keep the step.

    Args:
        schedule: The rate of each step.
        optimizer: The optimizer.
        **options: As for `to_torch`: `groups`, `hyper`, `step`.
    """
    scheduler = to_torch(schedule, optimizer, **options)
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": 1},
    }
