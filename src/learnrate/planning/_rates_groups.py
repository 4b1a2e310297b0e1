"""The parameter groups of a task that each planned rate is for; nothing of the user's is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.task import RateGroups
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from learnrate.task import RatesArgument, Task

__all__ = ["groups_of"]


def groups_of(task: Task, rates: RatesArgument) -> RateGroups:
    """Which parameters each rate is for, found on a copy of the model."""
    with preserved(task):
        return RateGroups.of(task, rates, Training(task, 0).model)
