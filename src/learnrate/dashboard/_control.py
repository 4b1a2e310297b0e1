"""The controls: requesting an edit from a page, and previewing the rates with and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate import steering
from learnrate._errors import ArgumentError
from learnrate.dashboard._models import PreviewResponse
from learnrate.edits import Edit, Edited, EditKind, Limits, in_effect
from learnrate.steering import edited_run, no_snapshot, ratios_of

if TYPE_CHECKING:
    from learnrate.dashboard._models import EditRequest
    from learnrate.schedules import Schedule
    from learnrate.store import Store, StoredEdit, StoredRun

__all__ = ["preview_rates", "request_edit"]

_WHOLE_NUMBERS = {EditKind.DECAY, EditKind.STRETCH, EditKind.ROLLBACK}


def request_edit(store: Store, run: str, request: EditRequest, author: str) -> StoredEdit:
    """Request an edit of a run.

    Args:
        store: where the run is recorded.
        run: its id.
        request: the request, as the page sent it.
        author: the author of the edit, if the request names none.

    Raises:
        ArgumentError: the run has ended, or the edit is not possible.
    """
    return steering.request(
        store,
        run,
        str(request.kind),
        _value(request),
        group=request.group,
        author=request.author.strip() or author,
        reason=request.reason.strip(),
    )


def preview_rates(
    store: Store, run: StoredRun, request: EditRequest | None, author: str, max_points: int
) -> PreviewResponse:
    """The rates from the run's step to its end, without and with an edit.

    If another scheduler sets the rates of the run, there are none to show; the edit is checked.

    Args:
        store: where the run is recorded.
        run: the run.
        request: the edit; None for the rates without one.
        author: the author of the edit, if the request names none.
        max_points: the most rates of each curve.
    """
    group = None if request is None else request.group
    before = Edited(None, (), ratios_of(run))
    steps: list[int] = []
    rates: list[float] = []
    if run.schedule is not None:
        try:
            edited = edited_run(run, store.edits(run.id), pending=True)
            group = _group_of(request, edited)
            steps, rates = _rates(_schedule_of(edited, group), run.step, max_points)
            before = edited
        except ArgumentError:  # a group that does not exist
            pass
    response = PreviewResponse(
        step=steps, before=rates, after_step=[], after=None, refused=None, text=None
    )
    if request is None:
        return response
    try:
        after = _with_edit(store, run, before, request, author)
        schedule = _schedule_of(after, group)
    except ArgumentError as error:
        return response.model_copy(update={"refused": str(error)})
    if run.schedule is None:
        return response
    after_step, rates_after = _rates(schedule, run.step, max_points)
    return response.model_copy(
        update={"after_step": after_step, "after": rates_after, "text": str(schedule)}
    )


def _group_of(request: EditRequest | None, edited: Edited) -> int | None:
    """The parameter group that an edit changes; for an undo, the group of the edit it takes back."""
    if request is None or request.kind is not EditKind.UNDO:
        return None if request is None else request.group
    remaining = in_effect(edited.edits)
    return remaining[-1].group if remaining else None


def _with_edit(
    store: Store, run: StoredRun, before: Edited, request: EditRequest, author: str
) -> Edited:
    """The rates with the edit, after the checks that `steering.request` makes."""
    edit = Edit(
        kind=request.kind,
        value=_value(request),
        group=request.group,
        author=request.author.strip() or author,
    )
    if edit.kind is EditKind.ROLLBACK:
        steps = [snapshot.step for snapshot in store.snapshots(run.id)]
        if edit.value not in steps:
            raise ArgumentError(no_snapshot(edit.value, steps))
    if run.schedule is None:
        return before
    prepared = edit.at_step(run.step)
    after = before.with_edit(prepared)
    Limits.of(run.limits).check(prepared, before, after)
    return after


def _value(request: EditRequest) -> Any:
    """The value of an edit, as `edits.Edit` takes it."""
    if request.kind is EditKind.FOLLOW:
        return request.schedule
    value: Any = request.value
    if request.kind in _WHOLE_NUMBERS and value is not None and value.is_integer():
        value = int(value)
    return value if request.shape is None else {"steps": value, "shape": request.shape}


def _schedule_of(edited: Edited, group: int | None) -> Schedule:
    return edited.schedule if group is None else edited.schedule_of(group)


def _rates(schedule: Schedule, first_step: int, max_points: int) -> tuple[list[int], list[float]]:
    """Evenly spaced steps from a step to the end, and their rates."""
    end = schedule.total_steps
    if end is None or end <= first_step:
        return [], []
    count = min(max_points, end - first_step)
    steps = np.unique(np.linspace(first_step, end - 1, count).round().astype(int))
    return steps.tolist(), schedule(steps).tolist()
