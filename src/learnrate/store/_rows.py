"""Lines of the tables as records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.store._records import EditStatus, RunStatus, StoredEdit, StoredRun, seen_alive
from learnrate.watch import Finding, Severity

if TYPE_CHECKING:
    from sqlalchemy import Row

    from learnrate.store._records import Points

__all__ = ["edit_of", "finding_of", "run_of", "sharpness_of"]


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


def sharpness_of(points: Points) -> dict[str, Any]:
    """What a sharpness probe measured, as facts that rules read; empty without any.

    The eigenvalues of P^-1 H, which count with Adam, where there are any.
    """
    for name, scaled in (("preconditioned_sharpness", True), ("sharpness", False)):
        if name in points.columns:
            held = points.columns[name]
            known = ~np.isnan(held)
            pairs = zip(points.step[known].tolist(), held[known].tolist(), strict=True)
            return {"sharpness": [list(pair) for pair in pairs], "preconditioned": scaled}
    return {}
