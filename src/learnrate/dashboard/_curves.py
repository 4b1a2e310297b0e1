"""Points for the screen: cached in memory, and downsampled."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from tsdownsample import MinMaxLTTBDownsampler

from learnrate.dashboard._axis import HorizontalAxis, axes_of, axis_values
from learnrate.dashboard._models import CurveResponse, CurvesResponse, TableResponse
from learnrate.store import RecordedPoints, with_group_rates
from learnrate.watch import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from learnrate.store import Store, StoredRun

__all__ = ["PointsCache", "curves", "downsampled", "moving_mean", "table"]

_MOST_RUNS = 6
_OVERLAP = 1024  # rows read again, since a validation loss may be added to an earlier row
_POINTS_PER_MEAN = 4
_MOST_NOT_FINITE = 100
_DOWNSAMPLER: Any = MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call]  # it has no types


@dataclass(frozen=True, eq=False)
class _CachedPoints:
    points: RecordedPoints
    attempts: int
    updated: float


class PointsCache:
    """The points of the runs that were shown last; only new points are read again.

    Args:
        store: the store to read them from.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: OrderedDict[str, _CachedPoints] = OrderedDict()
        self._lock = Lock()

    def points_of(self, run: StoredRun) -> RecordedPoints:
        """All recorded points of a run."""
        with self._lock:
            cached = self._cache.get(run.id)
        attempts = len(self._store.attempts(run.id))
        if cached is not None and (cached.attempts, cached.updated) == (attempts, run.updated):
            return cached.points
        if cached is None or cached.attempts != attempts or len(cached.points.step) < _OVERLAP:
            points = self._store.points(run.id)
        else:
            points = self._with_new_points(run.id, cached.points)
        with self._lock:
            self._cache[run.id] = _CachedPoints(points, attempts, run.updated)
            self._cache.move_to_end(run.id)
            while len(self._cache) > _MOST_RUNS:
                self._cache.popitem(last=False)
        return points

    def _with_new_points(self, run: str, known: RecordedPoints) -> RecordedPoints:
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
    column = points.columns.get(name)
    return np.full(len(points.step), np.nan) if column is None else column


def curves(
    run: StoredRun,
    points: RecordedPoints,
    columns: Iterable[str],
    *,
    max_points: int,
    first: int | None = None,
    last: int | None = None,
    smooth: int = 0,
    axis: HorizontalAxis = HorizontalAxis.STEP,
) -> CurvesResponse:
    """Curves of a run, each of about `max_points` points.

    Args:
        run: the run.
        points: its points.
        columns: the quantities to draw.
        max_points: the number of points of each curve.
        first: the first step to draw; None for the first recorded one.
        last: the last step to draw; None for the last recorded one.
        smooth: rows of the moving mean of the loss; 0 for a mean that suits the screen.
        axis: what the horizontal axis shows.
    """
    with_groups = with_group_rates(points, run.facts)
    rows = _rows(points, first, last)
    step = points.step[rows]
    by_name = {
        name: downsampled(step, _column(with_groups, name)[rows], max_points) for name in columns
    }
    loss = _column(points, "loss")
    if "loss" in by_name and smooth > 1:
        by_name["loss_mean"] = downsampled(step, moving_mean(loss, smooth)[rows], max_points)
    elif "loss" in by_name and len(step) > max_points:
        by_name["loss_mean"] = _means(step, loss[rows], max_points // _POINTS_PER_MEAN)
    return CurvesResponse(
        run=run.id,
        rows=len(step),
        first=int(points.step[0]) if len(points.step) else None,
        last=int(points.step[-1]) if len(points.step) else None,
        curves=by_name,
        columns=list(with_groups.columns),
        axes=[str(name) for name in axes_of(points, run.facts)],
        axis=axis_values(axis, points, run.facts),
        not_finite=step[np.isinf(loss[rows])][:_MOST_NOT_FINITE].tolist(),
    )


def moving_mean(value: np.ndarray, rows: int) -> np.ndarray:
    """The mean of the finite values among `rows` rows around each; fewer at both ends.

    Examples:
        >>> moving_mean(np.array([1.0, 2.0, 6.0, np.inf]), 3).tolist()
        [1.5, 3.0, 4.0, 6.0]
    """
    known = np.isfinite(value)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, value, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    index = np.arange(len(value))
    begin, end = np.maximum(0, index - rows // 2), np.minimum(len(value), index + (rows + 1) // 2)
    with np.errstate(invalid="ignore"):
        return np.asarray((sums[end] - sums[begin]) / (counts[end] - counts[begin]))


def downsampled(step: np.ndarray, value: np.ndarray, max_points: int) -> CurveResponse:
    """About `max_points` of the finite values, chosen so that peaks stay visible.

    Args:
        step: the step of each value.
        value: the values; others than finite ones are left out.
        max_points: the number of points of the curve.

    Examples:
        >>> downsampled(np.arange(3), np.array([1.0, np.nan, 3.0]), max_points=10)
        CurveResponse(step=[0, 2], value=[1.0, 3.0])
    """
    known = np.isfinite(value)
    step, value = np.ascontiguousarray(step[known]), np.ascontiguousarray(value[known])
    if len(step) > max_points:
        indices = _DOWNSAMPLER.downsample(step, value, n_out=max_points)
        step, value = step[indices], value[indices]
    return CurveResponse(step=step.tolist(), value=value.tolist())


def table(
    points: RecordedPoints, *, rows: int, first: int | None = None, last: int | None = None
) -> TableResponse:
    """Evenly spaced rows of a run, with the first and the last one.

    Args:
        points: the points of the run.
        rows: number of rows of the table, at most.
        first: the first step; None for the first recorded one.
        last: the last step; None for the last recorded one.
    """
    in_range = _rows(points, first, last)
    step = points.step[in_range]
    chosen = np.unique(np.linspace(0, len(step) - 1, min(rows, len(step))).round().astype(int))
    names = [name for name in COLUMNS if name in points.columns]
    columns = [step[chosen].tolist()]
    columns += [_numbers(points.columns[name][in_range][chosen]) for name in names]
    table_rows = [list(row) for row in zip(*columns, strict=True)]
    return TableResponse(columns=["step", *names], rows=table_rows)


def _rows(points: RecordedPoints, first: int | None, last: int | None) -> slice:
    begin = 0 if first is None else int(np.searchsorted(points.step, first))
    end = len(points.step) if last is None else int(np.searchsorted(points.step, last, "right"))
    return slice(begin, max(begin, end))


def _means(step: np.ndarray, value: np.ndarray, parts: int) -> CurveResponse:
    """The mean of each of `parts` ranges with equally many values."""
    known = np.isfinite(value)
    step, value = step[known], value[known]
    starts = np.unique(np.linspace(0, len(step), parts, endpoint=False).astype(int))
    if not len(step):
        return CurveResponse(step=[], value=[])
    counts = np.diff(np.append(starts, len(step)))
    middle = step[starts + counts // 2]
    return CurveResponse(
        step=middle.tolist(), value=(np.add.reduceat(value, starts) / counts).tolist()
    )


def _numbers(values: np.ndarray) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
