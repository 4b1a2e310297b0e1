"""Series as logs hold them, in the order they were written, put together as observations."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import FileError
from learnrate.watch._observations import Observations

if TYPE_CHECKING:
    from learnrate.watch.readers._names import Names

__all__ = ["Series", "assembled"]

_NOT_FINITE_COUNTS = ("loss", "validation", "gradient_norm")  # elsewhere nan is no value


class Series:
    """One series being read: steps and values in the order they were written."""

    __slots__ = ("steps", "values")

    def __init__(self) -> None:
        self.steps = array("d")
        self.values = array("d")

    def add(self, step: float, value: float) -> None:
        """One more value."""
        self.steps.append(step)
        self.values.append(value)


def assembled(
    run: str,
    series: dict[str, Series],
    names: Names,
    *,
    where: str,
    total_steps: int | None = None,
    facts: dict[str, Any] | None = None,
) -> Observations:
    """The observations in some series.

    A step that is written again holds its latest value. Where the steps of a series go back, the
    run was resumed from there: what an earlier attempt had written from that step on is left out.

    Raises:
        FileError: steps are not whole numbers of at least 0, or no series can be told.
    """
    series = {name: held for name, held in series.items() if len(held.steps)}
    chosen = names.columns(sorted(series), where)
    resumed: set[int] = set()
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for column, held in chosen.items():
        for name in held:
            step, value = _latest(series[name], resumed, f"{where}, series {name!r}")
            if column in _NOT_FINITE_COUNTS:
                value = np.where(np.isfinite(value), value, np.inf)
            parts[name] = step, np.where(np.isnan(value), np.nan, value)
    every = np.unique(np.concatenate([step for step, _ in parts.values()]))
    columns = {}
    for column, held in chosen.items():
        values = np.full(every.shape, np.nan)
        for name in held:
            step, value = parts[name]
            at = np.searchsorted(every, step)
            values[at] = np.fmax(values[at], value)  # of several groups the highest rate
        columns[column] = values
    if resumed:
        facts = (facts or {}) | {"resumed_at": sorted(resumed)}
    return Observations(
        run=run, step=every, columns=columns, total_steps=total_steps, facts=facts or {}
    )


def _latest(series: Series, resumed: set[int], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps, strictly increasing, with the value written last of each."""
    steps, values = np.asarray(series.steps), np.asarray(series.values)
    if not np.isfinite(steps).all() or (steps < 0).any() or (steps != np.floor(steps)).any():
        bad = next(step for step in steps.tolist() if not (step >= 0 and step == step // 1))
        raise FileError(f"{where}: a step must be a whole number of at least 0; got {bad:g}.")
    if (steps > 2**53).any():
        raise FileError(f"{where}: the step {steps.max():g} is larger than any run's.")
    whole = steps.astype(np.int64)
    back = np.flatnonzero(np.diff(whole) < 0) + 1
    if back.size:
        resumed.update(int(whole[at]) for at in back)
        following = np.minimum.accumulate(whole[::-1])[::-1]
        # A row stands where no later row of the series goes back to its step or before it.
        kept = np.append(whole[:-1] < following[1:], True)
    else:
        kept = np.append(np.diff(whole) > 0, True)
    return whole[kept], values[kept]
