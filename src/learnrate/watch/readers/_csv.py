"""CSV tables with any usual separator, read in blocks of rows."""

from __future__ import annotations

import csv
import math
import re
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import FileError
from learnrate._progress import ProgressBar
from learnrate.watch.readers._log_table import LogTable, is_text_of_interest
from learnrate.watch.readers._names import Names, is_number_of_interest
from learnrate.watch.readers._reader import MIB, first_bytes, size_within
from learnrate.watch.readers._table_runs import runs_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from learnrate.watch._observations import Observations

__all__ = ["TABLE_BLOCK", "TABLE_LIMIT", "TABLE_WAY_OUT", "header_of", "is_csv", "looks_like_log"]
__all__ += ["read_csv", "separator_of"]

TABLE_LIMIT = 2048 * MIB
TABLE_WAY_OUT = "Keep every tenth row, for example, and read that."
TABLE_BLOCK = 20_000  # rows between two updates of the progress bar
_SEPARATORS = ",\t;|"
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_HEADER_LIMIT = 1 * MIB
_ONE_SCALAR = ["wall time", "step", "value"]  # TensorBoard's own export, named after its series


def is_csv(path: Path) -> bool:
    """Whether a file is text with a header of at least two columns, or of a loss alone."""
    if path.suffix.lower() not in {".csv", ".tsv", ".txt", ".log"}:
        return False
    header = header_of(path)
    return len(header) > 1 or looks_like_log(header, str(path))


def looks_like_log(header: list[str], where: str) -> bool:
    """Whether a column looks like a loss or a rate; most tables are not logs.

    Args:
        header: the names of all columns.
        where: the table, for messages.
    """
    if {name.strip().lower() for name in header} >= {"value", "step"}:
        return True
    try:
        return bool(Names().columns(header, where))
    except FileError as error:
        return "several series" in str(error)


def header_of(path: Path) -> list[str]:
    """The column names of a CSV file; none if its first line is not a header."""
    line = _first_line(path)
    if not line or line.lstrip().startswith(("{", "[")):
        return []
    try:
        names = next(csv.reader([line], delimiter=separator_of(line)), [])
    except csv.Error:
        return []
    names = [name.strip() for name in names]
    if [name.lower() for name in names] == _ONE_SCALAR:
        names[2] = path.stem.rpartition("tag-")[2]
    return [] if any(_is_number(name) for name in names) else names


def separator_of(line: str) -> str:
    """The usual separator that is most frequent in a header; a comma if it has none.

    Examples:
        >>> separator_of("step;loss;lr"), separator_of("step")
        (';', ',')
    """
    return max(_SEPARATORS, key=line.count)


def read_csv(path: Path, names: Names) -> list[Observations]:
    """The runs in a CSV file with a header; rows may be sparse, cells empty or text.

    Numbers may have decimal commas where the separator is another character, and commas between
    thousands where it is a comma.

    Raises:
        FileError: it is not text, has no header, or two columns of one name, or has no series that looks like a loss or a rate.
    """
    size = size_within(path, TABLE_LIMIT, TABLE_WAY_OUT)
    header = header_of(path)
    if not header:
        raise FileError(
            f"{path} has no header line with the names of its columns, so they cannot be told apart. "
            "Add one as the first line, such as: step,loss,lr"
        )
    twice = [
        name for name in header if header.count(name) > 1 and is_number_of_interest(name, names)
    ]
    if twice:
        raise FileError(
            f"{path} has {header.count(twice[0])} columns named {twice[0]!r}, which cannot be told apart. "
            "Give each column another name."
        )
    separator = separator_of(_first_line(path))
    position = {name: header.index(name) for name in header}
    wanted = [name for name in position if is_number_of_interest(name, names)]
    texts = [name for name in position if is_text_of_interest(name)]
    number_blocks: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    text_blocks: dict[str, list[str]] = {name: [] for name in texts}
    rows = 0
    for block in _blocks(path, size, separator, len(header)):
        columns = list(zip(*block, strict=True))
        rows += len(block)
        for name in wanted:
            number_blocks[name].append(_numbers(columns[position[name]], separator))
        for name in texts:
            text_blocks[name] += columns[position[name]]
    if not rows:
        raise FileError(f"{path} has a header and no rows.")
    table = LogTable(
        rows,
        {name: np.concatenate(blocks) for name, blocks in number_blocks.items()},
        {name: np.array(column, dtype=object) for name, column in text_blocks.items()},
        list(position),
    )
    return runs_in(table, str(path), names, str(path))


def _first_line(path: Path) -> str:
    """The first line of a text file; empty if the file is not text."""
    first = first_bytes(path)
    if b"\0" in first:
        return ""
    if b"\n" not in first:
        first = first_bytes(path, _HEADER_LIMIT)
    try:
        return first.split(b"\n")[0].rstrip(b"\r").decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _blocks(path: Path, size: int, separator: str, width: int) -> Iterator[list[list[str]]]:
    """Rows of equal width; cells that were cut off are empty."""
    with (
        ProgressBar(size) as bar,
        path.open(encoding="utf-8-sig", errors="replace", newline="") as file,
    ):
        reader = csv.reader(file, delimiter=separator)
        next(reader, None)
        rows = 0
        while True:
            try:
                block = list(islice(reader, TABLE_BLOCK))
            except csv.Error as error:
                raise FileError(
                    f"{path} is not CSV from line {reader.line_num} on: {error}."
                ) from error
            if not block:
                return
            rows += len(block)
            bar.show(min(size, rows * width * 8), f"reading {path.name}")
            if set(map(len, block)) != {width}:
                block = [(row + [""] * (width - len(row)))[:width] for row in block if row]
            if block:
                yield block


def _numbers(cells: Sequence[str], separator: str) -> np.ndarray:
    """Floats: NaN where a cell is empty or a text, inf where its number is not finite."""
    try:
        values = np.fromiter(map(float, cells), dtype=float, count=len(cells))
    except ValueError:
        decimal_commas = separator != ","
        return np.array([_number(cell, decimal_commas=decimal_commas) for cell in cells])
    values[~np.isfinite(values)] = math.inf
    return values


def _number(cell: str, *, decimal_commas: bool) -> float:
    if not cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        if decimal_commas and cell.count(",") == 1:
            return _number(cell.replace(",", "."), decimal_commas=False)
        if not decimal_commas and _THOUSANDS.fullmatch(cell):
            return _number(cell.replace(",", ""), decimal_commas=False)
        return math.nan
    return value if math.isfinite(value) else math.inf
