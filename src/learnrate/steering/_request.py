"""Requests for edits of a running job: checked here, stored, and applied by the run itself."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate.edits import RATE_KINDS, Edit, Edited, EditKind, Limits
from learnrate.schedules import schedule as read
from learnrate.store import EditStatus, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from learnrate.schedules import Schedule
    from learnrate.store import StoredEdit, StoredRun

__all__ = [
    "as_edit",
    "edited_run",
    "edits_of",
    "login",
    "no_snapshot",
    "preview",
    "ratios_of",
    "request",
    "request_edit",
]


def request(
    store: Store,
    run: str,
    kind: str,
    value: Any = None,
    *,
    group: int | None = None,
    author: str,
    reason: str = "",
) -> StoredEdit:
    """Request an edit of a running job. It is stored when this returns, and applied by the run.

    The run answers with the step the edit took effect at, or refuses it with the reason; see
    `Store.edits`. This function itself refuses an edit that does not fit the present schedule or
    that the run's limits forbid, and an edit of a run that has ended.

    Args:
        store: where the run is recorded.
        run: its id, the beginning of the id, or `last` for the newest run that is running.
        kind: one of `EditKind`, such as "scale".
        value: the number or text that the kind needs; see `Edit`.
        group: index of the parameter group; None for all groups.
        author: who makes the edit.
        reason: why.

    Returns:
        The stored edit, which is pending.

    Raises:
        ArgumentError: there is no such run, or it has ended, or the edit cannot be made.
        StoreError: the store cannot be written.

    Examples:
        >>> import tempfile, pathlib
        >>> import learnrate
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = learnrate.Store(pathlib.Path(folder.name) / "runs.db")
        >>> schedule = learnrate.schedule("0.1 * constant(10)")
        >>> run = store.new_run(total_steps=10, schedule=schedule)
        >>> edit = request(store, run, "scale", 0.5, author="ann")
        >>> edit.words, edit.status.value
        ('scale 0.5', 'pending')
        >>> folder.cleanup()
    """
    edit = Edit(kind=kind, value=value, group=group, author=author, reason=reason)  # type: ignore[arg-type]  # checked there
    return request_edit(store, run, edit)


def request_edit(store: Store, run: str, edit: Edit) -> StoredEdit:
    """Request an edit that exists already; see `request`.

    Args:
        store: where the run is recorded.
        run: its id, the beginning of the id, or `last` for the newest run that is running.
        edit: without a step.

    Returns:
        The stored edit, which is pending.

    Raises:
        ArgumentError: there is no such run, or it has ended, or the edit cannot be made.
        StoreError: the store cannot be written.
    """
    stored_run = store.run(store.resolve(run, live=True))
    if not stored_run.live:
        raise ArgumentError(
            f"the run {stored_run.id} has ended ({stored_run.status}); only running runs can be edited."
        )
    _check(store, stored_run, edit)
    return store.add_edit(
        stored_run.id,
        str(edit.kind),
        edit.value,
        group=edit.group,
        author=edit.author,
        reason=edit.reason,
    )


def preview(
    schedule: Schedule,
    edits: Iterable[StoredEdit | Edit],
    edit: Edit | None = None,
    *,
    step: int = 0,
    group: int | None = None,
    ratios: Sequence[float] = (1.0,),
    groups: Sequence[Schedule | None] = (),
) -> Schedule:
    """The schedule of a run as it would be with one more edit.

    Args:
        schedule: the planned schedule, such as `StoredRun.schedule`.
        edits: the edits of the run, such as those of `Store.edits`. Applied edits count from their
            step, pending edits from `step`, refused edits not at all.
        edit: the additional edit, if any.
        step: 0-based index of the update about to happen.
        group: index of the parameter group; None for the highest rate.
        ratios: the share of each group of the highest rate; see `ratios_of`.
        groups: the planned schedule of each group that has one; see `Edited`.

    Raises:
        ArgumentError: the edit does not fit.

    Examples:
        >>> from learnrate import schedule
        >>> from learnrate.edits import edit_in
        >>> plan = schedule("0.1 * constant(50) >> linear(50)")
        >>> print(preview(plan, [], edit_in("scale 0.5", author="ann"), step=10))
        0.1 * constant(50) >> linear(50) * piecewise(boundaries=[10], values=[1, 0.5])
    """
    edited = Edited(schedule, edits_of(edits, step), tuple(ratios), tuple(groups))
    if edit is not None:
        edited = edited.with_edit(edit.at_step(step) if edit.step is None else edit)
    return edited.schedule if group is None else edited.schedule_of(group)


def edits_of(stored: Iterable[StoredEdit | Edit], step: int | None = None) -> tuple[Edit, ...]:
    """The edits of a stored run that took effect, in order.

    With a step, the pending edits follow, as if they took effect at this step.
    """
    edits = []
    for edit in sorted(stored, key=_position):
        if isinstance(edit, Edit):
            edits.append(edit)
            continue
        effective_step = edit.step if edit.status is EditStatus.APPLIED else step
        if edit.status is not EditStatus.REFUSED and effective_step is not None:
            edits.append(as_edit(edit, effective_step))
    return tuple(edits)


def _position(edit: StoredEdit | Edit) -> int:
    """The order in which edits took effect; pending ones come last."""
    return 0 if isinstance(edit, Edit) else edit.position or 2**62 + edit.sequence


def as_edit(stored: StoredEdit, step: int | None = None) -> Edit:
    """A stored edit as an `Edit`, with the step it takes effect at."""
    return Edit(
        kind=EditKind(stored.kind) if stored.kind in list(EditKind) else stored.kind,  # type: ignore[arg-type]  # Edit refuses it
        value=stored.value,
        group=stored.group,
        author=stored.author,
        reason=stored.reason,
        step=step,
    )


def ratios_of(run: StoredRun) -> tuple[float, ...]:
    """The share of each parameter group of the highest rate, at the start of the run.

    A group with a planned schedule has 1, and does not count as the highest.
    """
    rates = [abs(float(rate)) for rate in run.facts.get("group_lr") or ()]
    planned = _texts_of_groups(run) or [None] * len(rates)
    shared = [rate for rate, text in zip(rates, planned, strict=False) if text is None]
    highest = max(shared, default=0.0)
    if not rates or (shared and highest <= 0):
        return (1.0,) * max(len(rates), 1)
    return tuple(
        rate / highest if text is None else 1.0 for rate, text in zip(rates, planned, strict=False)
    )


def _texts_of_groups(run: StoredRun) -> list[str | None]:
    """The planned schedule of each parameter group as text; none if no group has one."""
    texts = run.facts.get("group_schedules")
    is_readable = isinstance(texts, list) and all(isinstance(text, str | None) for text in texts)
    return texts if isinstance(texts, list) and is_readable else []


def edited_run(run: StoredRun, edits: Iterable[StoredEdit | Edit], *, pending: bool) -> Edited:
    """The planned schedules of a stored run with its edits.

    Args:
        run: a run with a schedule.
        edits: those of `Store.edits`.
        pending: whether the pending edits count, as if they took effect at the present step.

    Raises:
        ArgumentError: an edit does not fit.
    """
    groups = tuple(None if text is None else read(text) for text in _texts_of_groups(run))
    applied_edits = edits_of(edits, run.step if pending else None)
    return Edited(run.schedule, applied_edits, ratios_of(run), groups)


def _check(store: Store, run: StoredRun, edit: Edit) -> None:
    limits = Limits.of(run.limits)
    limits.check_author(edit.author)
    if edit.kind is EditKind.ROLLBACK:
        _check_snapshot(store, run, edit.value)
    if edit.kind not in RATE_KINDS:
        return
    if run.schedule_json is None:
        _check_external(run, edit)
        return
    before = edited_run(run, store.edits(run.id), pending=True)
    prepared = edit.at_step(run.step)
    limits.check(prepared, before, before.with_edit(prepared))


def _check_external(run: StoredRun, edit: Edit) -> None:
    """Check an edit of rates that an external scheduler sets, as far as they are known here."""
    rates = tuple((run.lr or 1.0) * ratio for ratio in ratios_of(run))
    start = Edited(None, (), ratios_of(run))
    if edit.kind is not EditKind.RELEASE:
        start.with_edit(edit.at_step(run.step, rates))


def _check_snapshot(store: Store, run: StoredRun, step: int) -> None:
    steps = sorted(snapshot.step for snapshot in store.snapshots(run.id))
    if step not in steps:
        raise ArgumentError(no_snapshot(step, steps))


def login() -> str:
    """The author of edits by default: LEARNRATE_AUTHOR, or the login name."""
    try:
        return os.environ.get("LEARNRATE_AUTHOR") or getpass.getuser()
    except (OSError, KeyError):  # a container may have no name for its user
        return "somebody"


def no_snapshot(step: int, steps: Sequence[int]) -> str:
    """The message for a rollback to a step that has no snapshot."""
    if not steps:
        return (
            f"there is no snapshot of step {step}, nor of any other step: a run takes snapshots with "
            "attach(guard=True), or on the edit 'snapshot'."
        )
    return f"there is no snapshot of step {step}; there are snapshots of {', '.join(map(str, steps))}."
