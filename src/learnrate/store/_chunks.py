"""Rows of points as blocks of bytes: what a database holds, and the arrays they come from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from learnrate.store._records import Points
from learnrate.watch import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CHUNK", "Rows", "joined", "merged", "pack", "unpack"]

CHUNK = 512
"""Rows of one block: small enough to be written anew as it fills, large enough to read fast."""

Rows = tuple[np.ndarray, dict[str, np.ndarray]]
"""Steps and columns."""


def pack(step: np.ndarray, columns: Mapping[str, np.ndarray]) -> tuple[str, bytes]:
    """Names and bytes of a block: the steps, then column after column, little-endian.

    A column without any value is left out.
    """
    held = {name: column for name, column in columns.items() if not np.isnan(column).all()}
    parts = [step.astype("<i8").tobytes(), *(held[n].astype("<f8").tobytes() for n in held)]
    return json.dumps(list(held)), b"".join(parts)


def unpack(names: str, data: bytes) -> Rows:
    """What `pack` packed."""
    listed = json.loads(names)
    rows = len(data) // (8 * (len(listed) + 1))
    table = np.frombuffer(data, dtype="<f8").reshape(len(listed) + 1, rows)
    step = np.frombuffer(data, dtype="<i8", count=rows)
    return step, dict(zip(listed, table[1:], strict=True))


def stacked(parts: Iterable[Rows]) -> Rows:
    """Blocks under each other; nan where one has no such column."""
    parts = list(parts)
    if not parts:
        return np.empty(0, dtype=np.int64), {}
    step = np.concatenate([step for step, _ in parts])
    columns: dict[str, np.ndarray] = {}
    at = 0
    for own, held in parts:
        for name, column in held.items():
            if name not in columns:
                columns[name] = np.full(len(step), np.nan)
            columns[name][at : at + len(own)] = column
        at += len(own)
    return step, columns


def merged(parts: Iterable[Rows]) -> Rows:
    """Blocks under each other, in order of steps, one row a step: a later value wins.

    A row may come in pieces: its rate and loss first, a validation loss afterwards.
    """
    step, columns = stacked(parts)
    if (np.diff(step) > 0).all():
        return step, columns
    order = np.argsort(step, kind="stable")
    step = step[order]
    kept, row = np.unique(step, return_inverse=True)
    found = {}
    for name, column in columns.items():
        values = column[order]
        known = ~np.isnan(values)
        found[name] = np.full(len(kept), np.nan)
        found[name][row[known]] = values[known]  # of several the last is kept
    return kept, found


def joined(parts: Iterable[tuple[int, Rows]], begins: Mapping[int, int]) -> Points:
    """The rows that stand, of blocks by attempt, in order of attempts and steps.

    A row stands unless a later attempt began at its step or before.
    """
    taken: list[Rows] = []
    numbers: list[np.ndarray] = [np.empty(0, dtype=np.int64)]
    for attempt, rows in parts:
        ends = [first for later, first in begins.items() if later > attempt]
        kept = _before(rows, min(ends)) if ends else rows
        taken.append(kept)
        numbers.append(np.full(len(kept[0]), attempt, dtype=np.int64))
    step, columns = stacked(taken)
    names = [name for name in COLUMNS if name in columns]
    names += sorted((name for name in columns if name not in COLUMNS), key=_group)
    ordered = {name: columns[name] for name in names}
    return Points(step=step, columns=ordered, attempt=np.concatenate(numbers))


def _group(name: str) -> tuple[int, str]:
    return (int(name[3:-1]), "") if name.startswith("lr[") else (-1, name)  # lr[12]


def _before(rows: Rows, end: int) -> Rows:
    step, columns = rows
    count = int(np.searchsorted(step, end))
    return step[:count], {name: held[:count] for name, held in columns.items()}
