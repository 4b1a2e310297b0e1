"""The controls: an edit asked for from a page, and the rates ahead with and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate import steering
from learnrate._errors import ArgumentError
from learnrate.dashboard._models import Ahead, Change
from learnrate.edits import Edit, Edited, EditKind, Limits
from learnrate.steering import edits_of, ratios_of

if TYPE_CHECKING:
    from learnrate.dashboard._models import EditRequest
    from learnrate.schedules import Schedule
    from learnrate.store import Store, StoredEdit, StoredRun

__all__ = ["ahead", "request"]

_COUNTED = {Change.DECAY, Change.STRETCH, Change.ROLLBACK}
_NOTHING = Ahead(step=[], before=[], after_step=[], after=None, refused=None, text=None)


def request(store: Store, run: str, asked: EditRequest, author: str) -> StoredEdit:
    """Ask a run for a change.

    Args:
        store: where the run is recorded.
        run: its id.
        asked: what a page sent.
        author: who it is from, where the page does not say.

    Raises:
        ArgumentError: the run has ended, or the edit cannot be made.
    """
    return steering.request(
        store,
        run,
        str(asked.kind),
        _value(asked),
        group=asked.group,
        author=asked.author.strip() or author,
        reason=asked.reason.strip(),
    )


def ahead(
    store: Store, run: StoredRun, asked: EditRequest | None, author: str, most: int
) -> Ahead:
    """The rates to come, about `most` of them, and what an edit would make of them.

    A run under somebody else's scheduler has none to show; the edit is then checked alone.
    """
    group = None if asked is None else asked.group
    try:
        before = Edited(run.schedule, edits_of(store.edits(run.id), run.step), ratios_of(run))
        shown = _rates(_of(before, None if run.schedule is None else group), run.step, most)
    except ArgumentError:  # another scheduler's rates, or a group that is not there
        before, shown = Edited(None, (), ratios_of(run)), ([], [])
    if run.schedule is None:
        shown = [], []
    found = _NOTHING.model_copy(update={"step": shown[0], "before": shown[1]})
    if asked is None:
        return found
    try:
        after = _with(store, run, before, asked, author)
        new = _of(after, group)
    except ArgumentError as error:
        return found.model_copy(update={"refused": str(error)})
    if run.schedule is None:
        return found
    step, rates = _rates(new, run.step, most)
    return found.model_copy(update={"after_step": step, "after": rates, "text": str(new)})


def _with(store: Store, run: StoredRun, before: Edited, asked: EditRequest, author: str) -> Edited:
    """With the edit, as `steering.request` would check it."""
    named = asked.author.strip() or author
    edit = Edit(
        kind=EditKind(str(asked.kind)), value=_value(asked), group=asked.group, author=named
    )
    steps = [one.step for one in store.snapshots(run.id)]
    if edit.kind is EditKind.ROLLBACK and edit.value not in steps:
        listed = ", ".join(map(str, steps)) or "none"
        raise ArgumentError(f"there is no snapshot of step {edit.value}; there are: {listed}.")
    if run.schedule is None:
        return before
    prepared = edit.at_step(run.step)
    after = before.with_edit(prepared)
    Limits.of(run.limits).check(prepared, before, after)
    return after


def _value(asked: EditRequest) -> Any:
    """The value of an edit, as `edits.Edit` takes it."""
    if asked.kind is Change.FOLLOW:
        return asked.schedule
    value: Any = asked.value
    if asked.kind in _COUNTED and value is not None and value.is_integer():
        value = int(value)
    return value if asked.shape is None else {"steps": value, "shape": asked.shape}


def _of(edited: Edited, group: int | None) -> Schedule:
    return edited.schedule if group is None else edited.schedule_of(group)


def _rates(schedule: Schedule, begin: int, most: int) -> tuple[list[int], list[float]]:
    """So many of the rates from a step to the end."""
    end = schedule.total_steps
    if end is None or end <= begin:
        return [], []
    steps = np.unique(np.linspace(begin, end - 1, min(most, end - begin)).round().astype(int))
    return steps.tolist(), schedule(steps).tolist()
