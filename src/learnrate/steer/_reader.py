"""A store in SQLite as one more kind of log: every run in it, against its schedule as edited."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from learnrate._errors import FileError, StoreError
from learnrate.steer._replayed import observations_as_edited
from learnrate.store import Store
from learnrate.store._tables import schema
from learnrate.watch.readers import Reader

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch import Observations
    from learnrate.watch.readers import Names

__all__ = ["STORE"]


def _claims(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return set(schema.tables) <= {name for (name,) in found}
        finally:
            database.close()
    except sqlite3.Error:
        return False


def _read(path: Path, _: Names) -> list[Observations]:
    try:
        store = Store(path, create=False)
        runs = [observations_as_edited(store, run.id) for run in reversed(store.runs())]
    except StoreError as error:
        raise FileError(str(error)) from error
    return runs


STORE = Reader(name="learnrate store", claims=_claims, read=_read)
