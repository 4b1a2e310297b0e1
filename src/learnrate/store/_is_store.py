"""Whether a file is a store in SQLite, without opening it for writing."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from learnrate.store._tables import schema

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_store"]


def is_store(path: Path) -> bool:
    """Whether a file is a SQLite database with the tables of a store. Nothing is raised.

    Args:
        path: of a file, which need not exist.

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
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return set(schema.tables) <= {name for (name,) in found}
        finally:
            database.close()
    except sqlite3.Error:
        return False
