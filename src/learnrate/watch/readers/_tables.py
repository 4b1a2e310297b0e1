"""Tables in text: CSV with any usual separator, and JSON lines, read line by line."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._progress import ProgressBar
from learnrate.watch.readers._names import step_name
from learnrate.watch.readers._reader import MIB, first_bytes, within
from learnrate.watch.readers._series import Series, assembled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["header_of", "is_csv", "is_jsonl", "read_csv", "read_jsonl", "separator_of"]

_LIMIT = 2048 * MIB
_WAY_OUT = "Thin it out, to every tenth row for example, and read that."
_SEPARATORS = ",\t;|"
_BLOCK = 20_000
_NUMBERS = frozenset({int, float})  # and not bool, which is an int to isinstance


def is_csv(path: Path) -> bool:
    """Whether a file is text with a header of at least two columns."""
    return path.suffix.lower() in {".csv", ".tsv", ".txt", ".log"} and len(header_of(path)) > 1


def is_jsonl(path: Path) -> bool:
    """Whether a file's name says JSON lines, or its first line is an object by itself."""
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return True
    if path.suffix.lower() not in {".json", ".log", ".txt"}:
        return False
    line = first_bytes(path).split(b"\n")[0].strip()
    return line.startswith(b"{") and line.endswith(b"}") and b":" in line


def header_of(path: Path) -> list[str]:
    """The column names of a CSV file; none where its first line is no header."""
    first = first_bytes(path)
    if not first or b"\0" in first:
        return []
    try:
        line = first.split(b"\n")[0].rstrip(b"\r").decode("utf-8-sig")
    except UnicodeDecodeError:
        return []
    if line.lstrip().startswith("{"):
        return []
    names = next(csv.reader([line], delimiter=separator_of(line)), [])
    return [] if any(_is_number(name) for name in names) else [name.strip() for name in names]


def separator_of(line: str) -> str:
    """The usual separator that a header has most of; a comma where it has none.

    Examples:
        >>> separator_of("step;loss;lr"), separator_of("step")
        (';', ',')
    """
    return max(_SEPARATORS, key=line.count)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_csv(path: Path, names: Names) -> list[Observations]:
    """The run in a CSV file with a header: sparse rows, texts and empty cells are fine.

    Raises:
        FileError: it is no text, has no header, or nothing in it can be told to be a loss.
    """
    size = within(path, _LIMIT, _WAY_OUT)
    header = header_of(path)
    if len(header) < 2:
        raise FileError(
            f"{path} has no header line with at least two column names, so nobody can tell what "
            "its columns are. Put one first, such as: step,loss,lr"
        )
    counter = step_name(header, names, str(path))
    series = {name: Series() for name in header if name != counter}
    at = header.index(counter) if counter is not None else None
    columns = [
        (index, series[name].steps.append, series[name].values.append)
        for index, name in enumerate(header)
        if name in series
    ]
    row = -1
    for row, cells in enumerate(_rows(path, size)):
        step = float(row)
        if at is not None:
            try:
                step = float(cells[at])
            except (ValueError, IndexError):
                continue  # cut off, or a row that no step belongs to
        for index, add_step, add_value in columns:
            try:
                value = float(cells[index])
            except (ValueError, IndexError):
                continue  # empty, a text, or cut off
            add_step(step)
            add_value(value)
    if row < 0:
        raise FileError(f"{path} holds a header and no rows.")
    return [assembled(str(path), series, names, where=str(path), facts=_unit(counter))]


def _unit(counter: str | None) -> dict[str, Any]:
    """What a step of the log is, where it is no update."""
    if counter is None:
        return {"step_unit": "row"}
    return {"step_unit": "epoch"} if "epoch" in counter.lower() else {}


def _rows(path: Path, size: int) -> Iterator[list[str]]:
    line = first_bytes(path).split(b"\n")[0].decode("utf-8-sig")
    with (
        ProgressBar(size) as bar,
        path.open(encoding="utf-8-sig", errors="replace", newline="") as file,
    ):
        reader = csv.reader(file, delimiter=separator_of(line))
        next(reader, None)
        try:
            for number, cells in enumerate(reader):
                if number % _BLOCK == 0:
                    bar.show(min(size, number * len(line) * 2), f"reading {path.name}")
                if cells:
                    yield cells
        except csv.Error as error:
            raise FileError(
                f"{path} is no CSV from line {reader.line_num} on: {error}."
            ) from error


def read_jsonl(path: Path, names: Names) -> list[Observations]:
    """The run in a file with one JSON object a line; objects in objects become `outer/inner`.

    Raises:
        FileError: a line but the last one is no JSON object.
    """
    size = within(path, _LIMIT, _WAY_OUT)
    series: dict[str, Series] = {}
    counter: str | None = None
    row = -1
    for row, held in enumerate(_objects(path, size)):
        if row == 0:
            counter = step_name(list(held), names, str(path))
        step = held.get(counter, row) if counter is not None else row
        if type(step) not in _NUMBERS:
            continue
        for name, value in held.items():
            if type(value) in _NUMBERS and name != counter:
                one = series.get(name)
                if one is None:
                    one = series[name] = Series()
                one.steps.append(step)
                one.values.append(value)
    if row < 0:
        raise FileError(f"{path} holds no JSON objects.")
    return [assembled(str(path), series, names, where=str(path), facts=_unit(counter))]


def _objects(path: Path, size: int) -> Iterator[dict[str, Any]]:
    done, broken = 0, 0
    with ProgressBar(size) as bar, path.open("rb") as file:
        for number, line in enumerate(file, 1):
            done += len(line)
            if number % _BLOCK == 0:
                bar.show(done, f"reading {path.name}")
            if not line.strip():
                continue
            if broken:
                raise FileError(f"{path}, line {broken}, is no JSON object.")
            try:
                held = json.loads(line)
            except ValueError:
                broken = number  # fine where it is the last line, cut off while it was written
                continue
            if not isinstance(held, dict):
                raise FileError(f"{path}, line {number}, is no JSON object.")
            yield _flat(held)
    if broken == 1:
        raise FileError(f"{path}, line 1, is no JSON object.")


def _flat(held: dict[str, Any]) -> dict[str, Any]:
    if dict not in map(type, held.values()):
        return held
    flat: dict[str, Any] = {}
    for name, value in held.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat
