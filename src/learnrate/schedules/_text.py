"""A schedule from what a user gives: text, a number, a function of the step, or a schedule."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from learnrate._checks import kind_of
from learnrate._errors import ArgumentError, ScheduleError
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import Deadline
from learnrate.schedules._grammar import read_text
from learnrate.schedules._registry import make
from learnrate.schedules._schedule_type import refuse_class

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ready_schedule", "schedule", "shape", "timed"]

_DEADLINE = (
    "a Deadline gives rates by elapsed time, not by step, which only attach, train and to_torch take. "
    "Elsewhere write its rate yourself before each update: "
    "group['lr'] = deadline(seconds since the start)."
)
_TIMED = re.compile(r"\s*deadline\s*\(")
_TIMED_PARTS = re.compile(r"(?s)\s*deadline\s*\((.*),\s*seconds\s*=\s*([^,()]+?)\s*\)\s*")


def schedule(source: str | float | Schedule | Callable[[int], float]) -> Schedule:
    """Read a schedule from text, from a number, which is a constant rate, or from a function of the step.

    A schedule is returned as is. A function has no text form; see `FromFunction`.

    Examples:
        >>> schedule("3e-4 * warmup(500) >> cosine(9500, floor=0.1)")(500)
        0.0003
        >>> schedule(1e-3)
        schedule('1e-3 * constant()')

    Raises:
        ScheduleError: the text is not a schedule; the message points at the wrong character.
    """
    if isinstance(source, Schedule):
        return source
    if isinstance(source, Deadline) or (isinstance(source, str) and _TIMED.match(source)):
        raise ScheduleError(_DEADLINE)
    if isinstance(source, str):
        return read_text(source)
    if isinstance(source, type):
        refuse_class(source.__name__)
    if callable(source):
        return make("from_function", function=source)
    if isinstance(source, bool) or not isinstance(source, int | float | np.number):
        way_out = " Pass its .schedule." if hasattr(source, "schedule") else ""  # as a plan has
        raise ScheduleError(
            "a schedule must be text, a number, a function of the step or a Schedule; got "
            f"{kind_of(source)}.{way_out}"
        )
    return source * make("constant")


def timed(source: object) -> Deadline | None:
    """Read a deadline from its text; None if it is a schedule in steps, or anything else.

    Examples:
        >>> by_one = timed("deadline(3e-4 * cosine(1000), seconds=3600)")
        >>> by_one(0), by_one(1800), timed("3e-4 * cosine()")
        (0.0003, 0.00015, None)

    Raises:
        ScheduleError: the text begins as a deadline, but is not one.
    """
    if isinstance(source, Deadline):
        return source
    if not isinstance(source, str) or not _TIMED.match(source):
        return None
    parts = _TIMED_PARTS.fullmatch(source)
    try:
        seconds = float(parts[2]) if parts else math.nan
    except ValueError:
        seconds = math.nan
    if parts is None or math.isnan(seconds):
        raise ScheduleError(
            "a deadline is written deadline(3e-4 * cosine(1000), seconds=3600); got "
            f"{source[:80]!r}."
        )
    return Deadline(schedule(parts[1]), seconds)


def shape(source: str | Schedule) -> Schedule:
    """Read a schedule that states neither its peak nor its length, for trials of any length.

    Raises:
        ScheduleError: the schedule states its peak or its length, or the text is not a schedule.

    Examples:
        >>> shape("warmup(5%) >> linear()")
        schedule('warmup(5%) >> linear()')
    """
    parsed = schedule(source)
    peak, unscaled = parsed.split()
    if peak is not None:
        raise ScheduleError(
            f"a shape must have peak 1, because each trial has its own rate; got {parsed}. "
            f"Write it without the factor {peak:g}."
        )
    if unscaled.total_steps is not None:
        raise ScheduleError(
            f"a shape must fit runs of any length; got {parsed}, which is "
            f"{unscaled.total_steps} steps long. Give shares of the run, such as warmup(5%)."
        )
    return parsed


def ready_schedule(call: str, value: object) -> Schedule:
    """Return the schedule itself if it has a value at every step; refuse anything else.

    Args:
        call: The argument as typed, such as `"attach(schedule=...)"`, for the error.
        value: What was given.

    Raises:
        ArgumentError: the value is not a schedule, or is not bound to a run.
    """
    if isinstance(value, Deadline):
        raise ArgumentError(f"{call}: {_DEADLINE}")
    if callable(value) and not isinstance(value, Schedule):
        value = schedule(value)
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
