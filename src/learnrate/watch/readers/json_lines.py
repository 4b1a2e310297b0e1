"""JSON lines of any tool: one JSON object per line, read line by line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._progress import ProgressBar
from learnrate.watch.readers._csv import TABLE_BLOCK, TABLE_LIMIT, TABLE_WAY_OUT, step_unit
from learnrate.watch.readers._log_series import LogSeries, to_observations
from learnrate.watch.readers._names import step_name
from learnrate.watch.readers._reader import Reader, first_bytes, size_within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["READER"]

_NUMBERS = frozenset({int, float})  # and not bool, which is an int to isinstance


def _claims(path: Path) -> bool:
    """Whether a file's name says JSON lines, or its first line is an object by itself."""
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return True
    if path.suffix.lower() not in {".json", ".log", ".txt"}:
        return False
    line = first_bytes(path).split(b"\n")[0].strip()
    return line.startswith(b"{") and line.endswith(b"}") and b":" in line


def _read(path: Path, names: Names) -> list[Observations]:
    """The run in a file; the values of an object in an object are named `outer/inner`."""
    size = size_within(path, TABLE_LIMIT, TABLE_WAY_OUT)
    series: dict[str, LogSeries] = {}
    counter: str | None = None
    index = -1
    for index, row in enumerate(_objects(path, size)):
        if index == 0:
            counter = step_name(list(row), names, str(path))
        step = row.get(counter, index) if counter is not None else index
        if type(step) not in _NUMBERS:
            continue
        for name, value in row.items():
            if type(value) in _NUMBERS and name != counter:
                column = series.get(name)
                if column is None:
                    column = series[name] = LogSeries()
                column.steps.append(step)
                column.values.append(value)
    if index < 0:
        raise FileError(f"{path} has no JSON objects.")
    return [to_observations(str(path), series, names, where=str(path), facts=step_unit(counter))]


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
            if not isinstance(row, dict):
                raise _not_an_object(path, number)
            yield _flat(row)
    if broken_line == 1:
        raise _not_an_object(path, 1)


def _not_an_object(path: Path, line: int) -> FileError:
    return FileError(f"{path}, line {line}, is not a JSON object.")


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    if dict not in map(type, row.values()):
        return row
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{inner}": inner_value for inner, inner_value in value.items()}
        else:
            flat[name] = value
    return flat


READER = Reader(name="JSON lines", claims=_claims, read=_read, any_tool=True)
