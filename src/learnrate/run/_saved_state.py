"""The state of a run as it is saved: its check, and the schedule in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._checks import check_whole
from learnrate._errors import ArgumentError, ScheduleError
from learnrate.edits import Edit, EditKind, in_effect
from learnrate.schedules import Constant, from_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from learnrate.schedules import Schedule

__all__ = [
    "FORMAT",
    "VERSION",
    "check_schedules",
    "check_state",
    "follow_attached",
    "saved_groups",
    "saved_schedule",
    "schedule_in_words",
    "text_of",
]

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


def check_schedules(
    state: Mapping[str, Any],
    schedule: Schedule | None,
    groups: Sequence[Schedule | None],
    *,
    change_schedule: bool,
) -> bool:
    """Whether a state was saved under other schedules than the run's.

    Args:
        state: the result of `Run.state_dict`.
        schedule: the schedule that the run was attached with.
        groups: the schedules of its groups.
        change_schedule: whether other schedules are allowed.

    Raises:
        ArgumentError: they are other schedules, and not allowed.
    """
    saved, attached = state["schedule"], text_of(schedule)
    saved_texts = state["steering"].get("groups", [])
    texts = [text_of(rates) for rates in groups]
    followed = _followed(state)
    if saved_texts == texts and (saved == attached or followed == str(schedule)):
        return False
    if change_schedule:
        return True
    way_out = (
        "Attach with the same schedule, or call load_state_dict(state, change_schedule=True) to "
        "continue under the new one."
    )
    if saved != attached:
        raise ArgumentError(
            f"this state was saved under {followed or schedule_in_words(saved)}, but the run was attached with "
            f"{schedule_in_words(attached)}. {way_out}"
        )
    raise ArgumentError(
        f"this state was saved with {_groups_in_words(saved_texts)}, but the run was attached with "
        f"{_groups_in_words(texts)}. {way_out}"
    )


def _followed(state: Mapping[str, Any]) -> str | None:
    """The text of the schedule that all groups follow since a `follow`; None without one."""
    edits = in_effect(map(Edit.from_dict, state["steering"]["edits"]))
    texts = [e.value for e in edits if e.kind is EditKind.FOLLOW and e.group is None]
    return texts[-1] if texts else None


def saved_groups(
    state: Mapping[str, Any], attached: Sequence[Schedule | None]
) -> tuple[Schedule | None, ...]:
    """The schedules of the groups that the saved edits belong to; see `saved_schedule`."""
    texts = state["steering"].get("groups", [])
    present = [*attached, *[None] * len(texts)]
    return tuple(
        None if text is None else saved_schedule(text, present[i] or Constant())
        for i, text in enumerate(texts)
    )


def follow_attached(
    schedule: Schedule | None,
    groups: Sequence[Schedule | None],
    attached_ratios: Sequence[float],
    saved_ratios: Sequence[float],
) -> list[Edit]:
    """The edits that let a continued run follow the schedules it was attached with.

    Args:
        schedule: the schedule that the run was attached with.
        groups: the schedules of its groups.
        attached_ratios: the share of each group, as it was attached.
        saved_ratios: the same in the saved state, which the run continues with.
    """
    values: dict[int | None, Schedule | None] = {None: schedule}
    for group, (attached, saved) in enumerate(zip(attached_ratios, saved_ratios, strict=False)):
        rates = groups[group] if group < len(groups) else None
        if rates is not None:
            values[group] = rates
        elif attached != saved and schedule is not None:
            values[group] = attached * schedule
    return [
        Edit(kind=EditKind.FOLLOW, value=str(rates), group=group, author="resume")
        for group, rates in values.items()
    ]


def _groups_in_words(texts: Sequence[str | None]) -> str:
    words = ["None" if text is None else schedule_in_words(text) for text in texts]
    return f"groups=[{', '.join(words)}]" if words else "no schedules of groups"


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
    """The text form of a saved schedule, or "the rates of a torch scheduler" for None."""
    if text is None:
        return "the rates of a torch scheduler"
    try:
        return str(from_json(text))
    except ScheduleError:
        return text
