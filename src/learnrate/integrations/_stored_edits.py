"""Edits of a run whose rates a framework sets from a whole schedule: read, applied and answered."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from learnrate._errors import ArgumentError, LearnrateError, StoreError
from learnrate.edits import RATE_KINDS, Edit, Edited, EditKind, note_on_undo
from learnrate.steering import as_edit, edits_of, login, request_edit
from learnrate.store import EditStatus, Store

if TYPE_CHECKING:
    from learnrate.schedules import Schedule
    from learnrate.store import Recorder, StoredEdit

__all__ = ["StoredEdits"]

_LOCK_WAIT = 2.0  # seconds to wait for others that write to the store


class StoredEdits:
    """Applies edits that people request in the store, at the step about to happen.

    The recorder's thread looks for new edits; the training reads and answers them. An edit counts
    from its step, so a resumed run needs nothing but the edits in the store.

    Args:
        recorder: the recorder of the run.
        base: the planned schedule, bound to the run; None if the framework sets the rates, which
            can then not be edited.

    Attributes:
        edited: the schedule with the edits so far.
        stopped: why the run should end early; None while it goes on.
    """

    def __init__(self, recorder: Recorder, base: Schedule | None) -> None:
        self.edited, self.stopped = Edited(base), None
        self._recorder = recorder
        self._newest = self._answered = 0  # sequence numbers
        self._position = 0
        recorder.background_task = self._look

    stopped: str | None

    def resume(self, step: int, *, change_schedule: bool) -> None:
        """Take the schedule and the edits of the stored run.

        Args:
            step: the update about to happen.
            change_schedule: whether to follow this schedule from this step on if the stored one differs.

        Raises:
            ArgumentError: the schedules differ, and `change_schedule` is false.
            StoreError: the store cannot be read or written.
        """
        attached = self.edited.base
        assert attached is not None  # noqa: S101 - a run with edits has a schedule
        with closing(self._open()) as store:
            run = store.run(self._recorder.run)
            stored = store.edits(run.id)
            self._position = max((edit.position or 0 for edit in stored), default=0)
            base = run.schedule or attached
            self.edited = Edited(base, edits_of(stored))
            planned = [edit for edit in self.edited.edits if edit.kind is EditKind.FOLLOW]
            last = planned[-1].value if planned else str(base)
            if last == str(attached):
                return
            if not change_schedule:
                raise ArgumentError(
                    f"the run {run.id} has the schedule {last}, but this training has {attached}. "
                    "Pass the same schedule, or change_schedule=True to continue under the new one."
                )
            follow = Edit(
                kind=EditKind.FOLLOW,
                value=str(attached),
                author=login(),
                reason="resumed",
                step=step,
            )
            self._follow(store, self.edited.with_edit(follow))
            self._position += 1
            store.add_edit(
                run.id,
                str(follow.kind),
                follow.value,
                author=follow.author,
                reason=follow.reason,
                step=step,
                answer=_rates_in_words(self.edited, step),
                position=self._position,
            )

    def request(self, edit: Edit) -> None:
        """Store an edit, as other processes do.

        Raises:
            ArgumentError: the edit does not fit.
            StoreError: the store cannot be written.
        """
        self._recorder.flush()
        with closing(self._open()) as store:
            stored = request_edit(store, self._recorder.run, edit)
        self._newest = max(self._newest, stored.sequence)

    def apply(self, step: int) -> bool:
        """Apply and answer the edits that arrived; whether the schedule has changed.

        Args:
            step: the update about to happen.
        """
        if self._newest <= self._answered:
            return False
        before = self.edited
        with suppress(StoreError), closing(self._open()) as store:
            for stored in store.edits(self._recorder.run, after=self._answered):
                if stored.status is EditStatus.PENDING:
                    self._answer(store, stored, step)
                self._answered = stored.sequence
        return self.edited is not before

    def _answer(self, store: Store, stored: StoredEdit, step: int) -> None:
        try:
            edit = as_edit(stored, step)
            answer = self._apply(store, edit, step)
        except LearnrateError as error:
            store.answer_edit(stored.run, stored.sequence, EditStatus.REFUSED, answer=str(error))
            return
        self._position += 1
        store.answer_edit(
            stored.run,
            stored.sequence,
            EditStatus.APPLIED,
            step=step,
            answer=answer,
            position=self._position,
        )

    def _apply(self, store: Store, edit: Edit, step: int) -> str:
        if edit.kind in RATE_KINDS and self.edited.base is None:
            raise ArgumentError(
                "the framework sets the rates of this run. Give its callback a schedule to steer it."
            )
        if edit.kind in RATE_KINDS:
            before = self.edited.schedule(step)
            self._follow(store, self.edited.with_edit(edit))
            after = self.edited.schedule(step)
            return f"rate {before:.4g} -> {after:.4g}{note_on_undo(self.edited.edits)}"
        if edit.kind is EditKind.STOP:
            self.stopped = f"stopped by {edit.author}"
            return ""
        raise ArgumentError(
            f"this run takes no '{edit.kind}': its framework keeps the weights. Save and restore a "
            "model with the framework's own checkpoints."
        )

    def _follow(self, store: Store, edited: Edited) -> None:
        is_longer = edited.total_steps != self.edited.total_steps
        self.edited = edited
        if is_longer:
            store.set_total(self._recorder.run, edited.total_steps)

    def _look(self) -> None:
        """In the recorder's thread."""
        self._newest = max(self._newest, self._recorder.newest_edit())

    def _open(self) -> Store:
        return Store(self._recorder.url, create=False, wait=_LOCK_WAIT)


def _rates_in_words(edited: Edited, step: int) -> str:
    return f"rate {edited.schedule(step):.4g}"
