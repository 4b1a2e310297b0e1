"""The runs of a store as a list shows them; what does not change is read once."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from learnrate.store._listing import ListedRun
from learnrate.store._records import RunStatus
from learnrate.store._rows import run_of
from learnrate.store._tables import findings, runs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from learnrate.store._store import Store

__all__ = ["RunIndex"]

_FIXED = {"schedule", "limits", "facts"}  # columns that do not change after the run has begun
_CHANGING = [column for column in runs.c if column.name not in _FIXED]
_MOST_PICKED = 500  # new runs that are read by their ids; if there are more, all runs are read


class RunIndex:
    """The runs of a store with the codes of their findings, for lists.

    It keeps what it has read, so that a long list is quick to read again. It is safe in any
    thread.

    Args:
        store: to read from.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[tuple[Any, ...], ListedRun]] = {}
        self._codes: dict[str, tuple[str, ...]] = {}
        self._findings_version: tuple[Any, ...] = ()
        self._lock = Lock()

    def runs(self) -> list[ListedRun]:
        """All runs, the newest first."""
        with self._lock, self._store.reading() as connection:
            self._read_codes(connection)
            query = select(*_CHANGING).order_by(runs.c.started.desc(), runs.c.id)
            rows = connection.execute(query).all()
            new_runs = self._new_runs(connection, [row.id for row in rows])
            self._known = {
                row.id: self._entry(row, new_runs)
                for row in rows
                if row.id in self._known or row.id in new_runs
            }
            return [listed for _, listed in self._known.values()]

    def _entry(
        self, row: Row[Any], new_runs: dict[str, ListedRun]
    ) -> tuple[tuple[Any, ...], ListedRun]:
        version = (*row, self._codes.get(row.id, ()))
        if row.id in new_runs:
            return version, new_runs[row.id]
        known = self._known[row.id]
        if known[0] == version and row.status != RunStatus.RUNNING:
            return known
        return version, ListedRun(run=run_of(row, known[1].run), findings=version[-1])

    def _new_runs(self, connection: Connection, ids: list[str]) -> dict[str, ListedRun]:
        """The runs that are not known yet, with all their columns."""
        new = [run for run in ids if run not in self._known]
        if not new:
            return {}
        query = select(runs)
        if len(new) <= _MOST_PICKED:
            query = query.where(runs.c.id.in_(new))
        return {
            row.id: ListedRun(run=run_of(row), findings=self._codes.get(row.id, ()))
            for row in connection.execute(query)
        }

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
