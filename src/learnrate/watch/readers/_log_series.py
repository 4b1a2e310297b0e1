"""Series as logs hold them, in the order they were written, and observations made of them."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import FileError
from learnrate.watch._observations import Observations

if TYPE_CHECKING:
    from learnrate.watch.readers._names import Names

__all__ = ["LogSeries", "to_observations"]

_INF_IF_NOT_FINITE = ("loss", "validation", "gradient_norm")  # in other columns NaN is no value


class LogSeries:
    """One series of a log: steps and values in the order they were written."""

    __slots__ = ("steps", "values")

    def __init__(self) -> None:
        self.steps = array("d")
        self.values = array("d")

    def add(self, step: float, value: float) -> None:
        """Append one value."""
        self.steps.append(step)
        self.values.append(value)


def to_observations(
    run: str,
    series: dict[str, LogSeries],
    names: Names,
    *,
    where: str,
    total_steps: int | None = None,
    facts: dict[str, Any] | None = None,
) -> Observations:
    """The observations in the series of a log.

    A step that was written several times has its latest value. Where the steps of a series go back,
    the run was resumed from there: what an earlier attempt wrote from that step on is left out.

    Args:
        run: the name of the run.
        series: by their names in the log.
        names: which series are the loss, the rate and so on.
        where: the log, for messages.
        total_steps: the updates of the whole run as planned, if the log records it.
        facts: what else the log records, as `Observations` has them.

    Raises:
        FileError: steps are not whole numbers of at least 0, or no series looks like a loss or a
            rate.
    """
    series = {name: logged for name, logged in series.items() if len(logged.steps)}
    chosen = names.columns(sorted(series), where)
    resumed_at: set[int] = set()
    tracks: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for column, series_names in chosen.items():
        for name in series_names:
            step, value = _latest(series[name], resumed_at, f"{where}, series {name!r}")
            if column in _INF_IF_NOT_FINITE:
                value = np.where(np.isfinite(value), value, np.inf)
            tracks[name] = step, value
    all_steps = np.unique(np.concatenate([step for step, _ in tracks.values()]))
    columns = {}
    for column, series_names in chosen.items():
        values = np.full(all_steps.shape, np.nan)
        for name in series_names:
            step, value = tracks[name]
            rows = np.searchsorted(all_steps, step)
            values[rows] = np.fmax(values[rows], value)  # of several groups the highest rate
        columns[column] = values
    if resumed_at:
        facts = (facts or {}) | {"resumed_at": sorted(resumed_at)}
    return Observations(
        run=run, step=all_steps, columns=columns, total_steps=total_steps, facts=facts or {}
    )


def _latest(series: LogSeries, resumed_at: set[int], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps, strictly increasing, each with the value written last; adds where the run resumed."""
    steps, values = np.asarray(series.steps), np.asarray(series.values)
    is_whole = np.isfinite(steps) & (steps >= 0) & (steps == np.floor(steps))
    if not is_whole.all():
        raise FileError(
            f"{where}: a step must be a whole number of at least 0; got {steps[~is_whole][0]:g}."
        )
    if (steps > 2**53).any():
        raise FileError(f"{where}: a step must be at most 2**53; got {steps.max():.17g}.")
    step = steps.astype(np.int64)
    goes_back = np.flatnonzero(np.diff(step) < 0) + 1
    if goes_back.size:
        resumed_at.update(step[goes_back].tolist())
        lowest_to_come = np.minimum.accumulate(step[::-1])[::-1]
        # A row stands if no later row of the series goes back to its step or before it.
        stands = np.append(step[:-1] < lowest_to_come[1:], True)
    else:
        stands = np.append(np.diff(step) > 0, True)
    return step[stands], values[stands]
