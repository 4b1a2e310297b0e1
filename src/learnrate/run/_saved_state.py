"""The state of a run as it is saved: its check, and the schedule in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._checks import check_whole
from learnrate._errors import ArgumentError, ScheduleError
from learnrate.schedules import from_json

if TYPE_CHECKING:
    from learnrate.schedules import Schedule

__all__ = ["FORMAT", "VERSION", "check_state", "saved_schedule", "schedule_in_words", "text_of"]

FORMAT = "learnrate.run"
VERSION = 1

_KEYS = {"format", "version", "run", "step", "schedule", "steering", "rates", "controlled"}


def check_state(state: object) -> None:
    """Refuse a state that `Run.state_dict` did not return.

    Raises:
        ArgumentError: it is not such a state; the message says what is wrong.
    """
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ArgumentError(
            f"load_state_dict needs the result of state_dict ('format': '{FORMAT}')."
        )
    if state.get("version") != VERSION:
        raise ArgumentError(
            f"this state has version {state.get('version')!r}; this learnrate reads {VERSION}. "
            "Install a newer one."
        )
    for key in sorted(_KEYS ^ state.keys(), key=str):
        verb = "needs the" if key in _KEYS else "has no"
        raise ArgumentError(f"the state of a run {verb} key {key!r}.")
    check_whole("load_state_dict", "step", state["step"], 0)


def text_of(schedule: Schedule | None) -> str | None:
    """A schedule as it is saved."""
    if schedule is None:
        return None
    try:
        return schedule.to_json()
    except ScheduleError:  # it contains a function
        return str(schedule)


def saved_schedule(text: str | None, attached: Schedule | None) -> Schedule | None:
    """The schedule that the saved edits belong to; the attached one if it cannot be read."""
    if text is None or attached is None:
        return attached
    try:
        return from_json(text)
    except ScheduleError:  # it contained a function
        return attached


def schedule_in_words(text: str | None) -> str:
    """A saved schedule, for messages."""
    if text is None:
        return "the rates of a torch scheduler"
    try:
        return str(from_json(text))
    except ScheduleError:
        return text
