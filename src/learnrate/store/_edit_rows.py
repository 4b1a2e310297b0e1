"""The edits in the tables: requests and answers, within a transaction of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from learnrate._errors import ArgumentError
from learnrate.store._records import EditStatus
from learnrate.store._rows import edit_of, run_of
from learnrate.store._tables import edits, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from learnrate.store._records import StoredEdit

__all__ = ["answer_edit", "check_live", "edits_in", "put_edit"]


def check_live(connection: Connection, run: str, place: str) -> None:
    """Refuse a run that cannot be edited; the run cannot end before the transaction ends.

    Args:
        connection: a connection in a transaction.
        run: the run's id.
        place: the place of the store, for messages.

    Raises:
        ArgumentError: there is no such run, or it has ended.
    """
    row = connection.execute(select(runs).where(runs.c.id == run).with_for_update()).one_or_none()
    if row is None:
        raise ArgumentError(f"there is no run {run!r} in {place}.")
    if not run_of(row).live:
        raise ArgumentError(
            f"the run {run} is {run_of(row).status}; only running runs can be edited."
        )


def put_edit(connection: Connection, run: str, fields: Mapping[str, Any]) -> int:
    """Add an edit to a run; returns its number within the run, from 1 on.

    Args:
        connection: a database connection, in a transaction.
        run: the run's id.
        fields: the fields of the edit, by the names of columns, without `run` and `sequence`.
    """
    last = connection.execute(select(func.max(edits.c.sequence)).where(edits.c.run == run))
    sequence = (last.scalar() or 0) + 1
    connection.execute(insert(edits).values(run=run, sequence=sequence, **fields))
    return sequence


def edits_in(
    connection: Connection, run: str, after: int, status: EditStatus | str | None
) -> list[StoredEdit]:
    """The edits of a run in the order in which they were requested.

    Args:
        connection: a connection to the store.
        run: the run's id.
        after: only edits with a higher sequence number.
        status: only edits with this status; None for all.
    """
    query = select(edits).where(edits.c.run == run, edits.c.sequence > after)
    if status is not None:
        query = query.where(edits.c.status == str(EditStatus(status)))
    return [edit_of(row) for row in connection.execute(query.order_by(edits.c.sequence))]


def answer_edit(
    connection: Connection, run: str, sequence: int, values: Mapping[str, Any]
) -> bool:
    """Answer a pending edit; False if it had been answered already, and nothing is changed then.

    Args:
        connection: a connection in a transaction.
        run: the run's id.
        sequence: the edit's number.
        values: columns to set.
    """
    pending = (
        edits.c.run == run,
        edits.c.sequence == sequence,
        edits.c.status == str(EditStatus.PENDING),
    )
    return connection.execute(update(edits).where(*pending).values(values)).rowcount == 1
