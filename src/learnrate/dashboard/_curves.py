"""Points for the screen: kept in memory, read on from where they were, thinned by a library."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from tsdownsample import MinMaxLTTBDownsampler

from learnrate.dashboard._models import Column, Curve, Curves, TableShown
from learnrate.store import RecordedPoints

if TYPE_CHECKING:
    from collections.abc import Iterable

    from learnrate.store import Store, StoredRun

__all__ = ["PointsKept", "curves", "table", "thinned"]

_RUNS_KEPT = 6
_OVERLAP = 1024  # rows read again: a validation loss may join a row that was there already
_STRETCHES = 4  # points drawn for each mean of a stretch
_NAMED = 100
_DOWNSAMPLER: Any = MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call]  # it has no types


@dataclass(frozen=True, eq=False)
class _Kept:
    points: RecordedPoints
    attempts: int
    updated: float


class PointsKept:
    """The points of the runs looked at last; each look reads only what is new.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()

    def of(self, run: StoredRun) -> RecordedPoints:
        """All points of a run, up to now."""
        with self._lock:
            known = self._kept.get(run.id)
        attempts = len(self._store.attempts(run.id))
        if known is not None and (known.attempts, known.updated) == (attempts, run.updated):
            return known.points
        if known is None or known.attempts != attempts or len(known.points.step) < _OVERLAP:
            found = self._store.points(run.id)
        else:
            found = self._read_on(run.id, known.points)
        with self._lock:
            self._kept[run.id] = _Kept(found, attempts, run.updated)
            self._kept.move_to_end(run.id)
            while len(self._kept) > _RUNS_KEPT:
                self._kept.popitem(last=False)
        return found

    def _read_on(self, run: str, known: RecordedPoints) -> RecordedPoints:
        cut = len(known.step) - _OVERLAP
        new = self._store.points(run, after=int(known.step[cut - 1]) if cut else -1)
        names = dict.fromkeys([*known.columns, *new.columns])
        return RecordedPoints(
            step=np.concatenate([known.step[:cut], new.step]),
            columns={
                name: np.concatenate([_column(known, name)[:cut], _column(new, name)])
                for name in names
            },
            attempt=np.concatenate([known.attempt[:cut], new.attempt]),
        )


def _column(points: RecordedPoints, name: str) -> np.ndarray:
    found = points.columns.get(name)
    return np.full(len(points.step), np.nan) if found is None else found


def curves(
    run: str,
    points: RecordedPoints,
    columns: Iterable[Column],
    *,
    most: int,
    first: int | None = None,
    last: int | None = None,
) -> Curves:
    """Some columns of a run in a range of steps, each of about `most` points."""
    rows = _rows(points, first, last)
    step = points.step[rows]
    found = {str(name): thinned(step, _column(points, name)[rows], most) for name in columns}
    loss = _column(points, "loss")[rows]
    if "loss" in found and len(step) > most:
        found["loss_mean"] = _means(step, loss, most // _STRETCHES)
    return Curves(
        run=run,
        rows=len(step),
        first=int(points.step[0]) if len(points.step) else None,
        last=int(points.step[-1]) if len(points.step) else None,
        curves=found,
        not_finite=step[np.isinf(loss)][:_NAMED].tolist(),
    )


def thinned(step: np.ndarray, value: np.ndarray, most: int) -> Curve:
    """The finite values, at most about `most` of them, chosen so that peaks stay.

    Examples:
        >>> thinned(np.arange(3), np.array([1.0, np.nan, 3.0]), most=10)
        Curve(step=[0, 2], value=[1.0, 3.0])
    """
    known = np.isfinite(value)
    step, value = np.ascontiguousarray(step[known]), np.ascontiguousarray(value[known])
    if len(step) > most:
        chosen = _DOWNSAMPLER.downsample(step, value, n_out=most)
        step, value = step[chosen], value[chosen]
    return Curve(step=step.tolist(), value=value.tolist())


def table(
    points: RecordedPoints, *, rows: int, first: int | None = None, last: int | None = None
) -> TableShown:
    """Evenly spaced rows, the first and the last among them."""
    held = _rows(points, first, last)
    step = points.step[held]
    at = np.unique(np.linspace(0, len(step) - 1, min(rows, len(step))).round().astype(int))
    names = [name for name in Column if name in points.columns]
    lists = [step[at].tolist()]
    lists += [_numbers(points.columns[name][held][at]) for name in names]
    listed = [list(row) for row in zip(*lists, strict=True)]
    return TableShown(columns=["step", *names], rows=listed)


def _rows(points: RecordedPoints, first: int | None, last: int | None) -> slice:
    begin = 0 if first is None else int(np.searchsorted(points.step, first))
    end = len(points.step) if last is None else int(np.searchsorted(points.step, last, "right"))
    return slice(begin, max(begin, end))


def _means(step: np.ndarray, value: np.ndarray, stretches: int) -> Curve:
    """The mean over each of so many stretches of equally many values."""
    known = np.isfinite(value)
    step, value = step[known], value[known]
    starts = np.unique(np.linspace(0, len(step), stretches, endpoint=False).astype(int))
    if not len(step):
        return Curve(step=[], value=[])
    counts = np.diff(np.append(starts, len(step)))
    middle = step[starts + counts // 2]
    return Curve(step=middle.tolist(), value=(np.add.reduceat(value, starts) / counts).tolist())


def _numbers(values: np.ndarray) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
