"""Tables of runs: reading them, and finding which column is what."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import ArgumentError, FileError
from learnrate._files import check_readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["FACTORS", "Runs", "read_runs"]

FACTORS = ("N", "D", "B")
_KNOWN = {
    "lr": ("lr", "learningrate", "peaklr", "peak", "eta"),
    "loss": ("loss", "valloss", "validationloss", "evalloss", "finalloss", "smoothloss"),
    "N": ("n", "params", "parameters", "nparams", "numparams", "modelsize"),
    "D": ("d", "tokens", "ntokens", "numtokens", "examples", "samples"),
    "B": ("b", "bs", "batch", "batchsize"),
}
_SWEEP = ("lr", "seed", "loss", "steps", "status")  # what Sweep.to_csv writes


@dataclass(frozen=True)
class Runs:
    """A table of runs: the rate and the final loss of each, and the factors that were varied.

    Attributes:
        lr: peak rates, shape (runs,).
        loss: final losses, infinite if a run did not finish, shape (runs,).
        factors: what the best rate may depend on, by name, each of shape (runs,) and above 0.
        columns: the column of the table that each was read from.
    """

    lr: np.ndarray
    loss: np.ndarray
    factors: dict[str, np.ndarray]
    columns: dict[str, str]


def read_runs(
    table: str | Path | Mapping[str, Sequence[Any]],
    columns: Mapping[str, str] | None = None,
    *,
    extra_factors: Sequence[str] = (),
) -> Runs:
    """Read a table of runs.

    Args:
        table: a CSV file, plain or gzipped, with commas, semicolons or tabs and one line of names
            (repeated lines of names, as in files joined by `cat`, are skipped); or columns by
            name, as a dictionary or a data frame. A run whose loss is empty, None, nan or inf did
            not finish. In the lines that `learnrate sweep --csv` writes, such a run takes the
            length of the trial above it, because its own steps end early.
        columns: the column of `lr`, of `loss`, and of each factor, as {"B": "bs"}. Columns that
            are not given are found by their usual names: lr, loss, N (parameters), D (tokens),
            B (batch).
        extra_factors: names of other columns that are factors.

    Raises:
        ArgumentError: the table does not have a column, or a rate or factor is not a finite number
            above 0.
        FileError: the file cannot be read, or a line has a different number of cells.

    Examples:
        >>> runs = read_runs({"lr": [0.1, 0.2], "val_loss": [1.0, None], "batch_size": [8, 8]})
        >>> runs.loss, runs.columns
        (array([ 1., inf]), {'lr': 'lr', 'loss': 'val_loss', 'B': 'batch_size'})
    """
    cells = _from_file(Path(table)) if isinstance(table, (str, Path)) else _from_columns(table)
    column_of = _find_columns(list(cells), dict(columns or {}), extra_factors)
    lr = _above_zero("lr", cells[column_of["lr"]])
    loss_cells = enumerate(cells[column_of["loss"]], 1)
    loss = np.array([_loss(column_of["loss"], run, cell) for run, cell in loss_cells])
    if set(_SWEEP) <= set(cells) and "steps" in column_of.values():
        cells["steps"] = _whole_lengths(cells["steps"], loss)
        known = [length is not None for length in cells["steps"]]
        cells = {name: list(itertools.compress(column, known)) for name, column in cells.items()}
        lr, loss = lr[known], loss[known]
    factors = {
        name: _above_zero(name, cells[column])
        for name, column in column_of.items()
        if name not in {"lr", "loss"}
    }
    return Runs(lr, loss, factors, column_of)


def _from_columns(table: Any) -> dict[str, list[Any]]:
    cells = {str(name): list(table[name]) for name in table}
    lengths = {name: len(column) for name, column in cells.items()}
    if len(set(lengths.values())) > 1:
        raise ArgumentError(f"the columns of a table must be equally long; got {lengths}.")
    if not cells or not next(iter(lengths.values())):
        raise ArgumentError("the table has no runs.")
    return cells


def _from_file(path: Path) -> dict[str, list[Any]]:
    lines = _text(path).splitlines()
    if not lines:
        raise FileError(
            f"{path} is empty; a table of runs has a line of names, then a line for each run."
        )
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    try:
        names, *lines_of_cells = reader
    except csv.Error as error:
        raise FileError(f"{path}, line {reader.line_num}, cannot be read: {error}.") from error
    names = [name.strip() for name in names]
    rows = []
    for row in lines_of_cells:
        if not row or [cell.strip() for cell in row] == names:
            continue
        if len(row) != len(names):
            raise FileError(
                f"{path}, line {reader.line_num} has {len(row)} cells; the first line names "
                f"{len(names)} columns."
            )
        rows.append(row)
    if not rows:
        raise FileError(f"{path} has a line of names, but no runs.")
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _text(path: Path) -> str:
    check_readable(path)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except (EOFError, zlib.error) as error:
        raise FileError(f"{path} is truncated: its gzip stream does not end.") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not a text file (byte {error.start} is not UTF-8).") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error


def _find_columns(
    names: list[str], column_of: dict[str, str], extra_factors: Sequence[str]
) -> dict[str, str]:
    """The column of the rate, of the loss and of each factor."""
    known = f"The columns are: {', '.join(map(repr, names))}."
    for role, column in column_of.items():
        if column not in names:
            raise ArgumentError(f"{role}={column!r}: the table has no column {column!r}. {known}")
    plain = {"".join(filter(str.isalnum, name.lower())): name for name in reversed(names)}
    for role, usual in _KNOWN.items():
        match = next((plain[name] for name in usual if name in plain), None)
        if role not in column_of and match is not None and match not in column_of.values():
            column_of[role] = match
    for role in ("lr", "loss"):
        if role not in column_of:
            raise ArgumentError(
                f"no column of the table looks like {role}; name it: columns={role}=NAME. {known}"
            )
    for name in extra_factors:
        if name not in column_of and name not in names:
            raise ArgumentError(f"the table has no column {name!r}. {known}")
        column_of.setdefault(name, name)
    if not set(column_of) - {"lr", "loss"}:
        raise ArgumentError(
            "no column of the table looks like N, D or B, so there is nothing to scale with; name "
            f"one: columns=B=NAME. {known}"
        )
    first = {role: column_of[role] for role in _KNOWN if role in column_of}
    return first | column_of


def _whole_lengths(steps: list[Any], loss: np.ndarray) -> list[Any]:
    """The steps of each trial of sweeps; one that did not finish has the steps of the trial above it."""
    length = None
    lengths = []
    for trained, final_loss in zip(steps, loss, strict=True):
        length = trained if math.isfinite(final_loss) else length
        lengths.append(length)
    return lengths


def _loss(column: str, run: int, cell: Any) -> float:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return math.inf
    try:
        value = float(cell)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"{column}: run {run} has {cell!r}, which is not a number. Leave the loss of a run "
            "that did not finish empty, or write nan or inf."
        ) from error
    return value if math.isfinite(value) else math.inf


def _above_zero(name: str, cells: list[Any]) -> np.ndarray:
    values = []
    for run, cell in enumerate(cells, 1):
        try:
            value = float(cell)
        except (TypeError, ValueError):
            value = math.nan
        if not 0 < value < math.inf:
            raise ArgumentError(
                f"{name} must be a finite number above 0 in every run; run {run} has {cell!r}."
            )
        values.append(value)
    return np.array(values)
