"""Rows of the tables as records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select

from learnrate.store._chunks import join_attempts, unpack
from learnrate.store._records import (
    EditStatus,
    Lifecycle,
    RecordedPoints,
    RunStatus,
    Snapshot,
    StoredEdit,
    StoredRun,
    is_alive,
)
from learnrate.store._tables import attempts, points
from learnrate.watch import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

__all__ = [
    "edit_of",
    "finding_of",
    "points_in",
    "rows_with_a_value",
    "run_of",
    "snapshot_of",
]

_TYPES: dict[Any, tuple[str, ...]] = {
    str: ("id", "name", "status", "host", "limits", "facts", "schedule"),
    int: ("step", "total_steps", "pid"),
    float | int: ("started", "updated", "lr", "loss"),
}
_OPTIONAL = {"schedule", "total_steps", "lr", "loss"}
_END_OF_TIME = 1e11  # seconds after 1970


def run_of(row: Row[Any], known: StoredRun | None = None) -> StoredRun:
    """A row of `runs`; a running one that no longer writes is lost.

    Args:
        row: a row with all columns; or, if `known` is not None, without schedule, limits and
            facts.
        known: the run as it was read before; its schedule, limits and facts never change.
    """
    if known is None:
        _check_types(row)
    status = RunStatus(row.status)
    if status is RunStatus.RUNNING and not is_alive(row.host, row.pid, row.updated):
        status = RunStatus.LOST
    return StoredRun(
        id=row.id,
        name=row.name,
        status=status,
        started=row.started,
        updated=row.updated,
        step=row.step,
        total_steps=row.total_steps,
        lr=row.lr,
        loss=row.loss,
        schedule_json=row.schedule if known is None else known.schedule_json,
        limits=_dictionary(row.limits) if known is None else known.limits,
        facts=_dictionary(row.facts) if known is None else known.facts,
        host=row.host,
        pid=row.pid,
        validation=row.validation,
        lowest_loss=row.lowest_loss,
        lowest_validation=row.lowest_validation,
        lifecycle=Lifecycle(row.lifecycle),
        pinned=row.pinned,
        tags=tuple(json.loads(row.tags)),
        note=row.note,
    )


def _check_types(row: Row[Any]) -> None:
    """Raise TypeError or ValueError for a row that learnrate did not write."""
    for kind, names in _TYPES.items():
        for name in names:
            value = getattr(row, name)
            if not isinstance(value, kind) and not (value is None and name in _OPTIONAL):
                raise TypeError(f"{name} is {value!r}")
    if not max(abs(row.started), abs(row.updated)) < _END_OF_TIME:
        raise ValueError(f"the run started at {row.started!r} s after 1970")


def _dictionary(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError(f"{text[:40]} is not a JSON object")
    return value


def edit_of(row: Row[Any]) -> StoredEdit:
    """A row of the table `edits` as a record."""
    fields = {**row._mapping}  # noqa: SLF001 - public in SQLAlchemy
    return StoredEdit(
        **{**fields, "value": json.loads(row.value), "status": EditStatus(row.status)}
    )


def snapshot_of(row: Row[Any]) -> Snapshot:
    """The saved state in a row."""
    return Snapshot(run=row.run, step=row.step, place=row.place, time=row.time)


def points_in(connection: Connection, run: str, after: int) -> RecordedPoints:
    """The valid rows of a run: at each step, the row of the latest attempt.

    Args:
        connection: a connection to the database.
        run: the run's id.
        after: only rows of a later step.
    """
    query = (
        select(points)
        .where(points.c.run == run, points.c.last > after)
        .order_by(points.c.attempt, points.c.first)
    )
    starts = select(attempts.c.attempt, attempts.c.begins).where(attempts.c.run == run)
    first_steps = {row.attempt: row.begins for row in connection.execute(starts)}
    blocks = [(row.attempt, unpack(row.columns, row.data)) for row in connection.execute(query)]
    valid = join_attempts(blocks, first_steps)
    rows = int(np.searchsorted(valid.step, after, side="right"))
    columns = {name: column[rows:] for name, column in valid.columns.items()}
    return RecordedPoints(step=valid.step[rows:], columns=columns, attempt=valid.attempt[rows:])


def finding_of(row: Row[Any]) -> Finding:
    """A row of the table `findings` as a finding."""
    return Finding(
        code=row.code,
        severity=Severity(row.severity),
        step=row.step,
        message=row.message,
        evidence=json.loads(row.evidence),
        remedy=row.remedy,
    )


def rows_with_a_value(columns: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
    """Which rows have a value in some column; all of them if there are no columns.

    Args:
        columns: the columns by name.
        rows: the number of rows.
    """
    if not columns:
        return np.ones(rows, dtype=bool)
    return np.asarray(~np.all([np.isnan(column) for column in columns.values()], axis=0))
