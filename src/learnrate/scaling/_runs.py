"""Tables of runs: reading them, and knowing which column is what."""

from __future__ import annotations

import csv
import gzip
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import ArgumentError, FileError

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
    """Trainings: the rate and final loss of each, and what else was set.

    Attributes:
        lr: peak rates, shape (runs,).
        loss: final losses, infinite where a run did not finish, shape (runs,).
        factors: what the best rate may depend on, by name, each of shape (runs,) and above 0.
        columns: which column of the table each was read from.
    """

    lr: np.ndarray
    loss: np.ndarray
    factors: dict[str, np.ndarray]
    columns: dict[str, str]


def read_runs(
    table: str | Path | Mapping[str, Sequence[Any]],
    columns: Mapping[str, str] | None = None,
    *,
    also: Sequence[str] = (),
) -> Runs:
    """Read a table of runs.

    Args:
        table: a CSV file, plain or gzipped, with commas, semicolons or tabs and one line of names
            (names repeated further down, as in files joined by `cat`, are passed over); or columns
            by name, as a dictionary or a data frame. A loss that is empty, None, nan or inf is of
            a run that did not finish. In the lines that `learnrate sweep --csv` writes, such a
            run is counted to the length of the trial above it, because its own steps end early.
        columns: the column of `lr`, of `loss`, and of each factor, as {"B": "bs"}. What is not
            named is found by its usual names: lr, loss, N (parameters), D (tokens), B (batch).
        also: further factors wanted, found under the very same name.

    Raises:
        ArgumentError: a column is not there, or a rate or factor is not a finite number above 0.
        FileError: the file cannot be read, or a line of it has another number of cells.

    Examples:
        >>> runs = read_runs({"lr": [0.1, 0.2], "val_loss": [1.0, None], "batch_size": [8, 8]})
        >>> runs.loss, runs.columns
        (array([ 1., inf]), {'lr': 'lr', 'loss': 'val_loss', 'B': 'batch_size'})
    """
    cells = _from_file(Path(table)) if isinstance(table, (str, Path)) else _from_columns(table)
    named = _named(list(cells), dict(columns or {}), also)
    lr = _above_zero("lr", cells[named["lr"]])
    loss = np.array([_loss(named["loss"], at, one) for at, one in enumerate(cells[named["loss"]])])
    if set(_SWEEP) <= set(cells) and "steps" in named.values():
        cells["steps"] = _whole_lengths(cells["steps"], loss)
        kept = [length is not None for length in cells["steps"]]
        cells = {
            name: [c for c, k in zip(one, kept, strict=True) if k] for name, one in cells.items()
        }
        lr, loss = lr[kept], loss[kept]
    factors = {
        name: _above_zero(name, cells[column])
        for name, column in named.items()
        if name not in {"lr", "loss"}
    }
    return Runs(lr, loss, factors, named)


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
        raise FileError(f"{path} is empty; a table of runs has a line of names and a line a run.")
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    names = [name.strip() for name in next(reader)]
    rows = []
    for row in reader:
        if not row or [cell.strip() for cell in row] == names:
            continue
        if len(row) != len(names):
            raise FileError(
                f"{path}, line {reader.line_num}: {len(row)} cells, where the first line names "
                f"{len(names)} columns."
            )
        rows.append(row)
    if not rows:
        raise FileError(f"{path} has names and no runs.")
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except EOFError as error:
        raise FileError(f"{path} is cut off: its gzip stream has no end.") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not a text file (byte {error.start} is not UTF-8).") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error


def _named(names: list[str], asked: dict[str, str], also: Sequence[str]) -> dict[str, str]:
    """The column of each role."""
    there = f"The columns are: {', '.join(map(repr, names))}."
    for role, column in asked.items():
        if column not in names:
            raise ArgumentError(f"{role}={column!r}: the table has no column {column!r}. {there}")
    plain = {"".join(filter(str.isalnum, name.lower())): name for name in reversed(names)}
    for role, usual in _KNOWN.items():
        found = next((plain[name] for name in usual if name in plain), None)
        if role not in asked and found is not None and found not in asked.values():
            asked[role] = found
    for role in ("lr", "loss"):
        if role not in asked:
            raise ArgumentError(
                f"no column of the table looks like {role}; say which it is: "
                f"columns={role}=NAME. {there}"
            )
    for name in also:
        if name not in asked and name not in names:
            raise ArgumentError(f"{name!r} is no column of the table. {there}")
        asked.setdefault(name, name)
    if not set(asked) - {"lr", "loss"}:
        raise ArgumentError(
            "no column of the table looks like N, D or B, so there is nothing to scale with; name "
            f"one: columns=B=NAME. {there}"
        )
    order = [role for role in _KNOWN if role in asked]
    return {role: asked[role] for role in [*order, *(one for one in asked if one not in order)]}


def _whole_lengths(steps: list[Any], loss: np.ndarray) -> list[Any]:
    """The steps of each trial of sweeps, where one that did not finish has those above it."""
    last = None
    found = []
    for own, final in zip(steps, loss, strict=True):
        last = own if math.isfinite(final) else last
        found.append(last)
    return found


def _loss(column: str, at: int, cell: Any) -> float:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return math.inf
    try:
        value = float(cell)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"{column}: run {at + 1} has {cell!r}, which is no number. Leave the loss of a run "
            "that did not finish empty, or write nan or inf."
        ) from error
    return value if math.isfinite(value) else math.inf


def _above_zero(name: str, cells: list[Any]) -> np.ndarray:
    values = []
    for at, cell in enumerate(cells):
        try:
            value = float(cell)
        except (TypeError, ValueError):
            value = math.nan
        if not 0 < value < math.inf:
            raise ArgumentError(
                f"{name} must be a finite number above 0 in every run; run {at + 1} has {cell!r}."
            )
        values.append(value)
    return np.array(values)
