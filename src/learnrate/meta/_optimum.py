"""The best pair of rates of a grid that was run with several seeds. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from learnrate._parabola import BestRate, grid_interval, resampled_seeds, vertex
from learnrate._records import to_dict

__all__ = ["BestPoint", "best_point"]


@dataclass(frozen=True)
class BestPoint:
    """The pair of rates with the lowest mean loss.

    Attributes:
        inner_lr: the rate of meta-training.
        adapt_lr: the rate of adaptation.
        loss: the lowest mean loss of the grid.
        error: its standard error over seeds; NaN for a single seed.
    """

    inner_lr: BestRate
    adapt_lr: BestRate
    loss: float
    error: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON values; None for a number that is not finite."""
        return to_dict(self)


def best_point(inner: np.ndarray, adapt: np.ndarray, losses: np.ndarray) -> BestPoint | None:
    """The pair with the lowest mean loss, refined by a parabola along each axis.

    The interval of each rate comes from resampled seeds (a bootstrap). It extends at least half a
    step of the grid to either side, because more seeds cannot resolve less. A pair at which any seed
    diverged is not a candidate.

    Args:
        inner: the rates of meta-training, increasing, shape (i,).
        adapt: the rates of adaptation, increasing, shape (a,).
        losses: shape (i, a, seeds); infinite if a trial did not finish.

    Examples:
        >>> inner, adapt = np.linspace(-1, 1, 9), np.linspace(0, 1, 5)
        >>> bowl = (inner[:, None] + 0.4) ** 2 + (adapt[None] - 0.55) ** 2
        >>> point = best_point(inner, adapt, bowl[:, :, None] + np.zeros(3))
        >>> round(point.inner_lr.best, 3), round(point.adapt_lr.best, 3)
        (-0.4, 0.55)
    """
    mean = losses.mean(axis=2)
    if not np.isfinite(mean).any():
        return None
    seeds = losses.shape[2]
    lowest = np.unravel_index(int(np.argmin(mean)), mean.shape)
    seed_losses = losses[lowest]
    resampled = np.array(
        [_lowest(inner, adapt, losses[:, :, draw].mean(axis=2)) for draw in resampled_seeds(seeds)]
    )
    best = _lowest(inner, adapt, mean)
    return BestPoint(
        BestRate(best[0], *grid_interval(best[0], resampled[:, 0], inner)),
        BestRate(best[1], *grid_interval(best[1], resampled[:, 1], adapt)),
        float(mean[lowest]),
        float(seed_losses.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else float("nan"),
    )


def _lowest(inner: np.ndarray, adapt: np.ndarray, mean: np.ndarray) -> tuple[float, float]:
    i, a = np.unravel_index(int(np.argmin(mean)), mean.shape)
    return vertex(inner, mean[:, a], int(i)), vertex(adapt, mean[i], int(a))
