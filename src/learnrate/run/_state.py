"""The state of a run as it is saved: what a schedule is called there, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._checks import check_whole
from learnrate._errors import ArgumentError, ScheduleError
from learnrate.schedules import from_json

if TYPE_CHECKING:
    from learnrate.schedules import Schedule

__all__ = ["FORMAT", "VERSION", "check_state", "saved_base", "shown", "text_of"]

FORMAT = "learnrate.run"
VERSION = 1

_KEYS = {"format", "version", "run", "step", "schedule", "steering", "rates", "controlled"}


def check_state(state: object) -> None:
    """Refuse what `Run.state_dict` did not give.

    Raises:
        ArgumentError: it did not; the message says what is the matter.
    """
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ArgumentError(f"load_state_dict needs what state_dict gave ('format': '{FORMAT}').")
    if state.get("version") != VERSION:
        raise ArgumentError(
            f"this state has version {state.get('version')!r}; this learnrate reads {VERSION}. "
            "Install a newer one."
        )
    for key in sorted(_KEYS ^ state.keys(), key=str):
        known = "needs" if key in _KEYS else "has no"
        raise ArgumentError(f"the state of a run {known} the key {key!r}.")
    check_whole("load_state_dict", "step", state["step"], 0)


def saved_base(saved: str | None, ours: Schedule | None) -> Schedule | None:
    """What the saved edits are edits of; ours where that cannot be told any more."""
    if saved is None or ours is None:
        return ours
    try:
        return from_json(saved)
    except ScheduleError:  # it held a function
        return ours


def text_of(schedule: Schedule | None) -> str | None:
    """A schedule as it is saved."""
    if schedule is None:
        return None
    try:
        return schedule.to_json()
    except ScheduleError:  # it holds a function
        return str(schedule)


def shown(text: str | None) -> str:
    """A saved schedule, for people."""
    if text is None:
        return "a torch scheduler's rates"
    try:
        return str(from_json(text))
    except ScheduleError:
        return text
