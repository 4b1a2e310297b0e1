"""Mailbox: edits that people request, on their way from the store, and the run's answers."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from learnrate._errors import ArgumentError, LearnrateError
from learnrate.steering import as_edit, request_edit
from learnrate.store import EditStatus, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.edits import Edit
    from learnrate.run._agreement import Agreement
    from learnrate.store import Recorder, StoredEdit

__all__ = ["Mailbox"]

_LOCK_WAIT = 2.0  # seconds to wait for others that write to the store


class Mailbox:
    """Reads requested edits and writes answers, in the recorder's thread.

    The training only checks whether any edits have `arrived`. Answers are kept until they are
    written, in order, even if the database fails for a while. The store ignores a second answer to
    an edit, so no edit takes effect twice. Only the first rank has a mailbox; it lets all ranks
    agree on the step.

    Args:
        recorder: the recorder of the run; the mailbox works in its thread.
        agreement: the agreement of the ranks; None for one rank.
    """

    def __init__(self, recorder: Recorder, agreement: Agreement | None = None) -> None:
        self.arrived: deque[tuple[int, Edit]] = deque()
        self._agreement = agreement
        self._recorder = recorder
        self._outgoing: deque[Callable[[Store, str], None]] = deque()
        self._waiting: deque[threading.Event] = deque()
        self._store: Store | None = None
        self._last_read = 0  # sequence number of an edit
        self._run: str | None = None
        recorder.background_task = self

    def start_after(self, sequence: int) -> None:
        """Read only edits after this sequence number, of the run that is recorded now."""
        self.arrived.clear()
        self._last_read, self._run = sequence, self._recorder.run

    def post(self, action: Callable[[Store, str], None]) -> None:
        """Call a function with the store and the run's id, soon, in the recorder's thread."""
        self._outgoing.append(action)
        self._recorder.wake()

    def answer_applied(self, sequence: int, edit: Edit, position: int, answer: str) -> None:
        """Answer an edit that took effect.

        Args:
            sequence: number of the stored edit.
            edit: the edit with its step.
            position: the position in the order in which edits took effect.
            answer: what changed, as text.
        """

        def write(store: Store, run: str) -> None:
            store.answer_edit(
                run,
                sequence,
                EditStatus.APPLIED,
                step=edit.step,
                answer=answer,
                position=position,
            )

        self.post(write)

    def answer_refused(self, sequence: int, answer: str) -> None:
        """Answer an edit that did not take effect, with the reason."""

        def write(store: Store, run: str) -> None:
            store.answer_edit(run, sequence, EditStatus.REFUSED, answer=answer)

        self.post(write)

    def add_applied(self, edit: Edit, position: int, answer: str) -> None:
        """Store an edit of the run itself, which took effect already.

        Args:
            edit: the edit with its step.
            position: the position in the order in which edits took effect.
            answer: what changed, as text.
        """

        def write(store: Store, run: str) -> None:
            if any(stored.position == position for stored in store.edits(run)):
                return  # stored before a resume, or before the connection was lost
            store.add_edit(
                run,
                str(edit.kind),
                edit.value,
                group=edit.group,
                author=edit.author,
                reason=edit.reason,
                step=edit.step,
                answer=answer,
                position=position,
            )

        self.post(write)

    def request(self, edit: Edit) -> None:
        """Request an edit from within the run, as other processes do: store it, then read it.

        Raises:
            ArgumentError: the edit does not fit, or the run's limits forbid it.
            StoreError: the store cannot be written.
        """
        self._recorder.flush()
        with closing(Store(self._recorder.url, create=False)) as store:
            request_edit(store, self._recorder.run, edit)
        self.exchange()

    def stored(self) -> list[StoredEdit]:
        """All edits of the run in the store.

        Raises:
            StoreError: the store cannot be read.
        """
        with closing(Store(self._recorder.url, create=False, wait=_LOCK_WAIT)) as store:
            return store.edits(self._recorder.run)

    def exchange(self, wait: float = _LOCK_WAIT) -> bool:
        """Write answers and read edits now; whether it was done within `wait` seconds."""
        done = threading.Event()
        self._waiting.append(done)
        self._recorder.wake()
        return done.wait(wait)

    def write_answers(self) -> None:
        """Wait until the store has all answers so far, or a short time if it cannot be written."""
        if self._outgoing:
            self.exchange()

    def _receive(self, stored: StoredEdit) -> None:
        try:
            edit = as_edit(stored)
        except LearnrateError as error:
            self.answer_refused(stored.sequence, str(error))
            return
        if self._agreement is None:
            self.arrived.append((stored.sequence, edit))
        else:
            self._agreement.offer({"sequence": stored.sequence, "edit": edit.to_dict()})

    def close(self) -> None:
        """Close the store; called in the recorder's thread."""
        if self._store is not None:
            self._store.close()

    def __call__(self) -> None:
        """In the recorder's thread: write answers, then read new edits."""
        run = self._recorder.run
        if run != self._run:
            self._last_read, self._run = 0, run
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        while self._outgoing:
            with suppress(ArgumentError):  # the run was deleted, so nobody waits for the answer
                self._outgoing[0](self._open_store(), run)
            self._outgoing.popleft()
        if self._recorder.newest_edit() > self._last_read:
            self._read(self._open_store().edits(run, after=self._last_read))
        for done in waiting:
            done.set()

    def _open_store(self) -> Store:
        if self._store is None:
            self._store = Store(self._recorder.url, create=False, wait=_LOCK_WAIT)
        return self._store

    def _read(self, stored: Iterable[StoredEdit]) -> None:
        for edit in stored:
            self._last_read = edit.sequence
            if edit.status is EditStatus.PENDING:
                self._receive(edit)
