"""Lines of the tables as records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select

from learnrate.store._chunks import joined, unpack
from learnrate.store._records import (
    EditStatus,
    Points,
    RunStatus,
    StoredEdit,
    StoredRun,
    seen_alive,
)
from learnrate.store._tables import attempts, points
from learnrate.watch import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

__all__ = ["edit_of", "finding_of", "points_in", "run_of", "sharpness_of"]


def run_of(row: Row[Any]) -> StoredRun:
    """A line of `runs`; one that runs and gives no sign of life is lost."""
    status = RunStatus(row.status)
    if status is RunStatus.RUNNING and not seen_alive(row.host, row.pid, row.updated):
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
        schedule_json=row.schedule,
        limits=json.loads(row.limits),
        facts=json.loads(row.facts),
        host=row.host,
        pid=row.pid,
    )


def edit_of(row: Row[Any]) -> StoredEdit:
    """A line of `edits`."""
    fields = {**row._mapping}  # noqa: SLF001 - SQLAlchemy's public name for it
    return StoredEdit(
        **{**fields, "value": json.loads(row.value), "status": EditStatus(row.status)}
    )


def points_in(connection: Connection, run: str, after: int) -> Points:
    """The rows of a run that stand, later than a step."""
    query = (
        select(points)
        .where(points.c.run == run, points.c.last > after)
        .order_by(points.c.attempt, points.c.first)
    )
    begun = select(attempts.c.attempt, attempts.c.begins).where(attempts.c.run == run)
    begins = {row.attempt: row.begins for row in connection.execute(begun)}
    blocks = [(row.attempt, unpack(row.columns, row.data)) for row in connection.execute(query)]
    found = joined(blocks, begins)
    rows = int(np.searchsorted(found.step, after, side="right"))
    columns = {name: held[rows:] for name, held in found.columns.items()}
    return Points(step=found.step[rows:], columns=columns, attempt=found.attempt[rows:])


def finding_of(row: Row[Any]) -> Finding:
    """A line of `findings`."""
    return Finding(
        code=row.code,
        severity=Severity(row.severity),
        step=row.step,
        message=row.message,
        evidence=json.loads(row.evidence),
        remedy=row.remedy,
    )


def sharpness_of(columns: Mapping[str, np.ndarray], step: np.ndarray) -> dict[str, Any]:
    """What a sharpness probe measured, as facts that rules read; empty without any.

    The eigenvalues of P^-1 H, which count with Adam, where there are any; and the rate times
    sharpness over the optimizer's limit, where the probe knew that.
    """
    found: dict[str, Any] = {}
    for name, scaled in (("preconditioned_sharpness", True), ("sharpness", False)):
        if name in columns:
            found = {"sharpness": _pairs(step, columns[name]), "preconditioned": scaled}
            break
    if "edge_ratio" in columns:
        found["edge_ratio"] = _pairs(step, columns["edge_ratio"])
    return found


def _pairs(step: np.ndarray, held: np.ndarray) -> list[list[float]]:
    known = ~np.isnan(held)
    return [list(pair) for pair in zip(step[known].tolist(), held[known].tolist(), strict=True)]
