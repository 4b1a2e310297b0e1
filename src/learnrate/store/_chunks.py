"""Rows of points as blocks of bytes, as a database holds them, and as arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from learnrate.store._records import RecordedPoints
from learnrate.watch import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    Row = tuple[int, tuple[Any, ...], Mapping[str, Any] | None]

__all__ = ["CHUNK", "Rows", "join_attempts", "merge_rows", "pack", "table_of", "unpack"]

CHUNK = 512
"""Rows of one block: few enough to rewrite it as it fills, enough to read a run fast."""

_PLAIN = {float, type(None)}  # kinds of values that need no conversion

Rows = tuple[np.ndarray, dict[str, np.ndarray]]
"""Steps, and columns by name."""


def pack(step: np.ndarray, columns: Mapping[str, np.ndarray]) -> tuple[str, bytes]:
    """The names and bytes of a block: the steps, then column after column, little-endian.

    A column of nan only is left out.
    """
    recorded = {name: column for name, column in columns.items() if not np.isnan(column).all()}
    parts = [column.astype("<f8").tobytes() for column in recorded.values()]
    return json.dumps(list(recorded)), b"".join([step.astype("<i8").tobytes(), *parts])


def unpack(names: str, data: bytes) -> Rows:
    """The steps, and the values by column, of what `pack` returned."""
    columns = json.loads(names)
    rows = len(data) // (8 * (len(columns) + 1))
    table = np.frombuffer(data, dtype="<f8").reshape(len(columns) + 1, rows)
    step = np.frombuffer(data, dtype="<i8", count=rows)
    return step, dict(zip(columns, table[1:], strict=True))


def table_of(
    rows: Sequence[Row], names: Sequence[str], numbers: Callable[[Sequence[Any]], Sequence[float]]
) -> Rows:
    """Rows that were recorded one by one, as arrays; without the columns that no row has.

    Args:
        rows: for each row, the step, the values in the order of `names`, and other columns by
            name or None.
        names: the names of the columns; a value that a row does not have is None there, and nan in
            the array.
        numbers: converts the values of one column to floats. One that becomes nan, but is not None, is
            infinite in the array.
    """
    step = np.array([row[0] for row in rows], dtype=np.int64)
    by_name = dict(zip(names, zip(*(row[1] for row in rows), strict=True), strict=True))
    for name in {name for row in rows if row[2] for name in row[2]}:
        by_name[name] = tuple((row[2] or {}).get(name) for row in rows)
    kinds = {name: set(map(type, values)) for name, values in by_name.items()}
    columns = {
        name: _column(values, list if kinds[name] <= _PLAIN else numbers)
        for name, values in by_name.items()
        if kinds[name] != {type(None)}
    }
    return merge_rows([(step, columns)])


def _column(
    values: Sequence[Any], numbers: Callable[[Sequence[Any]], Sequence[float]]
) -> np.ndarray:
    column = np.array(numbers(values), dtype=float)  # None becomes nan
    if np.isnan(column).any():
        present = np.array([value is not None for value in values])
        column[np.isnan(column) & present] = np.inf
    return column


def stack_rows(blocks: Iterable[Rows]) -> Rows:
    """Blocks one after another; nan where a block does not have a column."""
    blocks = list(blocks)
    if not blocks:
        return np.empty(0, dtype=np.int64), {}
    step = np.concatenate([block_step for block_step, _ in blocks])
    columns: dict[str, np.ndarray] = {}
    first_row = 0
    for block_step, block_columns in blocks:
        end_row = first_row + len(block_step)
        for name, values in block_columns.items():
            if name not in columns:
                columns[name] = np.full(len(step), np.nan)
            columns[name][first_row:end_row] = values
        first_row = end_row
    return step, columns


def merge_rows(blocks: Iterable[Rows]) -> Rows:
    """Blocks in order of steps, one row for each step; a later value replaces an earlier one.

    A row may come in pieces: its rate and loss first, a validation loss afterwards.
    """
    step, columns = stack_rows(blocks)
    if (np.diff(step) > 0).all():
        return step, columns
    order = np.argsort(step, kind="stable")
    unique_step, row = np.unique(step[order], return_inverse=True)
    merged = {}
    for name, column in columns.items():
        values = column[order]
        known = ~np.isnan(values)
        merged[name] = np.full(len(unique_step), np.nan)
        merged[name][row[known]] = values[known]  # the last of several is kept
    return unique_step, merged


def join_attempts(
    blocks: Iterable[tuple[int, Rows]], first_steps: Mapping[int, int]
) -> RecordedPoints:
    """The rows of a run that are valid, in order of attempts and steps.

    A row is superseded if a later attempt began at its step or before.

    Args:
        blocks: the number of an attempt and rows of it, in order.
        first_steps: the step at which each attempt began, by its number.
    """
    valid_blocks: list[Rows] = []
    attempts: list[np.ndarray] = [np.empty(0, dtype=np.int64)]
    for attempt, rows in blocks:
        ends = [first for later, first in first_steps.items() if later > attempt]
        valid = _rows_before(rows, min(ends)) if ends else rows
        valid_blocks.append(valid)
        attempts.append(np.full(len(valid[0]), attempt, dtype=np.int64))
    step, columns = stack_rows(valid_blocks)
    names = [name for name in COLUMNS if name in columns]
    names += sorted((name for name in columns if name not in COLUMNS), key=_sort_key)
    ordered = {name: columns[name] for name in names}
    return RecordedPoints(step=step, columns=ordered, attempt=np.concatenate(attempts))


def _sort_key(name: str) -> tuple[int, str]:
    return (int(name[3:-1]), "") if name.startswith("lr[") else (-1, name)  # lr[12]


def _rows_before(rows: Rows, end: int) -> Rows:
    step, columns = rows
    count = int(np.searchsorted(step, end))
    return step[:count], {name: column[:count] for name, column in columns.items()}
