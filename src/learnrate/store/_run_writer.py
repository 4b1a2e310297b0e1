"""RunWriter: a connection that writes one run and reconnects after an error."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from learnrate._errors import StoreError
from learnrate.store import _writes as writes
from learnrate.store._chunks import CHUNK, merge_rows
from learnrate.store._file_watch import FileWatch
from learnrate.store._migrations import migrate
from learnrate.store._place import display_place, engine_of, raising_store_errors, transaction
from learnrate.store._records import RunStatus, is_alive, new_id
from learnrate.store._tables import edits, runs
from learnrate.watch import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import URL, Connection, Row

    from learnrate.store._chunks import Rows

__all__ = ["NewAttempt", "RunWriter"]

_NEWEST_EDIT = select(func.max(edits.c.sequence)).where(edits.c.run == bindparam("run_id"))


@dataclass(frozen=True)
class NewAttempt:
    """A mark between the rows of two attempts.

    Attributes:
        first_step: the first step of the attempt that begins.
        reason: why it begins.
        run: the id of the run to continue; None for the same run.
    """

    first_step: int
    reason: str
    run: str | None = None


@dataclass(frozen=True)
class _Position:
    """Where rows are appended.

    Attributes:
        run: the run's id.
        attempt: the number of its attempt; None while the run is not in the store.
        last_block: the rows of the last block, which may still grow.
        begins: the first step of the attempt.
    """

    run: str
    attempt: int | None = None
    last_block: Rows | None = None
    begins: int = 0


class RunWriter:
    """Writes one run, each call in one transaction. After an error the next call reconnects.

    It looks for edits through a second connection that stays open, since opening one takes
    twenty times as long as looking.

    Args:
        url: the URL of the store.
        fields: the fields of the run, as `run_fields` returns them.
        wait: seconds to wait for other processes that write.

    Attributes:
        is_replaced: whether this is another store than before, because the file was moved, deleted or
            overwritten; earlier records are not in it.
    """

    def __init__(self, url: URL, fields: Mapping[str, Any], wait: float) -> None:
        self._url, self._fields = url, dict(fields)
        self._engine = engine_of(url, wait=wait)
        self._connection: Connection | None = None
        self._edits_connection: Connection | None = None
        self._file, self._is_suspect = FileWatch(url), False
        self._position = _Position(new_id())
        self.is_replaced = False

    @property
    def run(self) -> str:
        """The id of the run, by which a store knows it."""
        return self._position.run

    @property
    def in_store(self) -> bool:
        """Whether the run is in the store."""
        return self._position.attempt is not None

    def elsewhere(self, url: URL, wait: float) -> RunWriter:
        """A writer that continues the same attempt of the same run in another store.

        Args:
            url: the URL of the other store.
            wait: seconds to wait for other processes that write there.
        """
        other = RunWriter(url, self._fields, wait)
        other._position = replace(self._position, last_block=None)
        return other

    def write(self, records: Sequence[Any], step: int) -> None:
        """Write records in order, and the run's step.

        Args:
            records: rows, `NewAttempt`s, findings and a `RunStatus`.
            step: the update about to happen.

        Raises:
            StoreError: the store cannot be written; nothing was written.
        """
        with raising_store_errors(display_place(self._url)):
            try:
                connection = self._connected()
                with transaction(connection):
                    position = self._write_records(connection, records, step)
            except IntegrityError:
                self.close()
                if self._position.attempt is not None:
                    raise
                self._position = _Position(new_id())  # another run has this id
                return self.write(records, step)
            except SQLAlchemyError:
                self.close()
                raise
        self._position = position
        return None

    def newest_edit(self) -> int:
        """The sequence number of the run's newest edit; 0 without any.

        Raises:
            StoreError: the store cannot be read.
        """
        with raising_store_errors(display_place(self._url)):
            try:
                self._connected()
                if self._edits_connection is None:
                    self._edits_connection = self._engine.connect()
                with self._edits_connection.begin():
                    result = self._edits_connection.execute(_NEWEST_EDIT, {"run_id": self.run})
                    return result.scalar() or 0
            except SQLAlchemyError:
                self.close()
                raise

    def close(self) -> None:
        """Close the connections; the next call opens them again."""
        for connection in filter(None, (self._connection, self._edits_connection)):
            with suppress(SQLAlchemyError):
                connection.invalidate()  # closed, and not returned to a pool
                connection.close()
        self._connection = self._edits_connection = None
        self._engine.dispose()

    def _connected(self) -> Connection:
        is_damaged = self._file.is_damaged()
        if self._connection is not None and not is_damaged and not self._file.is_other():
            return self._connection
        self.close()
        place = display_place(self._url)
        self._is_suspect = self._is_suspect or is_damaged
        if self._is_suspect:
            self._check_file(place)
            self._is_suspect = False
        migrate(self._engine, place)
        connection = self._engine.connect().execution_options(writing=True)
        if connection.dialect.name == "sqlite":
            # With the log, writes survive a killed process; a power failure may cost seconds.
            sqlite: Any = connection.connection
            sqlite.execute("PRAGMA synchronous = NORMAL")
        self._connection = connection
        self._file.remember()
        return connection

    def _check_file(self, place: str) -> None:
        with self._engine.connect() as connection:
            problem = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if problem != "ok":
            raise StoreError(
                f"the store {place} is damaged: another program overwrote it or cut it short."
            )

    def _write_records(
        self, connection: Connection, records: Sequence[Any], step: int
    ) -> _Position:
        position = self._position
        values: dict[str, Any] = {"step": step}
        for record in records:
            if isinstance(record, NewAttempt):
                position = self._begin_attempt(connection, position, record)
                values = {"step": step}  # the values of earlier rows may be superseded
                continue
            position = self._add_run(connection, position)
            if isinstance(record, Finding):
                writes.add_finding(connection, position.run, record)
            elif isinstance(record, RunStatus):
                values["status"] = str(record)
            else:
                position = _append_rows(connection, position, record)
                writes.add_latest_values(values, record)
        position = self._add_run(connection, position)
        values["step"] = max(step, values["step"])
        if not writes.update_run(connection, position.run, values):
            self.is_replaced = True  # the store is a new one
            writes.add_run(
                connection,
                position.run,
                self._fields,
                position.begins,
                attempt=position.attempt or 0,
            )
            writes.update_run(connection, position.run, values)
        return position

    def _add_run(self, connection: Connection, position: _Position) -> _Position:
        """Add the run, unless it is in the store."""
        if position.attempt is not None:
            return position
        writes.add_run(connection, position.run, self._fields, 0)
        return replace(position, attempt=0)

    def _begin_attempt(
        self, connection: Connection, position: _Position, new: NewAttempt
    ) -> _Position:
        if new.run is not None and new.run != position.run:
            position = self._continue_run(connection, position, new.run)
        position = self._add_run(connection, position)
        attempt = writes.begin_attempt(connection, position.run, new.first_step, new.reason)
        return _Position(position.run, attempt, begins=new.first_step)

    def _continue_run(self, connection: Connection, position: _Position, run: str) -> _Position:
        """Continue another run; if another process still writes that run, keep this one."""
        row = connection.execute(select(runs).where(runs.c.id == run)).one_or_none()
        if row is not None and _written_by_another_process(row):
            return position
        if position.attempt is not None and not writes.has_points(connection, position.run):
            writes.delete_run(connection, position.run)
        if row is None:
            return self._add_run(connection, _Position(run))
        fields = {name: self._fields[name] for name in ("host", "pid", "total_steps")}
        connection.execute(
            update(runs).where(runs.c.id == run).values(**fields, status=str(RunStatus.RUNNING))
        )
        return _Position(run, writes.last_attempt(connection, run))


def _written_by_another_process(row: Row[Any]) -> bool:
    by_this_process = (row.host, row.pid) == (socket.gethostname(), os.getpid())
    running = row.status == RunStatus.RUNNING and is_alive(row.host, row.pid, row.updated)
    return running and not by_this_process


def _append_rows(connection: Connection, position: _Position, rows: Rows) -> _Position:
    """Write rows after the earlier ones: the last block grows until it is full."""
    assert position.attempt is not None  # noqa: S101 - the run was added before
    blocks = [rows] if position.last_block is None else [position.last_block, rows]
    step, columns = merge_rows(blocks)
    for first_row in range(0, len(step), CHUNK):
        block = slice(first_row, first_row + CHUNK)
        last: Rows = (step[block], {name: column[block] for name, column in columns.items()})
        writes.put_block(connection, position.run, position.attempt, last)
    return replace(position, last_block=last)
