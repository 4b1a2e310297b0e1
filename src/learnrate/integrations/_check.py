"""Checks of arguments that several integrations share."""

from __future__ import annotations

import warnings
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any

from learnrate._checks import did_you_mean
from learnrate._errors import ArgumentError
from learnrate.schedules import Schedule, ready_schedule
from learnrate.schedules import schedule as read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.run import Measure

__all__ = ["bound_schedule", "check_options", "length_of", "measured_outside"]


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
    """The steps to bind a schedule to: its own length if it has one, else `updates`.

    It warns if the schedule ends before the Trainer does.
    """
    ready = None if schedule is None else read(schedule)
    length = None if ready is None else ready.total_steps
    if ready is not None and length is not None and updates is not None and length < updates:
        warnings.warn(
            f"the schedule {ready} ends after {length:,} of the Trainer's {updates:,} updates. All later ones "
            f"use its last rate, {ready(length):g}. Plan for the Trainer's number of updates, or write "
            "lengths as shares of the run, as in warmup(5%) >> cosine().",
            UserWarning,
            stacklevel=2,
        )
    return updates if length is None else length


def check_options(callback: str, options: Iterable[str], attach: Callable[..., Any]) -> None:
    """Refuse an option that `attach` does not take, before the training has begun.

    Args:
        callback: the name of the callback, for messages.
        options: the names of the options.
        attach: `learnrate.attach`, which loads torch.

    Raises:
        ArgumentError: there is no such option.
    """
    known = [
        name for name in signature(attach).parameters if name not in {"optimizer", "schedule"}
    ]
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known)
            raise ArgumentError(
                f"{callback} has no argument {option}{hint} It also takes the arguments of attach: "
                f"{', '.join(known)}."
            )


def measured_outside(callback: str, measure: Measure, *, reason: str) -> Measure:
    """The measurements of a callback between the updates of a Trainer: gradients only if asked for.

    Args:
        callback: the name of the callback, for messages.
        measure: the `Measure`, as the user gave it.
        reason: why the callback cannot clip gradients, and what can.

    Raises:
        ArgumentError: `measure` has a `clip_norm`.
    """
    if measure.clip_norm is not None:
        raise ArgumentError(
            f"{callback}(measure=Measure(clip_norm=...)) is not possible, because {reason}"
        )
    return measure if measure.gradient_every is not None else replace(measure, gradient_every=0)
