"""Which alerts were sent to which target, so that none is sent twice."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import distinct, func, insert, select

from learnrate.store._rows import finding_of
from learnrate.store._tables import alerts, findings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from learnrate.store._store import Store
    from learnrate.watch import Finding

__all__ = [
    "AlertTargets",
    "StoredFinding",
    "add_sent_alerts",
    "alert_targets",
    "sent_alerts",
    "unsent_findings",
]

_PART = 500  # findings that one query reads


@dataclass(frozen=True, kw_only=True)
class StoredFinding:
    """A finding with its place in a store.

    Attributes:
        subject: a text that names it among all alerts.
        run: the run's id.
        time: the time when it was added, in seconds since 1970.
        finding: what was found.
    """

    subject: str
    run: str
    time: float
    finding: Finding


@dataclass(frozen=True, kw_only=True)
class AlertTargets:
    """The targets that the alerts of a store are sent to.

    Attributes:
        count: number of targets.
        latest: when one of them last had news, in seconds since 1970; None if there is no target.
    """

    count: int
    latest: float | None


def alert_targets(store: Store) -> AlertTargets:
    """How many targets the alerts of a store are sent to, and when the last alert was sent."""
    query = select(func.count(distinct(alerts.c.target)), func.max(alerts.c.time))
    with store.reading() as connection:
        count, latest = connection.execute(query).one()
    return AlertTargets(count=count, latest=latest)


def sent_alerts(store: Store, target: str) -> set[str]:
    """The subjects of the alerts that were sent to a target, or that need not be sent to it."""
    query = select(alerts.c.subject).where(alerts.c.target == _digest(target))
    with store.reading() as connection:
        return set(connection.execute(query).scalars())


def add_sent_alerts(store: Store, target: str, subjects: Iterable[str]) -> None:
    """Record that alerts were sent to a target.

    Args:
        store: the store with the runs.
        target: a text that names the target; the store keeps only its digest.
        subjects: the subjects of the alerts.
    """
    fields = {"target": _digest(target), "time": time.time()}
    rows = [{**fields, "subject": subject} for subject in subjects]
    if rows:
        with store.writing() as connection:
            connection.execute(insert(alerts), rows)


def unsent_findings(store: Store, sent: Collection[str]) -> list[StoredFinding]:
    """The findings of all runs whose subjects are not among those that were sent."""
    with store.reading() as connection:
        ids = connection.execute(select(findings.c.id, findings.c.run).order_by(findings.c.id))
        new = [row.id for row in ids if _subject(row.id, row.run) not in sent]
        return [
            StoredFinding(
                subject=_subject(row.id, row.run),
                run=row.run,
                time=row.time,
                finding=finding_of(row),
            )
            for first in range(0, len(new), _PART)
            for row in connection.execute(
                select(findings).where(findings.c.id.in_(new[first : first + _PART]))
            )
        ]


def _subject(number: int, run: str) -> str:
    return f"finding {number} of {run}"  # the number of a purged run's finding may be used again


def _digest(target: str) -> str:
    return hashlib.sha256(target.encode()).hexdigest()
