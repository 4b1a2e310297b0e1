"""Checks of arguments that several integrations share."""

from __future__ import annotations

from learnrate._errors import ArgumentError
from learnrate.schedules import Schedule, ready_schedule
from learnrate.schedules import schedule as read

__all__ = ["bound_schedule", "length_of"]


def bound_schedule(call: str, value: object, total_steps: int | None) -> Schedule:
    """The schedule bound to `total_steps` steps, or as it is if it has its own length.

    Args:
        call: the argument as typed, for messages.
        value: a schedule, its text, or a constant rate.
        total_steps: to bind it to; None if it must be bound already.

    Raises:
        ArgumentError: it is not bound, and `total_steps` is None.
    """
    if isinstance(value, Schedule) and total_steps is not None:
        return value.over(total_steps)
    schedule = ready_schedule(call, value)
    if not schedule.bound:
        raise ArgumentError(
            f"{call} must have an end, because its values are computed in advance; got "
            f"{schedule}. Give total_steps=, the number of steps of the run."
        )
    return schedule


def length_of(schedule: Schedule | str | float | None, updates: int | None) -> int | None:
    """The steps to bind a schedule to: its own length if it has one, else `updates`."""
    length = None if schedule is None else read(schedule).total_steps
    return updates if length is None else length
