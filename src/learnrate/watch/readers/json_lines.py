"""JSON lines of any tool: one JSON object per line, read line by line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._progress import ProgressBar
from learnrate.watch.readers._csv import TABLE_BLOCK, TABLE_LIMIT, TABLE_WAY_OUT
from learnrate.watch.readers._reader import MIB, Reader, first_bytes, size_within
from learnrate.watch.readers._rows import flat, table_of
from learnrate.watch.readers._table_runs import runs_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["READER", "is_json_lines"]

_LINE_LIMIT = 1 * MIB  # of a first line that is looked at


def is_json_lines(path: Path) -> bool:
    """Whether a file's name says JSON lines, or its first line is an object by itself."""
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return True
    if path.suffix.lower() not in {".json", ".log", ".txt"}:
        return False
    first = first_bytes(path)
    if not first.lstrip().startswith(b"{"):
        return False
    if b"\n" not in first:
        first = first_bytes(path, _LINE_LIMIT)
    line, newline, rest = first.lstrip().partition(b"\n")
    is_object = line.strip().endswith(b"}") and b":" in line
    return is_object and (path.suffix.lower() != ".json" or bool(newline and rest.strip()))


def _read(path: Path, names: Names) -> list[Observations]:
    """The runs in a file; the values of an object in an object are named `outer/inner`."""
    size = size_within(path, TABLE_LIMIT, TABLE_WAY_OUT)
    table = table_of(_objects(path, size), names)
    if not table.rows:
        raise FileError(f"{path} has no JSON objects.")
    return runs_in(table, str(path), names, str(path))


def _objects(path: Path, size: int) -> Iterator[dict[str, Any]]:
    bytes_read, broken_line = 0, 0
    with ProgressBar(size) as bar, path.open("rb") as file:
        for number, line in enumerate(file, 1):
            bytes_read += len(line)
            if number % TABLE_BLOCK == 0:
                bar.show(bytes_read, f"reading {path.name}")
            if not line.strip():
                continue
            if broken_line:
                raise _not_an_object(path, broken_line)
            try:
                row = json.loads(line)
            except ValueError:
                broken_line = number  # allowed for the last line, cut off while it was written
                continue
            except RecursionError as error:
                raise FileError(
                    f"{path}, line {number}, has objects nested too deeply to be read."
                ) from error
            if not isinstance(row, dict):
                raise _not_an_object(path, number)
            yield flat(row)
    if broken_line == 1:
        raise _not_an_object(path, 1)


def _not_an_object(path: Path, line: int) -> FileError:
    return FileError(f"{path}, line {line}, is not a JSON object.")


READER = Reader(name="JSON lines", claims=is_json_lines, read=_read, any_tool=True)
