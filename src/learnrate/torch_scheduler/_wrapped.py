"""Schedulers of other libraries around torch's schedulers, or instead of them."""

from __future__ import annotations

from typing import Any

from torch.optim.lr_scheduler import LRScheduler

from learnrate._errors import ArgumentError
from learnrate._ranks import rank_and_size

__all__ = ["unwrapped_scheduler"]


def unwrapped_scheduler(call: str, scheduler: Any) -> Any:
    """The torch scheduler within a wrapper of accelerate; any other object as it is.

    Args:
        call: the argument as typed, for messages.
        scheduler: what was passed.

    Raises:
        ArgumentError: the wrapper steps its scheduler several times an update, or it is a
            scheduler of timm.
    """
    if hasattr(scheduler, "step_update") and hasattr(scheduler, "update_groups"):
        raise ArgumentError(
            f"{call} must be a scheduler of torch; got a {type(scheduler).__name__} of timm. Pass "
            "learnrate.integrations.timm.from_timm(scheduler, total_steps), or attach with "
            "schedule=None to keep calling it."
        )
    inner = getattr(scheduler, "scheduler", None)
    if not isinstance(inner, LRScheduler) or not hasattr(scheduler, "step_with_optimizer"):
        return scheduler
    size = rank_and_size()[1]
    if size > 1 and scheduler.step_with_optimizer and not scheduler.split_batches:
        raise ArgumentError(
            f"{call} must be stepped once an update; accelerate steps this "
            f"{type(inner).__name__} {size} times an update, once for each process. Attach with "
            "schedule=None to keep it, or pass a schedule in updates."
        )
    return unwrapped_scheduler(call, inner)
