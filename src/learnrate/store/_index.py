"""The runs of a store as a list shows them; fields that do not change are read once."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from learnrate.store._listing import ListedRun
from learnrate.store._records import RunStatus
from learnrate.store._rows import run_of
from learnrate.store._tables import findings, runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Column, Connection, Row

    from learnrate.store._store import Store

__all__ = ["RunIndex"]

_FIXED = {"schedule", "limits", "facts"}  # columns that do not change after the run has begun
_CHANGING = [column for column in runs.c if column.name not in _FIXED]
_LABELS = (runs.c.name, runs.c.lifecycle, runs.c.pinned, runs.c.tags, runs.c.note)
_VERSION = (runs.c.id, runs.c.status, runs.c.updated, *_LABELS)
"""If these are as before, so are the other columns of a run that has ended."""

_MOST_PICKED = 500  # runs that are read by their ids; if there are more, all runs are read


class RunIndex:
    """The runs of a store with the codes of their findings, for lists.

    It keeps what it has read, so that a long list is quick to read again. It is safe in any
    thread.

    Args:
        store: the store to read from.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, ListedRun] = {}
        self._versions: dict[str, tuple[Any, ...]] = {}
        self._codes: dict[str, tuple[str, ...]] = {}
        self._findings_version: tuple[Any, ...] = ()
        self._lock = Lock()

    def runs(self) -> list[ListedRun]:
        """All runs with their codes of findings, the newest first."""
        with self._lock, self._store.reading() as connection:
            self._read_codes(connection)
            self._read_changed(connection, _versions(connection))
            return list(self._known.values())

    def _read_changed(self, connection: Connection, versions: dict[str, tuple[Any, ...]]) -> None:
        """Read the runs that changed, may change at any time, or are new; forget deleted ones."""
        changed = {
            run
            for run, version in versions.items()
            if version != self._versions.get(run) or version[1] == RunStatus.RUNNING
        } | {
            run
            for run, listed in self._known.items()
            if run in versions and listed.findings != self._codes.get(run, ())
        }
        if not changed and len(versions) == len(self._known):
            return
        new = {run for run in changed if run not in self._known}
        known = {run: self._known[run] for run in versions if run in self._known}
        for columns, ids in ((_CHANGING, changed - new), (list(runs.c), new)):
            for row in _picked(connection, columns, ids):
                before = known.get(row.id)
                stored_run = run_of(row, None if before is None else before.run)
                codes = self._codes.get(row.id, ())
                known[row.id] = ListedRun(run=stored_run, findings=codes)
        in_order = sorted(known.values(), key=lambda listed: (-listed.run.started, listed.run.id))
        self._known = {listed.run.id: listed for listed in in_order}
        self._versions = versions

    def _read_codes(self, connection: Connection) -> None:
        """The codes of each run's findings, if there are other findings than before."""
        count = select(func.count(findings.c.id), func.max(findings.c.id))
        version = tuple(connection.execute(count).one())
        if version == self._findings_version:
            return
        codes: dict[str, dict[str, None]] = {}
        query = select(findings.c.run, findings.c.code).order_by(findings.c.id)
        for run, code in connection.execute(query):
            codes.setdefault(run, {})[code] = None
        self._codes = {run: tuple(run_codes) for run, run_codes in codes.items()}
        self._findings_version = version


def _versions(connection: Connection) -> dict[str, tuple[Any, ...]]:
    """The values of `_VERSION` by id, as the driver gives them: SQLAlchemy's take twice as long."""
    with connection.execute(select(*_VERSION)) as result:
        rows = [] if result.cursor is None else result.cursor.fetchall()
    return {row[0]: row for row in rows}


def _picked(
    connection: Connection, columns: Sequence[Column[Any]], ids: set[str]
) -> Iterator[Row[Any]]:
    """Some columns of the runs of some ids."""
    if not ids:
        return
    query = select(*columns)
    if len(ids) <= _MOST_PICKED:
        query = query.where(runs.c.id.in_(ids))
    yield from (row for row in connection.execute(query) if row.id in ids)
