"""What every integration asks of its arguments."""

from __future__ import annotations

from learnrate._errors import ArgumentError
from learnrate.schedules import Schedule
from learnrate.schedules import schedule as read

__all__ = ["bound_schedule", "length_of", "ready_schedule"]


def ready_schedule(call: str, value: object) -> Schedule:
    """The schedule itself, if it has a value at every step."""
    if not isinstance(value, Schedule):
        raise ArgumentError(
            f"{call} must be a schedule; got {value!r}. "
            "Read text with learnrate.schedule('3e-4 * warmup(500) >> linear(9500)')."
        )
    if not value.ready:
        raise ArgumentError(
            f"{call} must be bound to a run; got {value}. "
            "Call .over(total) with the number of steps of the whole run."
        )
    return value


def bound_schedule(call: str, value: object, total: int | None) -> Schedule:
    """The schedule bound to `total` steps, or as it is if it has a length of its own."""
    if isinstance(value, Schedule) and total is not None:
        return value.over(total)
    schedule = ready_schedule(call, value)
    if not schedule.bound:
        raise ArgumentError(
            f"{call} must have an end, because its values are laid down in a table; got "
            f"{schedule}. Give total=, the number of steps of the run."
        )
    return schedule


def length_of(schedule: Schedule | str | float | None, updates: int | None) -> int | None:
    """What to bind a schedule to: its own length, if it has one, and else that of the training."""
    own = None if schedule is None else read(schedule).total
    return updates if own is None else own
