"""What whoever evaluates a schedule asks of it."""

from __future__ import annotations

from learnrate._errors import ArgumentError
from learnrate.schedules._base import Schedule

__all__ = ["ready_schedule"]


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
            "Call .over(total_steps) with the number of steps of the whole run."
        )
    return value
