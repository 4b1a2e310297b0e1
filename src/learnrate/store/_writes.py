"""What is written, as functions of a connection whose transaction is the caller's."""

from __future__ import annotations

import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import delete, func, insert, select, update

from learnrate._errors import ArgumentError, ScheduleError
from learnrate._files import number_or_none
from learnrate.store._chunks import Rows, pack
from learnrate.store._records import RunStatus
from learnrate.store._tables import attempts, edits, findings, points, runs, snapshots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from learnrate.schedules import Schedule
    from learnrate.watch import Finding

__all__ = [
    "add_finding",
    "add_run",
    "begin_attempt",
    "delete_run",
    "described",
    "last_attempt",
    "last_step",
    "put_block",
    "put_edit",
    "put_rows",
    "put_snapshot",
    "remove_snapshot",
    "summarise",
    "summary",
]

_BULK = 8192  # rows of one block where a whole run is written at once


def described(
    name: str,
    total_steps: int | None,
    schedule: Schedule | None,
    limits: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """A new run of this process, as the table's fields.

    Raises:
        ArgumentError: limits or facts are no JSON values.
    """
    text, told = None, dict(facts)
    if schedule is not None:
        try:
            text = schedule.to_json()
        except ScheduleError:  # it holds a function
            told["schedule"] = str(schedule)
    now = time.time()
    return {
        "name": name,
        "status": str(RunStatus.RUNNING),
        "started": now,
        "updated": now,
        "step": 0,
        "total_steps": total_steps,
        "schedule": text,
        "limits": _json("limits", dict(limits)),
        "facts": _json("facts", told),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def _json(argument: str, value: dict[str, Any]) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{argument}={{...}} must hold JSON values: {error}.") from None


def add_run(connection: Connection, run: str, fields: Mapping[str, Any], begins: int) -> None:
    """A run with its first attempt."""
    connection.execute(insert(runs).values(id=run, **fields))
    begin_attempt(connection, run, begins, "started")


def begin_attempt(connection: Connection, run: str, begins: int, reason: str) -> int:
    """One more attempt; gives its number, from 0 on."""
    last = connection.execute(
        select(func.max(attempts.c.attempt)).where(attempts.c.run == run)
    ).scalar()
    attempt = 0 if last is None else int(last) + 1
    connection.execute(
        insert(attempts).values(
            run=run, attempt=attempt, begins=begins, time=time.time(), reason=reason
        )
    )
    return attempt


def last_attempt(connection: Connection, run: str) -> int:
    """The number of a run's latest attempt."""
    query = select(func.max(attempts.c.attempt)).where(attempts.c.run == run)
    return int(connection.execute(query).scalar() or 0)


def last_step(connection: Connection, run: str, attempt: int) -> int:
    """The last step of an attempt that has a row; -1 without any."""
    chosen = (points.c.run == run, points.c.attempt == attempt)
    last = connection.execute(select(func.max(points.c.last)).where(*chosen)).scalar()
    return -1 if last is None else int(last)


def delete_run(connection: Connection, run: str) -> None:
    """A run and all that belongs to it."""
    connection.execute(delete(runs).where(runs.c.id == run))
    for table in (attempts, points, findings, edits, snapshots):
        connection.execute(delete(table).where(table.c.run == run))


def put_block(connection: Connection, run: str, attempt: int, rows: Rows) -> None:
    """A block of rows, in place of the one that began at the same step."""
    step, columns = rows
    first, (names, data) = int(step[0]), pack(step, columns)
    connection.execute(
        delete(points).where(
            points.c.run == run, points.c.attempt == attempt, points.c.first == first
        )
    )
    connection.execute(
        insert(points).values(
            run=run, attempt=attempt, first=first, last=int(step[-1]), columns=names, data=data
        )
    )


def put_rows(connection: Connection, run: str, attempt: int, rows: Rows) -> None:
    """Many rows at once, such as a whole run; the run's line follows."""
    step, columns = rows
    for at in range(0, len(step), _BULK):
        part = {name: held[at : at + _BULK] for name, held in columns.items()}
        put_block(connection, run, attempt, (step[at : at + _BULK], part))
    summarise(connection, run, summary(rows))


def summary(rows: Rows) -> dict[str, Any]:
    """What a list of runs shows of the last of some rows."""
    step, columns = rows
    found: dict[str, Any] = {"step": int(step[-1]) + 1}
    for name in ("lr", "loss"):
        known = columns.get(name, np.empty(0))
        known = known[~np.isnan(known)] if name == "lr" else known
        if len(known):
            found[name] = number_or_none(float(known[-1]))
    return found


def summarise(connection: Connection, run: str, values: Mapping[str, Any]) -> bool:
    """Bring a run's line up to date, as a sign of life; False where there is no such run."""
    changed = {**values, "updated": time.time()}
    done = connection.execute(update(runs).where(runs.c.id == run).values(changed))
    return done.rowcount == 1


def add_finding(connection: Connection, run: str, finding: Finding) -> None:
    """A finding."""
    fields = finding.to_dict()
    fields["evidence"] = json.dumps(fields["evidence"], allow_nan=False)
    connection.execute(insert(findings).values(run=run, time=time.time(), **fields))


def put_edit(connection: Connection, run: str, fields: Mapping[str, Any]) -> int:
    """An edit; gives its number within the run, from 1 on."""
    last = connection.execute(select(func.max(edits.c.sequence)).where(edits.c.run == run))
    sequence = (last.scalar() or 0) + 1
    connection.execute(insert(edits).values(run=run, sequence=sequence, **fields))
    return sequence


def put_snapshot(connection: Connection, run: str, step: int, place: str) -> None:
    """A snapshot's place, in place of the one of that step."""
    remove_snapshot(connection, run, step)
    connection.execute(insert(snapshots).values(run=run, step=step, place=place, time=time.time()))


def remove_snapshot(connection: Connection, run: str, step: int) -> None:
    """Forget one."""
    connection.execute(delete(snapshots).where(snapshots.c.run == run, snapshots.c.step == step))
