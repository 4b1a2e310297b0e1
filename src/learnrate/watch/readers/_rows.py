"""Tables made from rows that are dictionaries, as in JSON lines and text logs."""

from __future__ import annotations

import math
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.watch.readers._csv import TABLE_BLOCK
from learnrate.watch.readers._log_table import LogTable, is_text_of_interest
from learnrate.watch.readers._names import is_number_of_interest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from learnrate.watch.readers._names import Names

__all__ = ["flat", "table_of"]

_MAX_DEPTH = 16  # of objects in objects; deeper values are not series


def table_of(rows: Iterable[dict[str, Any]], names: Names) -> LogTable:
    """A table of rows; a name that a row does not have is an empty cell.

    Args:
        rows: numbers, texts and other values by name; numbers may be written as texts.
        names: the names that were given.
    """
    blocks: dict[str, list[tuple[int, np.ndarray]]] = {}
    texts: dict[str, list[tuple[int, list[Any]]]] = {}
    kinds: dict[str, tuple[bool, bool]] = {}
    count = 0
    iterator = iter(rows)
    while block := list(islice(iterator, TABLE_BLOCK)):
        for name in dict.fromkeys(chain.from_iterable(block)):
            if name not in kinds:
                kinds[name] = is_number_of_interest(name, names), is_text_of_interest(name)
            is_number, is_text = kinds[name]
            if is_number:
                values = _numbers([row.get(name) for row in block])
                blocks.setdefault(name, []).append((count, values))
            elif is_text:
                texts.setdefault(name, []).append((count, [row.get(name, "") for row in block]))
        count += len(block)
    numbers = {}
    for name, parts in blocks.items():
        numbers[name] = np.full(count, np.nan)
        for first, values in parts:
            numbers[name][first : first + values.size] = values
    columns = {}
    for name, pieces in texts.items():
        columns[name] = np.full(count, "", dtype=object)
        for first, cells in pieces:
            columns[name][first : first + len(cells)] = [str(cell) for cell in cells]
    return LogTable(count, numbers, columns, list(kinds))


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose objects in objects are values named `outer/inner`."""
    if dict not in map(type, row.values()):
        return row
    flattened: dict[str, Any] = {}
    queue: list[tuple[str, dict[str, Any], int]] = [("", row, 0)]
    while queue:
        prefix, inner, depth = queue.pop(0)
        for name, value in inner.items():
            if not isinstance(value, dict):
                flattened.setdefault(prefix + name, value)
            elif depth < _MAX_DEPTH:
                queue.append((f"{prefix}{name}/", value, depth + 1))
    return flattened


def _numbers(values: Sequence[Any]) -> np.ndarray:
    """Floats: NaN where there is no number, inf where it is not finite."""
    try:
        numbers = np.fromiter(map(float, values), dtype=float, count=len(values))
    except (ValueError, TypeError, OverflowError):
        return np.array([_number(value) for value in values])
    numbers[~np.isfinite(numbers)] = math.inf
    return numbers


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        number = float(value)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.inf
    return number if math.isfinite(number) else math.inf
