"""Adding the runs of one store to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from learnrate._errors import ArgumentError
from learnrate.store import _writes as writes
from learnrate.store._chunks import CHUNK, merge_rows, unpack
from learnrate.store._documents import copy_documents
from learnrate.store._records import RunStatus
from learnrate.store._rows import run_of
from learnrate.store._tables import attempts, edits, findings, points, runs, snapshots

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping, Table

    from learnrate.store._chunks import Rows
    from learnrate.store._store import Store

__all__ = ["merge"]

_PARTS = (attempts, points, findings, edits, snapshots)
_LATEST = ("status", "step", "total_steps", "lr", "loss", "validation", "updated")
_LOWEST = ("lowest_loss", "lowest_validation")
_UNFINISHED = (
    RunStatus.RUNNING,
    RunStatus.LOST,
)  # a store that could not be written may still have these

Contents = dict[str, list["RowMapping"]]


def merge(source: Store, target: Store) -> dict[str, int]:
    """Add the runs, plans and sweeps of a store to another; what the other has already is not added twice.

    A run that both have gets the points, findings and edits that it lacks. Each run is added
    completely or not at all.

    Args:
        source: the store to read, such as the points that a run could not write to its own store.
        target: the store that the runs are added to.

    Returns:
        By the id of each run, how many rows were added, including rows of superseded attempts.

    Raises:
        ArgumentError: a run is still recorded to one of the stores.
        StoreError: a store cannot be read or written.

    Examples:
        >>> import tempfile, pathlib
        >>> from learnrate.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> source, target = (Store(pathlib.Path(folder.name) / name) for name in ("a.db", "b.db"))
        >>> run = source.new_run(name="first", total_steps=2)
        >>> source.write_points(run, [0, 1], {"loss": [2.0, 1.5]})
        >>> source.set_status(run, "finished")
        >>> merge(source, target)[run]
        2
        >>> folder.cleanup()
    """
    with source.reading() as reading, target.writing() as writing:
        copy_documents(reading, writing)
    added = {}
    for run in reversed(source.runs()):
        with source.reading() as connection:
            contents = {part.name: _rows_of(connection, part, run.id) for part in (runs, *_PARTS)}
        with target.writing() as connection:
            added[run.id] = _add(connection, run.id, contents)
    return added


def _rows_of(connection: Connection, table: Table, run: str) -> list[RowMapping]:
    key = table.c.id if table is runs else table.c.run
    return list(connection.execute(select(table).where(key == run)).mappings())


def _add(connection: Connection, run: str, contents: Contents) -> int:
    (source_run,) = contents[runs.name]
    row = connection.execute(select(runs).where(runs.c.id == run)).one_or_none()
    if row is None:
        for part in (runs, *_PARTS):
            _insert(connection, part, contents[part.name])
        return sum(len(_unpacked(block)[0]) for block in contents[points.name])
    if run_of(row).live:
        raise ArgumentError(f"the run {run} is still being recorded; merge it after it has ended.")
    count = _merge_points(connection, run, contents)
    for part, keys in ((findings, ("code", "step", "message")), (edits, ("sequence",))):
        known = {_key(known, keys) for known in _rows_of(connection, part, run)}
        lacking = [row for row in contents[part.name] if _key(row, keys) not in known]
        _insert(connection, part, lacking)
    if source_run["updated"] > row.updated or row.status in _UNFINISHED:
        latest = {name: source_run[name] for name in _LATEST}
        for name in _LOWEST:
            known_losses = [
                loss for loss in (source_run[name], getattr(row, name)) if loss is not None
            ]
            latest[name] = min(known_losses, default=None)
        connection.execute(update(runs).where(runs.c.id == run).values(latest))
    return count


def _insert(connection: Connection, table: Table, rows: list[RowMapping]) -> None:
    if rows:
        numbered = table is findings  # by the database
        connection.execute(
            insert(table),
            [
                {name: value for name, value in row.items() if not (numbered and name == "id")}
                for row in rows
            ],
        )


def _key(row: RowMapping, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _merge_points(connection: Connection, run: str, contents: Contents) -> int:
    """Add the rows of each attempt to that of the target; returns how many are new."""
    count = 0
    ordered = sorted(contents[attempts.name], key=lambda row: row["attempt"])
    for index, attempt in enumerate(ordered):
        number = _same_attempt(connection, run, attempt, is_first=index == 0)
        of_attempt = (points.c.run == run, points.c.attempt == number)
        stored = connection.execute(select(points).where(*of_attempt).order_by(points.c.first))
        before = [_unpacked(block) for block in stored.mappings()]
        new = [
            _unpacked(block)
            for block in contents[points.name]
            if block["attempt"] == attempt["attempt"]
        ]
        if not new:
            continue
        step, columns = merge_rows([*before, *new])
        connection.execute(delete(points).where(*of_attempt))
        for first in range(0, len(step), CHUNK):
            block = slice(first, first + CHUNK)
            part = {name: column[block] for name, column in columns.items()}
            writes.put_block(connection, run, number, (step[block], part))
        count += len(step) - sum(len(block_step) for block_step, _ in before)
    return count


def _same_attempt(connection: Connection, run: str, attempt: RowMapping, *, is_first: bool) -> int:
    """The number in the target of an attempt of the source, which is added if it lacks it.

    The first attempt of the source continues that of the target. Later attempts are identified by their time.
    """
    of_run = attempts.c.run == run
    number = attempts.c.attempt == attempt["attempt"]
    same = number if is_first else attempts.c.time == attempt["time"]
    known = connection.execute(select(attempts.c.attempt).where(of_run, same)).scalar()
    if known is not None:
        return int(known)
    free: int = attempt["attempt"]
    if connection.execute(select(attempts.c.attempt).where(of_run, number)).first() is not None:
        last = connection.execute(select(func.max(attempts.c.attempt)).where(of_run)).scalar_one()
        free = int(last) + 1
    connection.execute(insert(attempts).values({**attempt, "attempt": free}))
    return free


def _unpacked(block: RowMapping) -> Rows:
    return unpack(block["columns"], block["data"])
