"""Where a store is, and how its database is opened."""

from __future__ import annotations

import os
import sqlite3
import threading
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

from learnrate._errors import ArgumentError, LearnrateError, StoreError, needing
from learnrate.store._tables import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

__all__ = [
    "DEFAULT_PLACE",
    "VARIABLE",
    "display_place",
    "engine_of",
    "is_store",
    "is_writing",
    "raising_store_errors",
    "store_exists",
    "transaction",
    "url_of",
]

VARIABLE = "LEARNRATE_STORE"
DEFAULT_PLACE = "learnrate.db"

_LATER_TABLES = {"alerts", "documents"}  # stores of older versions do not have them

_EXPLANATIONS = {  # part of a database's message: the explanation
    "database is locked": "is locked by another process",
    "locktimeout": "is locked by another process",
    "locknotavailable": "is locked by another process",
    "disk is full": "cannot be written: the disk is full",
    "diskfull": "cannot be written: the disk is full",
    "disk i/o error": "cannot be written or read: the disk fails or is full",
    "readonly database": "is read-only",
    "readonlysqltransaction": "is read-only",
    "not a database": "is not a database: it was overwritten, or it is another kind of file",
    "malformed": "is damaged",
    "no such table": "does not have the tables of a learnrate store; another program wrote it",
    "unable to open": "cannot be opened: its folder does not exist or is not accessible",
    "connection": "cannot be reached",
}

_THREAD = threading.local()  # `transactions`: of this thread, that may hold a lock

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)


def url_of(place: str | Path | None) -> URL:
    """The URL of a store.

    Args:
        place: a file or a URL; None means the value of `LEARNRATE_STORE`, or ./learnrate.db.

    Raises:
        ArgumentError: the place is neither a file nor a URL of SQLite or PostgreSQL.
        MissingExtraError: PostgreSQL's driver is not installed.
    """
    if not isinstance(place, str | os.PathLike | None):
        raise ArgumentError(f"store=... must be a file or a URL; got {place!r}.")
    text = str(place if place is not None else os.environ.get(VARIABLE) or DEFAULT_PLACE)
    if not _is_unicode(text):
        raise ArgumentError(f"store=... must be a name in UTF-8; got {text!r}.")
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).absolute()))
    try:
        url = make_url(text)
    except (UrlError, ValueError):
        raise _unknown_place(text.partition("://")[0] + "://...") from None
    backend = url.drivername.partition("+")[0]
    if backend == "sqlite" and url.database not in {None, "", ":memory:"}:
        return URL.create("sqlite", database=str(Path(str(url.database)).absolute()))
    if backend in {"postgresql", "postgres"}:
        with needing("psycopg", "postgres", "a PostgreSQL store"):
            import psycopg  # noqa: F401, PLC0415 - optional; only checked for here
        return url.set(drivername="postgresql+psycopg")
    raise _unknown_place(url.render_as_string())


def _is_unicode(text: str) -> bool:
    """Whether a name has no bytes that are not UTF-8, which no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unknown_place(place: str) -> ArgumentError:
    return ArgumentError(
        f"store=... must be a file, sqlite:///FILE or postgresql://...; got {place!r}."
    )


def display_place(url: URL) -> str:
    """The file, or the URL without its password."""
    return str(url.database) if url.drivername == "sqlite" else url.render_as_string()


def store_exists(url: URL) -> bool:
    """Whether the file exists; True for a server, which would have to be contacted."""
    try:
        return url.drivername != "sqlite" or Path(str(url.database)).exists()
    except OSError:  # its name is too long
        return False


def is_store(path: Path) -> bool:
    """Whether a file is a SQLite database with the tables of a store; it never raises.

    The file is not opened for writing.

    Examples:
        >>> from pathlib import Path
        >>> is_store(Path("no-such.db"))
        False
    """
    if not path.is_file():
        return False
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return set(schema.tables) - _LATER_TABLES <= {name for (name,) in names}
        finally:
            database.close()
    except sqlite3.Error:
        return False


def engine_of(url: URL, *, wait: float = 10.0) -> Engine:
    """The SQLAlchemy engine of a store.

    Args:
        url: the URL of the store, as `url_of` returns it.
        wait: seconds to wait for another process's lock, and for a server to answer.
    """
    if url.drivername != "sqlite":
        options = {"connect_timeout": max(2, int(wait)), "options": f"-c lock_timeout={wait:g}s"}
        return sqlalchemy.create_engine(url, connect_args=options, pool_pre_ping=True)
    file = Path(str(url.database))
    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: _connect(file, wait), poolclass=NullPool
    )
    event.listen(engine, "begin", _begin)
    return engine


def _connect(file: Path, wait: float) -> sqlite3.Connection:
    mode = _open_mode(file)
    connection = sqlite3.connect(
        f"{file.as_uri()}{mode}",
        uri=True,
        timeout=wait,
        isolation_level=None,  # SQLAlchemy begins and ends transactions, not sqlite3
        check_same_thread=False,
    )
    if mode == "":
        try:
            _enable_write_ahead_log(connection, wait)
            connection.execute("PRAGMA synchronous = FULL")  # an edit that was accepted is on disk
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def _open_mode(file: Path) -> str:
    """Query of the URI: read-only, with the log if another process writes one, or read-write."""
    writable = os.access(file, os.W_OK) if file.exists() else True
    if writable and os.access(file.parent, os.W_OK):
        return ""
    return "?mode=ro" if Path(f"{file}-wal").exists() else "?immutable=1"


def _enable_write_ahead_log(connection: sqlite3.Connection, wait: float) -> None:
    """Turn on write-ahead logging, so that readers never wait for writers.

    Only the first process to open a file changes it, and SQLite does not wait for that lock.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: Connection) -> None:
    # A writer locks at the start: two readers that both began to write would deadlock.
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """A transaction that writes; until it has ended, `is_writing` is true in this thread."""
    _THREAD.transactions = getattr(_THREAD, "transactions", 0) + 1
    try:
        with connection.begin():
            yield
    finally:
        _THREAD.transactions -= 1


def is_writing() -> bool:
    """Whether this thread may hold the lock that all writers of a store wait for."""
    return getattr(_THREAD, "transactions", 0) > 0


@contextmanager
def raising_store_errors(place: str) -> Iterator[None]:
    """Turn errors of the database, and of values that it holds, into a `StoreError`.

    Raises:
        StoreError: the database failed, or holds a value that learnrate does not write.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(f"the store {place} {_explanation(error)}.") from error
    except (LearnrateError, UnicodeEncodeError):  # the second is of what was to be written
        raise
    except _UNREADABLE as error:
        raise StoreError(
            f"the store {place} holds a value that learnrate does not write "
            f"({type(error).__name__}: {str(error)[:80]})."
        ) from error


def _explanation(error: SQLAlchemyError) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    text = f"{type(original).__name__} {original}".lower()
    first_line = str(original).strip().partition("\n")[0]
    explanations = (words for part, words in _EXPLANATIONS.items() if part in text)
    return f"{next(explanations, 'reports an error')} ({first_line})"
