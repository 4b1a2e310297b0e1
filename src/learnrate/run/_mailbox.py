"""What goes between a run and its store: edits that people ask for, and the run's answers."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from learnrate._errors import ArgumentError, LearnrateError
from learnrate.steering import as_edit, request
from learnrate.store import EditStatus, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.edits import Edit
    from learnrate.run._agreement import Agreement
    from learnrate.store import Recorder, StoredEdit

__all__ = ["Mailbox"]

_PATIENCE = 2.0  # seconds to wait for others that write to the store


class Mailbox:
    """Edits in, answers out, in the recorder's thread: the training only looks whether any `arrived`.

    What is posted stays until it is written, in order, whatever the database does. An answer to an
    edit that has one already changes nothing, so no edit takes effect twice. Of several ranks the
    first one has it, and lets all agree on the step.
    """

    def __init__(self, recorder: Recorder, agreement: Agreement | None = None) -> None:
        self.arrived: deque[tuple[int, Edit]] = deque()
        self._agreement = agreement
        self._recorder = recorder
        self._posted: deque[Callable[[Store, str], None]] = deque()
        self._waiting: deque[threading.Event] = deque()
        self._store: Store | None = None
        self._seen = 0
        self._run: str | None = None
        recorder.background_task = self

    def begin(self, seen: int) -> None:
        """Start after the edit of that sequence number, of the run that is now recorded."""
        self.arrived.clear()
        self._seen, self._run = seen, self._recorder.run

    def post(self, action: Callable[[Store, str], None]) -> None:
        """Do something with the store and the run's id, soon."""
        self._posted.append(action)
        self._recorder.wake()

    def applied(self, sequence: int, edit: Edit, position: int, answer: str) -> None:
        """Answer an edit that took effect."""
        self.post(
            lambda store, run: _ignored(
                store.answer_edit(
                    run,
                    sequence,
                    EditStatus.APPLIED,
                    step=edit.step,
                    answer=answer,
                    position=position,
                )
            )
        )

    def refused(self, sequence: int, answer: str) -> None:
        """Answer one that did not."""
        self.post(
            lambda store, run: _ignored(
                store.answer_edit(run, sequence, EditStatus.REFUSED, answer=answer)
            )
        )

    def note(self, edit: Edit, position: int, answer: str) -> None:
        """Store an edit that the run made by itself."""

        def write(store: Store, run: str) -> None:
            if any(one.position == position for one in store.edits(run)):
                return  # it is there: of a resumed run, or the connection was lost before it said so
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
        """Ask for an edit from within, as other processes do: stored first, then taken in.

        Raises:
            ArgumentError: it does not fit, or the run's limits forbid it.
            StoreError: the store cannot be written.
        """
        self._recorder.flush()
        with closing(Store(self._recorder.url, create=False)) as store:
            request(
                store,
                self._recorder.run,
                str(edit.kind),
                edit.value,
                group=edit.group,
                author=edit.author,
                reason=edit.reason,
            )
        self.fetch()

    def stored(self) -> list[StoredEdit]:
        """The run's edits that the store knows.

        Raises:
            StoreError: it cannot be read.
        """
        with closing(Store(self._recorder.url, create=False, wait=_PATIENCE)) as store:
            return store.edits(self._recorder.run)

    def fetch(self, wait: float = _PATIENCE) -> bool:
        """Exchange now, and wait for it; whether it was done."""
        done = threading.Event()
        self._waiting.append(done)
        self._recorder.wake()
        return done.wait(wait)

    def _receive(self, stored: StoredEdit) -> None:
        try:
            edit = as_edit(stored)
        except LearnrateError as error:
            self.refused(stored.sequence, str(error))
            return
        if self._agreement is None:
            self.arrived.append((stored.sequence, edit))
        else:
            self._agreement.offer({"sequence": stored.sequence, "edit": edit.to_dict()})

    def close(self) -> None:
        """Let go of the store; in the recorder's thread too."""
        if self._store is not None:
            self._store.close()

    def __call__(self) -> None:
        """In the recorder's thread: post, then look for edits."""
        run = self._recorder.run
        if run != self._run:
            self._seen, self._run = 0, run
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        while self._posted:
            with suppress(ArgumentError):  # the run was deleted: nobody waits for the answer
                self._posted[0](self._opened(), run)
            self._posted.popleft()
        if self._recorder.newest_edit() > self._seen:
            self._read(self._opened().edits(run, after=self._seen))
        for done in waiting:
            done.set()

    def _opened(self) -> Store:
        if self._store is None:
            self._store = Store(self._recorder.url, create=False, wait=_PATIENCE)
        return self._store

    def _read(self, stored: Iterable[StoredEdit]) -> None:
        for edit in stored:
            self._seen = edit.sequence
            if edit.status is EditStatus.PENDING:
                self._receive(edit)


def _ignored(_done: object) -> None:
    """An answer that came second is no error."""
