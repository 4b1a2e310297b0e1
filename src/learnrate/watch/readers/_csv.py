"""CSV tables with any usual separator, read line by line."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._progress import ProgressBar
from learnrate.watch.readers._log_series import LogSeries, to_observations
from learnrate.watch.readers._names import step_name
from learnrate.watch.readers._reader import MIB, first_bytes, size_within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["TABLE_BLOCK", "TABLE_LIMIT", "TABLE_WAY_OUT", "header_of", "is_csv", "read_csv"]
__all__ += ["separator_of", "step_unit"]

TABLE_LIMIT = 2048 * MIB
TABLE_WAY_OUT = "Keep every tenth row, for example, and read that."
TABLE_BLOCK = 20_000  # rows between two updates of the progress bar
_SEPARATORS = ",\t;|"


def is_csv(path: Path) -> bool:
    """Whether a file is text with a header of at least two columns."""
    return path.suffix.lower() in {".csv", ".tsv", ".txt", ".log"} and len(header_of(path)) > 1


def header_of(path: Path) -> list[str]:
    """The column names of a CSV file; none if its first line is not a header."""
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
    """The usual separator that is most frequent in a header; a comma if it has none.

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
    """The run in a CSV file with a header; rows may be sparse, cells empty or text.

    Raises:
        FileError: it is not text, has no header, or has no series that looks like a loss or a rate.
    """
    size = size_within(path, TABLE_LIMIT, TABLE_WAY_OUT)
    header = header_of(path)
    if len(header) < 2:
        raise FileError(
            f"{path} has no header line with at least two column names, so its columns cannot be "
            "told apart. Add one as the first line, such as: step,loss,lr"
        )
    counter = step_name(header, names, str(path))
    series = {name: LogSeries() for name in header if name != counter}
    step_index = header.index(counter) if counter is not None else None
    columns = [
        (index, series[name].steps.append, series[name].values.append)
        for index, name in enumerate(header)
        if name in series
    ]
    row = -1
    for row, cells in enumerate(_rows(path, size)):
        step = float(row)
        if step_index is not None:
            try:
                step = float(cells[step_index])
            except (ValueError, IndexError):
                continue  # cut off, or a row without a step
        for index, add_step, add_value in columns:
            try:
                value = float(cells[index])
            except (ValueError, IndexError):
                continue  # empty, a text, or cut off
            add_step(step)
            add_value(value)
    if row < 0:
        raise FileError(f"{path} has a header and no rows.")
    return [to_observations(str(path), series, names, where=str(path), facts=step_unit(counter))]


def step_unit(counter: str | None) -> dict[str, Any]:
    """The fact of what a step of the log is if it is not an update; empty if it is."""
    if counter is None:
        return {"step_unit": "row"}
    return {"step_unit": "epoch"} if "epoch" in counter.lower() else {}


def _rows(path: Path, size: int) -> Iterator[list[str]]:
    header = first_bytes(path).split(b"\n")[0].decode("utf-8-sig")
    with (
        ProgressBar(size) as bar,
        path.open(encoding="utf-8-sig", errors="replace", newline="") as file,
    ):
        reader = csv.reader(file, delimiter=separator_of(header))
        next(reader, None)
        try:
            for number, cells in enumerate(reader):
                if number % TABLE_BLOCK == 0:
                    bar.show(min(size, number * len(header) * 2), f"reading {path.name}")
                if cells:
                    yield cells
        except csv.Error as error:
            raise FileError(
                f"{path} is not CSV from line {reader.line_num} on: {error}."
            ) from error
