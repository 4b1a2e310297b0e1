"""What every integration asks of its arguments."""

from __future__ import annotations

from learnrate._errors import ArgumentError
from learnrate.schedules import Schedule, ready_schedule
from learnrate.schedules import schedule as read

__all__ = ["bound_schedule", "length_of"]


def bound_schedule(call: str, value: object, total_steps: int | None) -> Schedule:
    """The schedule bound to `total_steps` steps, or as it is if it has a length of its own."""
    if isinstance(value, Schedule) and total_steps is not None:
        return value.over(total_steps)
    schedule = ready_schedule(call, value)
    if not schedule.bound:
        raise ArgumentError(
            f"{call} must have an end, because its values are laid down in a table; got "
            f"{schedule}. Give total_steps=, the number of steps of the run."
        )
    return schedule


def length_of(schedule: Schedule | str | float | None, updates: int | None) -> int | None:
    """What to bind a schedule to: its own length, if it has one, and else that of the training."""
    own = None if schedule is None else read(schedule).total_steps
    return updates if own is None else own
