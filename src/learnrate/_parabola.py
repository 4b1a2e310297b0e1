"""The lowest place of values on a grid, between its points, and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["BestRate", "grid_interval", "resampled_seeds", "vertex"]

_RESAMPLES = 400
_CENTRAL_80 = (0.1, 0.9)


@dataclass(frozen=True)
class BestRate:
    """The rate of lowest mean loss on a grid.

    Attributes:
        best: the rate.
        low: the lower end of its interval, of about 80 % confidence.
        high: the upper end.
    """

    best: float
    low: float
    high: float


def vertex(places: NDArray[np.float64], values: NDArray[np.float64], lowest: int) -> float:
    """The vertex of the parabola through the lowest value and its two neighbours.

    It is at most half-way to a neighbour. At an end of the grid, beside a value that is not finite,
    and where the parabola does not open upwards, it is the place of the lowest value.

    Args:
        places: the places of the values, rising.
        values: one for each place.
        lowest: the index of the lowest value.
    """
    around = slice(lowest - 1, lowest + 2)
    if not 0 < lowest < len(places) - 1 or not np.isfinite(values[around]).all():
        return float(places[lowest])
    x, y = places[around] - places[lowest], values[around] - values[lowest]
    # The parabola through (x0, y0), (0, 0), (x2, y2); x0 < 0 < x2 and neither y is negative.
    curvature = (y[2] / x[2] - y[0] / x[0]) / (x[2] - x[0])
    if not curvature > 0:
        return float(places[lowest])
    slope = (x[2] * y[0] / x[0] - x[0] * y[2] / x[2]) / (x[2] - x[0])
    return float(places[lowest] + np.clip(-slope / (2 * curvature), x[0] / 2, x[2] / 2))


def resampled_seeds(count: int) -> NDArray[np.int64]:
    """Draws of `count` seeds with replacement for a bootstrap, shape (draws, count), each once."""
    draws = np.random.default_rng(0).integers(count, size=(_RESAMPLES, count))
    return np.unique(draws, axis=0)


def grid_interval(
    lowest: float,
    resampled: Sequence[float] | NDArray[np.float64],
    places: NDArray[np.float64],
) -> tuple[float, float]:
    """The interval of about 80 % confidence of the lowest place of a grid.

    It is that of the resampled lowest places (a bootstrap), but at least half a step of the grid
    wide on either side, because the grid resolves no less.

    Args:
        lowest: the lowest place.
        resampled: the lowest place for each draw of `resampled_seeds`.
        places: the grid, rising.
    """
    low, high = np.quantile(resampled, _CENTRAL_80)
    half = 0.5 * float(np.diff(places).max()) if len(places) > 1 else 0.0
    return float(min(low, lowest - half)), float(max(high, lowest + half))
