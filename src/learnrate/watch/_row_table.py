"""The rows of a live run, limited in number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RowTable"]

_FIRST_CAPACITY = 64


class RowTable:
    """Rows in order of steps. Beyond a number, every second row is left out, as in a thinner log.

    Of two neighbouring rows, the one with a finite loss is kept, so consecutive losses that are not finite
    were consecutive in the run. Rows with a validation loss are kept, unless a quarter of all rows have one.

    Args:
        most: how many rows to keep at most, at least 64.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = np.empty(_FIRST_CAPACITY, dtype=np.int64)
        self._columns: dict[str, np.ndarray] = {}
        self._stride, self._arrived_rows = (
            1,
            0,
        )  # every `_stride`-th arriving row is kept
        self.rows = 0
        self.last_step = -1

    @property
    def step(self) -> np.ndarray:
        """The steps of the rows that are kept, increasing."""
        return self._step[: self.rows]

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The values by column, nan where there is none."""
        return {name: column[: self.rows] for name, column in self._columns.items()}

    def cut(self, step: int) -> None:
        """Drop the rows from a step on."""
        self.rows = int(np.searchsorted(self.step, step))

    def append(self, steps: np.ndarray, columns: Mapping[str, np.ndarray]) -> bool:
        """Add rows; whether there were so many that every second row was left out.

        Args:
            steps: later than those so far, increasing.
            columns: a value for each of them.
        """
        self.last_step = int(steps[-1])
        if self._stride > 1:
            stays = self._stays(columns, steps.size)
            steps = steps[stays]
            columns = {name: column[stays] for name, column in columns.items()}
        first, last = self.rows, self.rows + steps.size
        self._grow(last)
        self._step[first:last] = steps
        for name in dict.fromkeys([*self._columns, *columns]):
            column = self._columns.setdefault(name, np.full(self._step.size, np.nan))
            column[first:last] = columns.get(name, np.nan)
        self.rows = last
        is_thinned = self.rows > self._most
        while self.rows > self._most:
            self._thin()
        return is_thinned

    def _stays(self, columns: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        """Which of the rows that come in stay; all of them if a loss is not finite."""
        if "loss" in columns and np.isinf(columns["loss"]).any():
            return np.ones(rows, dtype=bool)
        numbers = np.arange(self._arrived_rows, self._arrived_rows + rows)
        stays: np.ndarray = numbers % self._stride == 0
        self._arrived_rows += rows
        if "validation" in columns:
            stays |= ~np.isnan(columns["validation"])
        return stays

    def _thin(self) -> None:
        self._stride *= 2
        stays = np.arange(self.rows) % 2 == 0
        loss = self._columns.get("loss")
        if loss is not None:
            pairs = loss[: self.rows // 2 * 2].reshape(-1, 2)
            later = np.flatnonzero(np.isinf(pairs[:, 0]) & ~np.isinf(pairs[:, 1]))
            stays[2 * later], stays[2 * later + 1] = False, True
        if "validation" in self._columns:
            has_validation = ~np.isnan(self._columns["validation"][: self.rows])
            if has_validation.sum() < self.rows // 4:
                stays |= has_validation
        rows_to_keep = np.flatnonzero(stays)
        for column in (self._step, *self._columns.values()):
            column[: rows_to_keep.size] = column[rows_to_keep]
        self.rows = rows_to_keep.size

    def _grow(self, rows: int) -> None:
        if rows <= self._step.size:
            return
        capacity = max(rows, 2 * self._step.size)
        self._step = np.resize(self._step, capacity)
        self._columns = {
            name: np.concatenate([column, np.full(capacity - column.size, np.nan)])
            for name, column in self._columns.items()
        }
