"""Writing to the tables, within a transaction of the caller."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import bindparam, case, delete, func, insert, or_, select, update

from learnrate._errors import ArgumentError, ScheduleError
from learnrate._files import number_or_none
from learnrate.store._chunks import Rows, pack
from learnrate.store._records import RunStatus
from learnrate.store._rows import points_in
from learnrate.store._tables import attempts, edits, findings, points, runs, snapshots
from learnrate.watch import Observations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from learnrate.schedules import Schedule
    from learnrate.watch import Finding

__all__ = [
    "add_finding",
    "add_latest_values",
    "add_run",
    "begin_attempt",
    "checked_rows",
    "delete_run",
    "has_points",
    "last_attempt",
    "last_step",
    "put_block",
    "put_rows",
    "put_snapshot",
    "remove_snapshot",
    "run_fields",
    "update_run",
]

_GROUP_RATE = re.compile(r"lr\[\d+\]")
_BULK = 8192  # rows of one block if a whole run is written at once

# Statements that a live run executes at every write; to build them each time costs more.
_UPDATE_BLOCK = update(points).where(
    *(points.c[name] == bindparam(f"this_{name}") for name in ("run", "attempt", "first"))
)
_INSERT_BLOCK = insert(points)
_LOWER = {  # by the column of the lowest value: a lower one, or the present one
    column.name: case(
        (
            or_(column.is_(None), column > bindparam(f"new_{column.name}")),
            bindparam(f"new_{column.name}"),
        ),
        else_=column,
    )
    for column in (runs.c.lowest_loss, runs.c.lowest_validation)
}
_UPDATE_RUN = update(runs).where(runs.c.id == bindparam("this_run")).values(_LOWER)


def run_fields(
    name: str,
    total_steps: int | None,
    schedule: Schedule | None,
    limits: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The fields of a run that starts now, in this process.

    Args:
        name: the name of the run.
        total_steps: updates of the whole run; None if unknown.
        schedule: the schedule of the rate; one that holds a function is stored by its text among
            the facts.
        limits: the limits of edits, as JSON values by name.
        facts: other JSON values by name.

    Raises:
        ArgumentError: limits or facts are not JSON values.
    """
    text, stored_facts = None, dict(facts)
    if schedule is not None:
        try:
            text = schedule.to_json()
        except ScheduleError:  # it holds a function
            stored_facts["schedule"] = str(schedule)
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
        "facts": _json("facts", stored_facts),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def _json(argument: str, value: dict[str, Any]) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{argument}={{...}} must hold JSON values: {error}.") from None


def add_run(
    connection: Connection,
    run: str,
    fields: Mapping[str, Any],
    first_step: int,
    *,
    attempt: int = 0,
) -> None:
    """Add a run with an attempt.

    Args:
        connection: a connection in a transaction.
        run: the run's id.
        fields: the fields of the run, as `run_fields` returns them.
        first_step: the first step of the attempt.
        attempt: its number; above 0 if another store has the earlier ones.
    """
    connection.execute(insert(runs).values(id=run, **fields))
    _add_attempt(connection, run, attempt, first_step, "started")


def begin_attempt(connection: Connection, run: str, first_step: int, reason: str) -> int:
    """Add an attempt to a run.

    Args:
        connection: a connection in a transaction.
        run: the run's id.
        first_step: the first step of the attempt; it supersedes what was recorded from this step
            on.
        reason: why it begins.

    Returns:
        The attempt's number, from 0 on.
    """
    query = select(func.max(attempts.c.attempt)).where(attempts.c.run == run)
    last = connection.execute(query).scalar()
    attempt = 0 if last is None else int(last) + 1
    _add_attempt(connection, run, attempt, first_step, reason)
    if attempt:
        _forget_superseded(connection, run)
    return attempt


def _add_attempt(
    connection: Connection, run: str, attempt: int, first_step: int, reason: str
) -> None:
    connection.execute(
        insert(attempts).values(
            run=run, attempt=attempt, begins=first_step, time=time.time(), reason=reason
        )
    )


def _forget_superseded(connection: Connection, run: str) -> None:
    """Set the last and lowest values of a run to those of the rows that are still valid."""
    valid = points_in(connection, run, -1)
    latest = latest_values((valid.step, dict(valid.columns)))
    values = {name: latest.get(name) for name in ("validation", *_LOWER)}
    connection.execute(update(runs).where(runs.c.id == run).values(values))


def last_attempt(connection: Connection, run: str) -> int:
    """The number of a run's latest attempt."""
    query = select(func.max(attempts.c.attempt)).where(attempts.c.run == run)
    return int(connection.execute(query).scalar() or 0)


def last_step(connection: Connection, run: str, attempt: int) -> int:
    """The last step that an attempt recorded; -1 if it recorded none.

    Args:
        connection: a database connection, in a transaction.
        run: the run's id.
        attempt: the attempt's number, from 0.
    """
    chosen = (points.c.run == run, points.c.attempt == attempt)
    last = connection.execute(select(func.max(points.c.last)).where(*chosen)).scalar()
    return -1 if last is None else int(last)


def delete_run(connection: Connection, run: str) -> None:
    """Delete a run and everything that belongs to it."""
    connection.execute(delete(runs).where(runs.c.id == run))
    for table in (attempts, points, findings, edits, snapshots):
        connection.execute(delete(table).where(table.c.run == run))


def has_points(connection: Connection, run: str) -> bool:
    """Whether any attempt of a run recorded a point."""
    query = select(points.c.run).where(points.c.run == run).limit(1)
    return connection.execute(query).first() is not None


def put_block(connection: Connection, run: str, attempt: int, rows: Rows) -> None:
    """Write a block of rows; it replaces the one that begins at the same step.

    Args:
        connection: a connection in a transaction.
        run: the run's id.
        attempt: the number of the attempt that recorded the rows.
        rows: at least one.
    """
    step, columns = rows
    first, (names, data) = int(step[0]), pack(step, columns)
    key = {"run": run, "attempt": attempt, "first": first}
    values = {"last": int(step[-1]), "columns": names, "data": data}
    this = {f"this_{name}": value for name, value in key.items()}
    if not connection.execute(_UPDATE_BLOCK, this | values).rowcount:
        connection.execute(_INSERT_BLOCK, key | values)


def checked_rows(run: str, step: Any, columns: Mapping[str, Any]) -> Rows:
    """Rows as arrays, for `put_rows`.

    Args:
        run: the run's id.
        step: whole numbers, strictly increasing.
        columns: numbers by name, of the same length as `step`; nan for a missing value.

    Raises:
        ArgumentError: steps do not increase, or a column is unknown or of another length.
    """
    named = {name: column for name, column in columns.items() if not _GROUP_RATE.fullmatch(name)}
    checked = Observations(run=run, step=step, columns=named)
    return checked.step, {
        name: np.asarray(column, dtype=float) for name, column in columns.items()
    }


def put_rows(connection: Connection, run: str, attempt: int, rows: Rows) -> None:
    """Write many rows at once, such as a whole run, and update the run's own row.

    Args:
        connection: a connection in a transaction.
        run: the run's id.
        attempt: the number of the attempt that recorded the rows.
        rows: rows with increasing steps, or none.

    Raises:
        ArgumentError: the first step is not later than the last one of the attempt.
    """
    step, columns = rows
    if not len(step):
        return
    last = last_step(connection, run, attempt)
    if step[0] <= last:
        raise ArgumentError(
            f"write_points(step=...) must begin after {last}, the last step of this attempt; got "
            f"{step[0]}. To write steps again, begin_attempt first."
        )
    for first_row in range(0, len(step), _BULK):
        block = slice(first_row, first_row + _BULK)
        block_columns = {name: column[block] for name, column in columns.items()}
        put_block(connection, run, attempt, (step[block], block_columns))
    update_run(connection, run, latest_values(rows))


def latest_values(rows: Rows) -> dict[str, Any]:
    """The values of a run in a list after some rows: step, rate, the last and the lowest losses.

    The loss is that of the last row; the rate and the validation loss are the last known ones.
    """
    step, columns = rows
    values: dict[str, Any] = {"step": int(step[-1]) + 1} if len(step) else {}
    for name in ("lr", "loss", "validation"):
        column = columns.get(name, np.empty(0))
        last = column if name == "loss" else column[~np.isnan(column)]
        if len(last):
            values[name] = number_or_none(float(last[-1]))
        finite = column[np.isfinite(column)]
        if name != "lr" and len(finite):
            values[f"lowest_{name}"] = float(finite.min())
    return values


def add_latest_values(values: dict[str, Any], rows: Rows) -> None:
    """Update the values that a list of runs shows with those of further rows."""
    latest = latest_values(rows)
    for name in _LOWER:
        if name in values and name in latest:
            latest[name] = min(latest[name], values[name])
    values |= latest


def update_run(connection: Connection, run: str, values: Mapping[str, Any]) -> bool:
    """Update fields of a run, and the time of its last write; False if there is no such run.

    Args:
        connection: a database connection, in a transaction.
        run: the run's id.
        values: the new values, by the names of columns of the table of runs. A lowest loss
            replaces only a higher one.
    """
    fields = {name: value for name, value in values.items() if name not in _LOWER}
    fields["updated"] = time.time()
    lowest = {f"new_{name}": values.get(name) for name in _LOWER}
    result = connection.execute(_UPDATE_RUN, {"this_run": run, **fields, **lowest})
    return result.rowcount == 1


def add_finding(connection: Connection, run: str, finding: Finding) -> None:
    """Add a finding to a run.

    Args:
        connection: a database connection, in a transaction.
        run: the run's id.
        finding: what was found.
    """
    fields = finding.to_dict()
    fields["evidence"] = json.dumps(fields["evidence"], allow_nan=False)
    connection.execute(insert(findings).values(run=run, time=time.time(), **fields))


def put_snapshot(connection: Connection, run: str, step: int, place: str) -> None:
    """Add the place of a snapshot; it replaces that of the same step.

    Args:
        connection: a database connection, in a transaction.
        run: the run's id.
        step: the update before which the state was saved, from 0.
        place: the file.
    """
    remove_snapshot(connection, run, step)
    connection.execute(insert(snapshots).values(run=run, step=step, place=place, time=time.time()))


def remove_snapshot(connection: Connection, run: str, step: int) -> None:
    """Delete the place of a snapshot.

    Args:
        connection: a database connection, in a transaction.
        run: the run's id.
        step: the update before which the state was saved, from 0.
    """
    connection.execute(delete(snapshots).where(snapshots.c.run == run, snapshots.c.step == step))
