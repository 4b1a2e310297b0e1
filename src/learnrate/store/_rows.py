"""Lines of the tables as records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from learnrate.store._records import EditStatus, RunStatus, StoredEdit, StoredRun, seen_alive
from learnrate.watch import Finding, Severity

if TYPE_CHECKING:
    from sqlalchemy import Row

__all__ = ["edit_of", "finding_of", "run_of"]


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
        total=row.total,
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
