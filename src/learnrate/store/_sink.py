"""Sink: one connection that writes one run, opened and opened again as need be."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from learnrate.store import _writes as writes
from learnrate.store._chunks import CHUNK, merged
from learnrate.store._migrations import migrate
from learnrate.store._place import engine_of, shown, speaking_plainly
from learnrate.store._records import RunStatus, new_id, seen_alive
from learnrate.store._tables import edits, runs
from learnrate.watch import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import URL, Connection, Row

    from learnrate.store._chunks import Rows

__all__ = ["Sink", "Turn"]

_NEWEST = select(func.max(edits.c.sequence)).where(edits.c.run == bindparam("asked"))


@dataclass(frozen=True)
class Turn:
    """Between the rows of two attempts: where the next one begins, why, and of which run."""

    begins: int
    reason: str
    run: str | None = None


@dataclass(frozen=True)
class _At:
    """Where writing is: the run, its attempt, and its last block, which may still grow."""

    run: str
    attempt: int | None = None
    tail: Rows | None = None


class Sink:
    """Writes in transactions that are whole or nothing; after an error the next one connects anew.

    A second connection is held to look for edits: to open one takes twenty times as long as to look.

    Args:
        url: of the store.
        fields: the run, as `described` gives it.
        wait: seconds to wait for others that write.
    """

    def __init__(self, url: URL, fields: Mapping[str, Any], wait: float) -> None:
        self._url, self._fields = url, dict(fields)
        self._engine = engine_of(url, wait=wait)
        self._connection: Connection | None = None
        self._looking: Connection | None = None
        self._file: tuple[int, int] | None = None
        self._at = _At(new_id())

    @property
    def run(self) -> str:
        """The run's id."""
        return self._at.run

    @property
    def begun(self) -> bool:
        """Whether the run is in the store."""
        return self._at.attempt is not None

    def write(self, items: Sequence[Any], step: int) -> None:
        """Write rows, turns, findings and a status in order, and that `step` is about to happen.

        Raises:
            StoreError: it cannot be written; nothing was.
        """
        with speaking_plainly(shown(self._url)):
            try:
                connection = self._connected()
                with connection.begin():
                    at = self._written(connection, items, step)
            except IntegrityError:
                self.close()
                if self._at.attempt is not None:
                    raise
                self._at = _At(new_id())  # another run has this name already
                return self.write(items, step)
            except SQLAlchemyError:
                self.close()
                raise
        self._at = at
        return None

    def newest_edit(self) -> int:
        """The sequence number of the run's newest edit; 0 without any.

        Raises:
            StoreError: it cannot be read.
        """
        with speaking_plainly(shown(self._url)):
            try:
                self._connected()
                if self._looking is None:
                    self._looking = self._engine.connect()
                with self._looking.begin():
                    return self._looking.execute(_NEWEST, {"asked": self.run}).scalar() or 0
            except SQLAlchemyError:
                self.close()
                raise

    def close(self) -> None:
        """Let go of the database."""
        for connection in filter(None, (self._connection, self._looking)):
            with suppress(SQLAlchemyError):
                connection.invalidate()  # to be closed, not kept for later
                connection.close()
        self._connection = self._looking = None
        self._engine.dispose()

    def _connected(self) -> Connection:
        if self._connection is not None and self._file == self._identity():
            return self._connection
        self.close()
        migrate(self._engine, shown(self._url))
        connection = self._engine.connect().execution_options(writing=True)
        if connection.dialect.name == "sqlite":
            # With a log this outlives the process at once; only a power failure may take seconds.
            raw: Any = connection.connection
            raw.execute("PRAGMA synchronous = NORMAL")
        self._connection, self._file = connection, self._identity()
        return connection

    def _identity(self) -> tuple[int, int] | None:
        """Which file it is: one that was deleted can be written to, and nobody would read it."""
        if self._url.drivername != "sqlite":
            return None
        try:
            found = Path(str(self._url.database)).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _written(self, connection: Connection, items: Sequence[Any], step: int) -> _At:
        at = self._at
        told: dict[str, Any] = {"step": step}
        for item in items:
            if isinstance(item, Turn):
                at = self._turned(connection, at, item)
                continue
            at = self._begun(connection, at)
            if isinstance(item, Finding):
                writes.add_finding(connection, at.run, item)
            elif isinstance(item, RunStatus):
                told["status"] = str(item)
            else:
                at = _appended(connection, at, item)
                told |= writes.summary(item)
        at = self._begun(connection, at)
        told["step"] = max(step, told["step"])
        if not writes.summarise(connection, at.run, told):
            writes.add_run(connection, at.run, self._fields, 0)  # the store was made anew
            writes.summarise(connection, at.run, told)
        return at

    def _begun(self, connection: Connection, at: _At) -> _At:
        if at.attempt is not None:
            return at
        writes.add_run(connection, at.run, self._fields, 0)
        return replace(at, attempt=0)

    def _turned(self, connection: Connection, at: _At, turn: Turn) -> _At:
        if turn.run is not None and turn.run != at.run:
            at = self._taken_up(connection, at, turn.run)
        at = self._begun(connection, at)
        attempt = writes.begin_attempt(connection, at.run, turn.begins, turn.reason)
        return _At(at.run, attempt)

    def _taken_up(self, connection: Connection, at: _At, run: str) -> _At:
        """Go on as another run, unless some other process is at it: then this one stays its own."""
        row = connection.execute(select(runs).where(runs.c.id == run)).one_or_none()
        if row is not None and _in_other_hands(row):
            return at
        if at.attempt == 0 and at.tail is None:
            writes.delete_run(connection, at.run)
        if row is None:
            return self._begun(connection, _At(run))
        kept = {name: self._fields[name] for name in ("host", "pid", "total_steps")}
        connection.execute(
            update(runs).where(runs.c.id == run).values(**kept, status=str(RunStatus.RUNNING))
        )
        return _At(run, writes.last_attempt(connection, run))


def _in_other_hands(row: Row[Any]) -> bool:
    ours = (row.host, row.pid) == (socket.gethostname(), os.getpid())
    running = row.status == RunStatus.RUNNING and seen_alive(row.host, row.pid, row.updated)
    return running and not ours


def _appended(connection: Connection, at: _At, rows: Rows) -> _At:
    """Rows after those that are there: the last block grows until it is full."""
    assert at.attempt is not None  # noqa: S101 - begun before anything is written
    step, columns = merged([rows] if at.tail is None else [at.tail, rows])
    for first in range(0, len(step), CHUNK):
        end = first + CHUNK
        tail: Rows = (step[first:end], {name: held[first:end] for name, held in columns.items()})
        writes.put_block(connection, at.run, at.attempt, tail)
    return replace(at, tail=tail)
