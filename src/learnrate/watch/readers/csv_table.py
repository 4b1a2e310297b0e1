"""CSV tables of any tool: a header, and a row per step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.watch.readers._csv import header_of, is_csv, looks_like_log, read_csv
from learnrate.watch.readers._reader import Reader

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["READER"]


def _is_log(path: Path) -> bool:
    return looks_like_log(header_of(path), str(path))


READER = Reader(name="CSV table", recognises=is_csv, read=read_csv, any_tool=True, is_log=_is_log)
