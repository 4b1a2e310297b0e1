"""Database: the database of a store, and its transactions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from learnrate._errors import StoreError
from learnrate.store._migrations import migrate, upgrade
from learnrate.store._place import (
    display_place,
    engine_of,
    raising_store_errors,
    store_exists,
    transaction,
    url_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

__all__ = ["Database"]


class Database:
    """The database of a store, with the tables of this version.

    Args:
        place: a file, or a URL of SQLite or PostgreSQL; see `Store`.
        create: whether to make the database if it does not exist.
        wait: seconds to wait for other processes that write, and for a server to answer.
    """

    def __init__(
        self, place: str | Path | None = None, *, create: bool = True, wait: float = 10.0
    ) -> None:
        url = url_of(place)
        self.place = display_place(url)
        self.url = url.render_as_string(hide_password=False)
        self._engine = engine_of(url, wait=wait)
        if not create and not store_exists(url):
            raise StoreError(
                f"there is no store {self.place}. Check its name, or record a run there first. "
                "--store and LEARNRATE_STORE name the store of a command."
            )
        with raising_store_errors(self.place):
            if create:
                migrate(self._engine, self.place)
            else:
                upgrade(self._engine, self.place)

    def close(self) -> None:
        """Close all connections; the store can still be used."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that only reads, for several queries that belong together."""
        with raising_store_errors(self.place), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, for the functions of `_writes`."""
        with (
            raising_store_errors(self.place),
            self._engine.connect().execution_options(writing=True) as connection,
            transaction(connection),
        ):
            yield connection
