"""The best rate of a grid of trials with several seeds for each rate. Pure arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._parabola import BestRate, grid_interval, resampled_seeds, vertex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from learnrate.trials import Curve

__all__ = ["best_rate", "mean_losses", "no_best_advice"]


def best_rate(lrs: np.ndarray, losses: np.ndarray) -> BestRate | None:
    """The best rate with its interval; None if no trial finished.

    The best rate is where the mean loss over seeds is lowest, refined by a parabola in the log rate
    through it and its two neighbours, if both finished. The interval is that of the best rate over
    resampled seeds (a bootstrap), but at least half a grid step wide on either side, because the
    grid resolves no less. A rate at which a seed diverged or failed is not a candidate, as long as
    there is another.

    Args:
        lrs: the rates, increasing, shape (rates,).
        losses: the losses of each rate and seed, shape (rates, seeds); infinite unless finished.

    Examples:
        >>> lrs = np.geomspace(1e-3, 1e1, 9)
        >>> losses = (np.log10(lrs) + 1.1)[:, None] ** 2 + np.zeros((1, 3))
        >>> estimate = best_rate(lrs, losses)
        >>> round(estimate.best, 4), round(estimate.low, 3), round(estimate.high, 3)
        (0.0794, 0.045, 0.141)
    """
    if not np.isfinite(losses).any():
        return None
    logs = np.log(lrs)
    best = _lowest(logs, mean_losses(losses))
    draws = resampled_seeds(losses.shape[1])
    resampled = [_lowest(logs, mean_losses(losses[:, draw])) for draw in draws]
    ends = grid_interval(best, resampled, logs)
    return BestRate(*(float(np.exp(log_rate)) for log_rate in (best, *ends)))


def mean_losses(losses: np.ndarray) -> np.ndarray:
    """The mean over seeds; over those that finished, if no rate finished with all seeds."""
    mean = losses.mean(axis=1)
    if np.isfinite(mean).any():
        return np.asarray(mean)
    finished = np.isfinite(losses)
    counts = finished.sum(axis=1)
    sums = np.where(finished, losses, 0.0).sum(axis=1)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.inf))


def _lowest(logs: np.ndarray, mean: np.ndarray) -> float:
    return vertex(logs, mean, int(np.argmin(mean)))


def no_best_advice(curves: Iterable[Curve]) -> str:
    """Why none of the trials gives a best rate, and what to do."""
    notes = (curve.note for curve in curves if curve.note)
    return next(notes, "no trial finished: try lower rates, or look at the errors.")
