"""Hugging Face transformers: schedules in its Trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate.torch_scheduler import TorchSchedule, to_torch

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from learnrate.schedules import Schedule

__all__ = ["schedule_trainer", "to_transformers"]


def to_transformers(
    schedule: Schedule, optimizer: Optimizer, **options: Any
) -> tuple[Optimizer, TorchSchedule]:
    """The pair for `Trainer(optimizers=...)`.

        Trainer(model, args, optimizers=to_transformers(schedule, optimizer), ...)

    A step is an update, whatever `gradient_accumulation_steps` is. The Trainer's own arguments
    `learning_rate`, `lr_scheduler_type` and `warmup_steps` have no effect. Bind the schedule to
    `args.max_steps`, or let `schedule_trainer` do that.

    Args:
        schedule: The rate of each step.
        optimizer: The optimizer.
        **options: As for `to_torch`: `groups`, `hyper`, `step`.
    """
    return optimizer, to_torch(schedule, optimizer, **options)


def schedule_trainer(schedule: Schedule, trainer: Any, **options: Any) -> Any:
    """Make a Trainer train under `schedule`, with its own optimizer and length.

        trainer = schedule_trainer(3e-4 * warmup_cosine(), Trainer(model, args, ...))
        trainer.train()

    Subclasses of Trainer work too. The Trainer makes its own optimizer, with its groups with and
    without weight decay. A schedule of shares is bound to the number of updates of the run.

    Returns:
        The trainer.

    Args:
        schedule: The rate of each step, bound or not.
        trainer: A Trainer that has not made its scheduler yet.
        **options: As for `to_torch`: `groups`, `hyper`.

    Raises:
        ArgumentError: The trainer has a scheduler already.
    """
    if trainer.lr_scheduler is not None:
        raise ArgumentError(
            "schedule_trainer(trainer=...) must have no scheduler yet; this one has a "
            f"{type(trainer.lr_scheduler).__name__}. Use either schedule_trainer or a scheduler of "
            "your own."
        )

    def create_scheduler(num_training_steps: int, optimizer: Optimizer | None = None) -> Any:
        if trainer.lr_scheduler is None:
            bound = schedule if schedule.bound else schedule.over(num_training_steps)
            trained = trainer.optimizer if optimizer is None else optimizer
            trainer.lr_scheduler = to_torch(bound, trained, **options)
        return trainer.lr_scheduler

    trainer.create_scheduler = create_scheduler
    return trainer
