"""CSV tables of any tool: a header, and a row per step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._errors import FileError
from learnrate.watch.readers._csv import header_of, is_csv, read_csv
from learnrate.watch.readers._names import Names
from learnrate.watch.readers._reader import Reader

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["READER"]


def _is_log(path: Path) -> bool:
    """Whether a column looks like a loss or a rate; most tables are not logs."""
    try:
        return bool(Names().columns(header_of(path), str(path)))
    except FileError:
        return False


READER = Reader(name="CSV table", claims=is_csv, read=read_csv, any_tool=True, is_log=_is_log)
