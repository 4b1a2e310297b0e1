"""The best rate of a cell and the loss there, from a smooth fit through the truth's table.

The lowest of twenty noisy means is low partly by chance. A parabola in log rate through the mean log
losses within half a decade of it also uses the neighbours, which removes most of that bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Best", "best_of"]

_WINDOW = 0.5 * math.log(10) * 1.001
_HIGHEST = 0.2  # in log loss above the lowest mean: higher means lie on a cliff
_MISFIT = 0.3  # share of a log loss above the lowest that may be misfit of the parabola


@dataclass(frozen=True)
class Best:
    """The best rate of a cell.

    Attributes:
        rate: the best rate.
        low: the lowest rate whose fitted loss is within a standard error of the best one's.
        high: the highest such rate.
        loss: the loss of each seed at the best rate.
        error: the standard error of the best loss, as a share of it.
        noise: the standard deviation of one run's loss, as a share, without the level of its seed.
        log_lr: the logarithms of the rates tried.
        log_loss: the mean log loss at each rate; NaN if a run diverged.
    """

    rate: float
    low: float
    high: float
    loss: dict[int, float]
    error: float
    noise: float
    log_lr: np.ndarray
    log_loss: np.ndarray

    def excess(self, runs: dict[int, float]) -> tuple[float, float]:
        """The mean loss of runs over the best loss of the same seeds, less 1; and its standard error.

        Infinite if a run diverged.
        """
        losses = np.array([*runs.values()])
        if not np.isfinite(losses).all():
            return math.inf, 0.0
        ratio = float(losses.mean()) / float(np.mean([self.loss[seed] for seed in runs]))
        return ratio - 1, ratio * math.hypot(self.noise / math.sqrt(len(losses)), self.error)

    def cannot_exclude(self, low: float, high: float) -> bool:
        """Whether an interval has a rate that the truth cannot tell from the best one.

        Such rates end within a standard error of the best loss, or lie within half a step of the grid.
        """
        half_step = float(np.median(np.diff(self.log_lr))) / 2
        least = min(self.low, self.rate * math.exp(-half_step))
        most = max(self.high, self.rate * math.exp(half_step))
        return low <= most and high >= least

    def expected(self, rate: float) -> float | None:
        """The excess at a rate, interpolated in the truth without a run; None outside its grid.

        The interpolation is linear in the logarithms. The excess is infinite next to a rate that
        diverged.
        """
        log_lr = math.log(rate)
        if not self.log_lr[0] <= log_lr <= self.log_lr[-1]:
            return None
        log_losses = np.where(np.isnan(self.log_loss), np.inf, self.log_loss)
        log_loss = np.interp(log_lr, self.log_lr, log_losses)
        if not np.isfinite(log_loss):
            return math.inf
        return float(np.exp(log_loss - np.mean(np.log([*self.loss.values()])))) - 1


def best_of(table: dict[str, Any]) -> Best:
    """The best rate of a table of final losses, rates by seeds.

    Raises:
        ValueError: no rate finished with every seed.
    """
    log_lr = np.log(table["lr"])
    losses = np.array(
        [[math.nan if loss is None else loss for loss in row] for row in table["loss"]]
    )
    logs = np.log(losses)
    means = logs.mean(axis=1)  # NaN if any seed diverged
    if np.isnan(means).all():
        raise ValueError("no rate finished with every seed")
    lowest = int(np.nanargmin(means))
    window = abs(log_lr - log_lr[lowest]) <= _WINDOW
    near = window & (np.nan_to_num(means - means[lowest], nan=math.inf) <= _HIGHEST)
    levels = logs[near] - means[near, None]  # the level of each seed, and noise
    seed_level = levels.mean(axis=0)
    above = means[near] - means[lowest]
    noise = _noise(levels - seed_level, above)
    errors = np.hypot(noise / math.sqrt(logs.shape[1]), _MISFIT * above) + 1e-9
    vertex, log_loss, error, reach = _vertex(log_lr[near] - log_lr[lowest], means[near], errors)
    return Best(
        rate=math.exp(log_lr[lowest] + vertex),
        low=math.exp(log_lr[lowest] + vertex - reach),
        high=math.exp(log_lr[lowest] + vertex + reach),
        loss=dict(zip(table["seeds"], np.exp(log_loss + seed_level).tolist(), strict=True)),
        error=error,
        noise=noise,
        log_lr=log_lr,
        log_loss=means,
    )


def _noise(residuals: np.ndarray, above: np.ndarray) -> float:
    """The standard deviation of residuals of shape (rates, seeds), at the better half of the rates.

    The others are closer to a cliff, where runs differ more.
    """
    rates, seeds = residuals.shape
    better = residuals[np.argsort(above)[: max(3, (rates + 1) // 2)]]
    freedom = better.size * (1 - 1 / rates) * (1 - 1 / seeds)  # the levels were subtracted
    return math.sqrt((better**2).sum() / max(1.0, freedom))


def _vertex(x: np.ndarray, y: np.ndarray, errors: np.ndarray) -> tuple[float, float, float, float]:
    """The lowest point of a weighted parabola, the value there, its standard error, and a reach.

    Within the reach, to either side, the parabola rises by less than the error. If the parabola has
    no minimum, or there are too few points for one, the lowest measured point is used instead.
    """
    design = np.stack([np.ones_like(x), x, x * x], axis=1) / errors[:, None]
    lowest = int(np.argmin(y))
    if len(x) < 4:
        return float(x[lowest]), float(y[lowest]), float(errors[lowest]), 0.0
    level, slope, curvature = np.linalg.lstsq(design, y / errors, rcond=None)[0]
    if curvature <= 0:
        return float(x[lowest]), float(y[lowest]), float(errors[lowest]), 0.0
    vertex = float(np.clip(-slope / (2 * curvature), x[0], x[-1]))
    powers = np.array([1.0, vertex, vertex * vertex])
    error = math.sqrt(powers @ np.linalg.inv(design.T @ design) @ powers)
    value = level + slope * vertex + curvature * vertex**2
    return vertex, float(value), error, math.sqrt(error / curvature)
