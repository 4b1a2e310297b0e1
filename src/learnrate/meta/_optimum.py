"""The best pair of rates of a grid that was tried with several seeds. Pure arithmetic."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["BestPoint", "BestRate", "best_point"]

_RESAMPLES = 400
_CENTRAL = (0.1, 0.9)


@dataclass(frozen=True)
class BestRate:
    """A rate with about an 80 % interval."""

    best: float
    low: float
    high: float


@dataclass(frozen=True)
class BestPoint:
    """The pair of rates of lowest mean loss.

    Attributes:
        inner_lr: of meta-training.
        adapt_lr: of adaptation.
        loss: the lowest mean loss of the grid.
        error: its standard error over seeds; NaN of one seed.
    """

    inner_lr: BestRate
    adapt_lr: BestRate
    loss: float
    error: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, without NaN."""
        made = asdict(self)
        made["error"] = self.error if np.isfinite(self.error) else None
        return made


def best_point(inner: np.ndarray, adapt: np.ndarray, losses: np.ndarray) -> BestPoint | None:
    """The pair of lowest mean loss, refined by a parabola along each axis.

    The interval of each rate is that of the same answer over resampled seeds (a bootstrap), widened
    to half a step of the grid on either side, which no number of seeds can see below. Pairs that
    any seed diverged at are no candidates.

    Args:
        inner: increasing, shape (i,).
        adapt: increasing, shape (a,).
        losses: shape (i, a, seeds), infinite where not finished.

    Examples:
        >>> inner, adapt = np.linspace(-1, 1, 9), np.linspace(0, 1, 5)
        >>> bowl = (inner[:, None] + 0.4) ** 2 + (adapt[None] - 0.55) ** 2
        >>> found = best_point(inner, adapt, bowl[:, :, None] + np.zeros(3))
        >>> round(found.inner_lr.best, 3), round(found.adapt_lr.best, 3)
        (-0.4, 0.55)
    """
    mean = losses.mean(axis=2)
    if not np.isfinite(mean).any():
        return None
    seeds = losses.shape[2]
    at = np.unravel_index(int(np.argmin(mean)), mean.shape)
    own = losses[at]
    draws = np.unique(np.random.default_rng(0).integers(seeds, size=(_RESAMPLES, seeds)), axis=0)
    found = np.array([_lowest(inner, adapt, losses[:, :, draw].mean(axis=2)) for draw in draws])
    best = _lowest(inner, adapt, mean)
    return BestPoint(
        _interval(best[0], found[:, 0], inner),
        _interval(best[1], found[:, 1], adapt),
        float(mean[at]),
        float(own.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else float("nan"),
    )


def _interval(best: float, resampled: np.ndarray, rates: np.ndarray) -> BestRate:
    low, high = np.quantile(resampled, _CENTRAL)
    half = 0.5 * float(np.diff(rates).max()) if len(rates) > 1 else 0.0
    return BestRate(best, float(min(low, best - half)), float(max(high, best + half)))


def _lowest(inner: np.ndarray, adapt: np.ndarray, mean: np.ndarray) -> tuple[float, float]:
    i, a = np.unravel_index(int(np.argmin(mean)), mean.shape)
    return _vertex(inner, mean[:, a], int(i)), _vertex(adapt, mean[i], int(a))


def _vertex(rates: np.ndarray, values: np.ndarray, at: int) -> float:
    around = slice(at - 1, at + 2)
    if not 0 < at < len(rates) - 1 or not np.isfinite(values[around]).all():
        return float(rates[at])
    x, y = rates[around] - rates[at], values[around] - values[at]
    curvature = (y[2] / x[2] - y[0] / x[0]) / (x[2] - x[0])
    if not curvature > 0:
        return float(rates[at])
    slope = (x[2] * y[0] / x[0] - x[0] * y[2] / x[2]) / (x[2] - x[0])
    return float(rates[at] + np.clip(-slope / (2 * curvature), x[0] / 2, x[2] / 2))
