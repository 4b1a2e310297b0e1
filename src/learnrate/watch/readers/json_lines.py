"""JSON lines of any tool: one JSON object per line, read line by line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._progress import ProgressBar
from learnrate.watch.readers._csv import TABLE_LIMIT, TABLE_WAY_OUT
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
_BLOCK_BYTES = 2 * MIB  # of lines that are parsed at once


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
    first_line, bytes_read = 1, 0
    with ProgressBar(size) as bar, path.open("rb") as file:
        while lines := file.readlines(_BLOCK_BYTES):
            bytes_read += sum(map(len, lines))
            bar.show(min(size, bytes_read), f"reading {path.name}")
            yield from map(flat, _parsed(path, lines, first_line, is_end=bytes_read >= size))
            first_line += len(lines)


def _parsed(
    path: Path, lines: list[bytes], first_line: int, *, is_end: bool
) -> list[dict[str, Any]]:
    """The objects in some lines, parsed at once if nothing is wrong with them."""
    try:
        rows = json.loads(b"[" + b",".join(line for line in lines if line.strip()) + b"]")
        if len(rows) == len(lines) and all(type(row) is dict for row in rows):
            return rows  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        pass
    rows = []
    for number, line in enumerate(lines, first_line):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            if (
                is_end
                and number > 1
                and not any(map(bytes.strip, lines[number - first_line + 1 :]))
            ):
                break  # cut off while it was written
            raise _not_an_object(path, number) from error
        except RecursionError as error:
            raise FileError(
                f"{path}, line {number}, has objects nested too deeply to be read."
            ) from error
        if not isinstance(row, dict):
            raise _not_an_object(path, number)
        rows.append(row)
    return rows


def _not_an_object(path: Path, line: int) -> FileError:
    return FileError(f"{path}, line {line}, is not a JSON object.")


READER = Reader(name="JSON lines", recognises=is_json_lines, read=_read, any_tool=True)
