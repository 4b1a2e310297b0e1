"""Finding the run that a user names by its id, the beginning of an id, or `last`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from learnrate._errors import ArgumentError
from learnrate.store._records import Lifecycle, RunStatus
from learnrate.store._rows import run_of
from learnrate.store._tables import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = ["resolve_run"]

_MOST_LISTED = 5  # ids that a message lists
_MOST_MATCHES = 1000


def resolve_run(connection: Connection, run: str, *, live: bool, place: str) -> str:
    """The id of a run.

    Args:
        connection: a connection to the database.
        run: an id, the beginning of exactly one id, or `last` for the newest run that is not deleted.
        live: whether `last` means the newest running run.
        place: the place of the store, for messages.

    Raises:
        ArgumentError: no run matches, or several do; the message names them.
    """
    if run == "last":
        return _last_run(connection, live=live, place=place)
    query = select(runs.c.id).where(runs.c.id.startswith(run, autoescape=True))
    matches = connection.execute(query.limit(_MOST_MATCHES)).scalars() if run.isascii() else ()
    ids = sorted(matches)
    if run in ids:
        return run
    if run and len(ids) == 1:
        return str(ids[0])
    if run and ids:
        raise ArgumentError(
            f"{run!r} is the beginning of several ids, {_listed(ids)}; give more characters."
        )
    raise ArgumentError(f"there is no run {run!r} in {place}; {_newest(connection)}.")


def _last_run(connection: Connection, *, live: bool, place: str) -> str:
    query = select(runs).order_by(runs.c.started.desc(), runs.c.id)
    query = query.where(runs.c.lifecycle != Lifecycle.DELETED)
    if live:
        query = query.where(runs.c.status == RunStatus.RUNNING)
    for row in connection.execute(query):
        if not live or run_of(row).live:
            return str(row.id)
    if live:
        raise ArgumentError(f"no run in {place} is running; {_newest(connection)}.")
    raise ArgumentError(f"there is no run in {place} yet.")


def _newest(connection: Connection) -> str:
    query = select(runs.c.id).order_by(runs.c.started.desc(), runs.c.id).limit(_MOST_LISTED + 1)
    ids = connection.execute(query).scalars().all()
    if not ids:
        return "the store has no runs yet"
    return f"the only run is {ids[0]}" if len(ids) == 1 else f"the newest are {_listed(ids)}"


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _MOST_LISTED} more" if len(ids) > _MOST_LISTED else ""
    return ", ".join(ids[:_MOST_LISTED]) + more
