"""Tracks: the rows of a column that have a value, and the statistics that rules take of them."""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

import numpy as np

from learnrate._statistics import STD_OF_DEVIATION, normal_quantile

__all__ = [
    "Track",
    "fall_signal",
    "falling_fit",
    "levels_of",
    "median_of_three",
    "neighbour_std",
    "quantile",
    "share_text",
    "tail_std",
    "thinned",
]

_LEAST_LEVELS = 3
_KEPT = 0.75  # share of the levels that a signal is computed from
_RANK_TEST_VALUES = 32  # the cost of a rank test grows with their square


class Track(NamedTuple):
    """The rows of a column that have a value: their steps, and the values."""

    step: np.ndarray
    value: np.ndarray

    def since(self, step: float) -> Track:
        """The rows from a step on."""
        first = int(np.searchsorted(self.step, step))
        return Track(self.step[first:], self.value[first:])

    def before(self, step: float) -> Track:
        """The rows of steps below `step`."""
        end = int(np.searchsorted(self.step, step))
        return Track(self.step[:end], self.value[:end])

    def finite(self) -> Track:
        """The rows with a finite value."""
        is_finite = np.isfinite(self.value)
        return Track(self.step[is_finite], self.value[is_finite])


def levels_of(track: Track, count: int) -> Track:
    """Medians of `count` neighbouring parts of a track, or its rows if there are fewer."""
    n = track.value.size
    if n <= count:
        return track
    edges = np.linspace(0, n, count + 1).astype(int)
    sizes = np.diff(edges)
    indices = edges[:-1, None] + np.arange(sizes.max())
    parts = np.where(indices < edges[1:, None], track.value[np.minimum(indices, n - 1)], np.inf)
    parts.sort(axis=1)
    rows = np.arange(count)
    medians = 0.5 * (parts[rows, (sizes - 1) // 2] + parts[rows, sizes // 2])
    return Track(track.step[edges[:-1]], medians)


def median_of_three(values: np.ndarray) -> np.ndarray:
    """Each value replaced by the median of itself and its two neighbours."""
    before, after = np.append(values[:1], values[:-1]), np.append(values[1:], values[-1:])
    low, high = np.minimum(before, after), np.maximum(before, after)
    return np.asarray(np.minimum(np.maximum(low, values), high))


def neighbour_std(values: np.ndarray, *, around: float = 0.0) -> float:
    """Standard deviation of values around their course, from the differences of neighbours.

    It is robust: the median absolute deviation of the differences, over the square root of 2. If
    most differences are equal, because values were rounded, their 90 % quantile is taken.

    Args:
        values: at least two.
        around: the difference of neighbours that the course itself makes.
    """
    deviations = np.abs(np.diff(values) - around)
    middle, upper = quantile(deviations, 0.5), quantile(deviations, 0.9)
    return (STD_OF_DEVIATION * middle or upper / normal_quantile(0.05)) / math.sqrt(2.0)


def quantile(values: np.ndarray, share: float) -> float:
    """Like `np.quantile`, at a third of its cost for few values."""
    place = share * (values.size - 1)
    low = int(place)
    ordered = np.partition(values, (low, min(low + 1, values.size - 1)))
    left, right = float(ordered[low]), float(ordered[min(low + 1, values.size - 1)])
    return left + (place - low) * (right - left) if right > left else left


def tail_std(values: np.ndarray) -> float:
    """The standard deviation of normal noise whose neighbours differ as much in the tails.

    It is that of normal noise if the noise is normal, and larger for noise with heavy tails. Up to a
    tenth of the differences may belong to events such as spikes.

    Args:
        values: at least two.
    """
    upper = quantile(np.abs(np.diff(values)), 0.9)
    return max(neighbour_std(values), upper / normal_quantile(0.05) / math.sqrt(2.0))


def falling_fit(values: np.ndarray) -> np.ndarray:
    """The series that never rises and is closest to the values by the sum of absolute differences.

    Neighbours that rise are pooled, and each pool has its median (Ayer et al. 1955, pool adjacent
    violators), so that a rise for less than half of a pool moves nothing.

    Examples:
        >>> falling_fit(np.array([4.0, 1.0, 3.0, 1.0, 0.0])).tolist()
        [4.0, 2.0, 2.0, 1.0, 0.0]
    """
    pools: list[list[float]] = []
    medians: list[float] = []
    for value in values.tolist():
        pool, middle = [value], value
        while medians and medians[-1] < middle:
            pool = pools.pop() + pool
            medians.pop()
            middle = median(pool)
        pools.append(pool)
        medians.append(middle)
    return np.repeat(medians, [len(pool) for pool in pools])


def fall_signal(levels: np.ndarray) -> float:
    """The fall of levels over their standard deviation around that fall; 0 for fewer than three.

    The fall is that of the closest series that never rises. The quarter of the levels that are
    farthest from it is left out, so that spikes and a swing do not count.
    """
    if levels.size < _LEAST_LEVELS:
        return 0.0
    fit = falling_fit(levels)
    fall, squares = float(fit[0] - fit[-1]), np.sort((levels - fit) ** 2)
    deviation = math.sqrt(squares[: math.ceil(_KEPT * levels.size)].mean())
    rounding = 1e-12 * float(np.abs(levels).max())
    return fall / max(deviation, rounding) if fall > rounding else 0.0


def thinned(values: np.ndarray) -> list[float]:
    """Means of at most 32 neighbouring parts, few enough for a rank test."""
    parts = np.array_split(values, min(_RANK_TEST_VALUES, values.size))
    return [float(part.mean()) for part in parts]


def share_text(share: float) -> str:
    """A share as a percentage.

    Examples:
        >>> share_text(0.123), share_text(0.004)
        ('12 %', '0.4 %')
    """
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
