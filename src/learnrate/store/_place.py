"""Where a store is, and how to speak to its database."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError as UrlError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from learnrate._errors import ArgumentError, StoreError, needing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

__all__ = ["DEFAULT", "VARIABLE", "engine_of", "shown", "speaking_plainly", "there", "url_of"]

VARIABLE = "LEARNRATE_STORE"
DEFAULT = "learnrate.db"

_SAID = {  # what a database says, and what it means
    "database is locked": "is locked by another process",
    "locktimeout": "is locked by another process",
    "locknotavailable": "is locked by another process",
    "disk is full": "cannot be written: the disk is full",
    "diskfull": "cannot be written: the disk is full",
    "disk i/o error": "cannot be written or read: the disk fails, or is full",
    "readonly database": "is read-only",
    "readonlysqltransaction": "is read-only",
    "not a database": "is not a database; it was overwritten, or is a file of another kind",
    "malformed": "is damaged",
    "no such table": "has other tables than ours; it is a database of something else",
    "unable to open": "cannot be opened: its folder is not there, or may not be used",
    "connection": "cannot be reached",
}


def url_of(place: str | Path | None) -> URL:
    """The URL of a place: a file, a URL, or None for `LEARNRATE_STORE`, else ./learnrate.db.

    Raises:
        ArgumentError: it names a database that is neither SQLite nor PostgreSQL.
        MissingExtraError: PostgreSQL's driver is not installed.
    """
    text = str(place if place is not None else os.environ.get(VARIABLE) or DEFAULT)
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).absolute()))
    try:
        url = make_url(text)
    except (UrlError, ValueError):
        raise _no_store(text.partition("://")[0] + "://...") from None
    backend = url.drivername.partition("+")[0]
    if backend == "sqlite" and url.database not in {None, "", ":memory:"}:
        return URL.create("sqlite", database=str(Path(str(url.database)).absolute()))
    if backend in {"postgresql", "postgres"}:
        with needing("psycopg", "postgres", "a PostgreSQL store"):
            import psycopg  # noqa: F401, PLC0415 - optional; asked only whether it is there
        return url.set(drivername="postgresql+psycopg")
    raise _no_store(url.render_as_string())


def _no_store(given: str) -> ArgumentError:
    return ArgumentError(
        f"store=... must be a file, sqlite:///FILE or postgresql://...; got {given!r}."
    )


def shown(url: URL) -> str:
    """A place as people know it, without its password."""
    return str(url.database) if url.drivername == "sqlite" else url.render_as_string()


def there(url: URL) -> bool:
    """Whether there is a file; of a server only asking it would tell."""
    return url.drivername != "sqlite" or Path(str(url.database)).exists()


def engine_of(url: URL, *, wait: float = 10.0) -> Engine:
    """An engine for a place.

    Args:
        url: of the place.
        wait: seconds to wait for another process's lock, and for a server to answer.
    """
    if url.drivername != "sqlite":
        options = {"connect_timeout": max(2, int(wait)), "options": f"-c lock_timeout={wait:g}s"}
        return sqlalchemy.create_engine(url, connect_args=options, pool_pre_ping=True)
    file = Path(str(url.database))
    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: _opened(file, wait), poolclass=NullPool
    )
    event.listen(engine, "begin", _begin)
    return engine


def _opened(file: Path, wait: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{file.as_uri()}{_mode(file)}",
        uri=True,
        timeout=wait,
        isolation_level=None,  # transactions begin and end where SQLAlchemy says, not sqlite3
        check_same_thread=False,
    )
    if _mode(file) == "":
        _keep_a_log(connection, wait)
        connection.execute("PRAGMA synchronous = FULL")  # an edit stands once it is said to
    return connection


def _mode(file: Path) -> str:
    """How to open a file that cannot be written: as it is, with its log if somebody writes one."""
    written = os.access(file, os.W_OK) if file.exists() else True
    if written and os.access(file.parent, os.W_OK):
        return ""
    return "?mode=ro" if Path(f"{file}-wal").exists() else "?immutable=1"


def _keep_a_log(connection: sqlite3.Connection, wait: float) -> None:
    """Write-ahead logging: who reads waits for nobody.

    Only the first process to open a file has to change it, and SQLite does not wait there.
    """
    until = time.monotonic() + wait
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                connection.close()
                raise
            time.sleep(0.02)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        else:
            return


def _begin(connection: Connection) -> None:
    # Who wants to write says so first: two readers that both go on to write would lock for good.
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def speaking_plainly(place: str) -> Iterator[None]:
    """Within, what the database raises becomes a `StoreError` in words."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(f"the store {place} {_in_words(error)}.") from error


def _in_words(error: SQLAlchemyError) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    said = f"{type(original).__name__} {original}".lower()
    line = str(original).strip().partition("\n")[0]
    meant = next((words for part, words in _SAID.items() if part in said), "gives an error")
    return f"{meant} ({line})"
