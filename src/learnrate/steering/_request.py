"""Ask a recorded run for an edit: checked here, stored, and taken up by the run itself."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate.edits import RATE_KINDS, Edit, Edited, EditKind, Limits
from learnrate.store import EditStatus, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from learnrate.schedules import Schedule
    from learnrate.store import StoredEdit, StoredRun

__all__ = ["as_edit", "edits_of", "login", "no_snapshot", "preview", "ratios_of", "request"]


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
    """Ask a run for an edit: on disk when this returns, pending until the run takes it up.

    The run answers with the step it took effect at, or refuses with the reason: see
    `Store.edits`. What can be known before is checked here: the run lives, the edit fits its
    schedule as it is now, and its limits allow it.

    Args:
        store: where the run is recorded.
        run: its id, the beginning of one, or `last`: the newest that is running.
        kind: one of `EditKind`, such as "scale".
        value: see `Edit`.
        group: the parameter group it is for; None for all.
        author: who asks.
        reason: why.

    Raises:
        ArgumentError: there is no such run, it has ended, or the edit cannot be made.
        StoreError: the store cannot be written.
    """
    found = store.run(store.resolve(run, live=True))
    edit = Edit(kind=kind, value=value, group=group, author=author, reason=reason)  # type: ignore[arg-type]  # checked there
    if not found.live:
        raise ArgumentError(
            f"the run {found.id} has ended ({found.status}); only a running one can be edited."
        )
    _check(store, found, edit)
    return store.add_edit(
        found.id, str(edit.kind), edit.value, group=group, author=author, reason=reason
    )


def preview(
    schedule: Schedule,
    edits: Iterable[StoredEdit | Edit],
    edit: Edit | None = None,
    *,
    step: int = 0,
    group: int | None = None,
    ratios: Sequence[float] = (1.0,),
) -> Schedule:
    """The schedule of a run as it will be, with an edit that is being prepared.

    Args:
        schedule: what was planned, as `StoredRun.schedule` gives it.
        edits: the run's edits, as `Store.edits` gives them: those applied count from their step,
            pending ones from `step`, refused ones not at all.
        edit: the one being prepared, if any.
        step: the update about to happen.
        group: whose schedule; None for the highest rate.
        ratios: each group's share of the highest rate, as `ratios_of(run)` gives them.

    Raises:
        ArgumentError: the edit does not fit.

    Examples:
        >>> from learnrate import schedule
        >>> from learnrate.edits import edit_in
        >>> plan = schedule("0.1 * constant(50) >> linear(50)")
        >>> print(preview(plan, [], edit_in("scale 0.5", author="ann"), step=10))
        0.1 * constant(50) >> linear(50) * piecewise(boundaries=[10], values=[1, 0.5])
    """
    made = Edited(schedule, edits_of(edits, step), tuple(ratios))
    if edit is not None:
        made = made.with_edit(edit.at_step(step) if edit.step is None else edit)
    return made.schedule if group is None else made.schedule_of(group)


def edits_of(stored: Iterable[StoredEdit | Edit], step: int | None = None) -> tuple[Edit, ...]:
    """The edits of a stored run that took effect, in order; with a step also the pending ones."""
    found = []
    for one in _in_order(stored):
        if isinstance(one, Edit):
            found.append(one)
            continue
        at = one.step if one.status is EditStatus.APPLIED else step
        if one.status is EditStatus.REFUSED or at is None:
            continue
        found.append(as_edit(one, at))
    return tuple(found)


def _in_order(stored: Iterable[StoredEdit | Edit]) -> list[StoredEdit | Edit]:
    """As they took effect, those that have not yet behind them."""
    return sorted(
        stored,
        key=lambda one: 0 if isinstance(one, Edit) else one.position or 2**62 + one.sequence,
    )


def as_edit(stored: StoredEdit, step: int | None = None) -> Edit:
    """A stored edit as an edit."""
    return Edit(
        kind=EditKind(stored.kind) if stored.kind in list(EditKind) else stored.kind,  # type: ignore[arg-type]  # refused there
        value=stored.value,
        group=stored.group,
        author=stored.author,
        reason=stored.reason,
        step=step,
    )


def ratios_of(run: StoredRun) -> tuple[float, ...]:
    """Each parameter group's share of the highest rate, as the run began."""
    rates = [abs(float(rate)) for rate in run.facts.get("group_lr") or ()]
    highest = max(rates, default=0.0)
    return tuple(rate / highest for rate in rates) if highest > 0 else (1.0,)


def _check(store: Store, run: StoredRun, edit: Edit) -> None:
    limits = Limits.of(run.limits)
    limits.check_author(edit.author)
    if edit.kind is EditKind.ROLLBACK:
        _check_snapshot(store, run, edit.value)
    if edit.kind not in RATE_KINDS:
        return
    if run.schedule_json is None:
        _check_foreign(run, edit)
        return
    ratios = ratios_of(run)
    before = Edited(run.schedule, edits_of(store.edits(run.id), run.step), ratios)
    prepared = edit.at_step(run.step)
    limits.check(prepared, before, before.with_edit(prepared))


def _check_foreign(run: StoredRun, edit: Edit) -> None:
    """What can be said of rates that a scheduler of the run's own sets; the run checks the rest."""
    rates = tuple((run.lr or 1.0) * ratio for ratio in ratios_of(run))
    start = Edited(None, (), ratios_of(run))
    if edit.kind is not EditKind.RELEASE:
        start.with_edit(edit.at_step(run.step, rates))


def _check_snapshot(store: Store, run: StoredRun, step: int) -> None:
    steps = sorted(one.step for one in store.snapshots(run.id))
    if step not in steps:
        raise ArgumentError(no_snapshot(step, steps))


def login() -> str:
    """Who is at it: LEARNRATE_AUTHOR, else who is logged in."""
    try:
        return os.environ.get("LEARNRATE_AUTHOR") or getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        return "somebody"


def no_snapshot(step: int, steps: Sequence[int]) -> str:
    """What is said of a rollback to a step whose state was not kept."""
    if not steps:
        return (
            f"there is no snapshot of step {step}, and none at all: the run keeps them with "
            "attach(guard=True), or when asked by the edit 'snapshot'."
        )
    return f"there is no snapshot of step {step}; there are those of {', '.join(map(str, steps))}."
