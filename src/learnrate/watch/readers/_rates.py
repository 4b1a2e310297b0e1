"""Which of several rates represents a run: the course that most parameter groups follow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["main_rate"]

_LEAST_ROWS_SHARE = 0.5  # of the rows of the longest series that the rate of the run has
_SAME_RATE = 0.02  # rates whose courses differ by less, as shares of their peaks, count as one
_COMPARED_ROWS = 64  # rows at which courses are compared


def main_rate(rates: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """The name of the rate that stands for a run.

    A log does not say how many parameters a group has, and the highest rate is often that of the smallest:
    biases that warm up from above, or a new head. The rate that most groups follow stands for the run. Rates
    are compared as shares of their highest, so groups whose rates keep a ratio count together. Among those
    that agree the commonest rate wins, then the first in the log's order, which is the optimizer's order.

    Args:
        rates: steps and values of each, by name.

    Examples:
        >>> steps = np.arange(4)
        >>> bias, weights = np.array([0.1, 0.04, 0.01, 0.0]), np.array([0.001, 0.01, 0.01, 0.0])
        >>> main_rate({"pg0": (steps, bias), "pg1": (steps, weights), "pg2": (steps, weights)})
        'pg1'
    """
    longest = max(steps.size for steps, _ in rates.values())
    names = [name for name in rates if rates[name][0].size >= _LEAST_ROWS_SHARE * longest]
    names.sort(key=_natural)
    if len(names) < 3:
        return _most_updates(names, rates)[0]
    steps = rates[names[0]][0]
    points = steps[np.linspace(0, steps.size - 1, min(_COMPARED_ROWS, steps.size)).astype(int)]
    courses = {name: _values_at(points, *rates[name]) for name in names}
    names = _largest_agreeing(names, {name: _shares(courses[name]) for name in names})
    names = _most_updates(names, rates)
    scales = {name: courses[name] / max(_peak(courses[n]) for n in names) for name in names}
    return _largest_agreeing(names, scales)[0]


def _largest_agreeing(names: list[str], courses: Mapping[str, np.ndarray]) -> list[str]:
    """The largest set of names whose courses are close to the course of one of them.

    If several sets are equally large, the first of them in the order of `names` is returned.
    """
    close = [
        [name for name in names if np.abs(courses[name] - courses[first]).max() <= _SAME_RATE]
        for first in names
    ]
    return max(close, key=len)


def _most_updates(
    names: list[str], rates: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> list[str]:
    """The names whose rate is above 0 in the most rows: a frozen group makes no updates."""
    updates = {name: int(np.count_nonzero(rates[name][1])) for name in names}
    most = max(updates.values())
    return [name for name in names if updates[name] >= (1.0 - _SAME_RATE) * most]


def _values_at(points: np.ndarray, steps: np.ndarray, values: np.ndarray) -> np.ndarray:
    rows = np.searchsorted(steps, points, side="right") - 1
    return np.asarray(np.nan_to_num(values[np.maximum(rows, 0)], posinf=0.0, neginf=0.0))


def _peak(course: np.ndarray) -> float:
    return max(float(np.abs(course).max()), 1e-300)


def _shares(course: np.ndarray) -> np.ndarray:
    return np.asarray(course / _peak(course))


def _natural(name: str) -> list[tuple[int, str]]:
    """The order of names in which group 10 comes after group 9."""
    return [
        (int(part), "") if part.isdigit() else (-1, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]
