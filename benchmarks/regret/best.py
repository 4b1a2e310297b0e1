"""The best rate of a cell and the loss there, from a smooth fit through the truth's table.

The lowest of twenty noisy means is low partly by luck. A parabola in log rate through the mean log
losses within half a decade of it shares what the neighbours know, so little of that luck is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Best", "best_of"]

_WINDOW = 0.5 * math.log(10) * 1.001
_HIGHEST = 0.2  # above the lowest mean, in log loss: what is higher stands on a cliff
_TRUST = 0.3  # how much of a point's height above the lowest may be the parabola's own error


@dataclass(frozen=True)
class Best:
    """What is known of a cell's best rate.

    Attributes:
        rate: the best rate.
        low: the lowest rate whose fitted loss is within a standard error of the best one's.
        high: the highest such rate.
        loss: of each seed at the best rate.
        error: the standard error of the best loss, as a share of it.
        noise: the deviation of one run's loss, as a share, once the seed's own level is taken out.
        log_lr: the logarithms of the rates tried.
        log_loss: the mean log loss at each, NaN where a run diverged.
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
        """The mean loss of runs over the best loss of the same seeds, less 1; and its error.

        Infinite where a run diverged.
        """
        ran = np.array([*runs.values()])
        if not np.isfinite(ran).all():
            return math.inf, 0.0
        ratio = float(ran.mean()) / float(np.mean([self.loss[seed] for seed in runs]))
        return ratio - 1, ratio * math.hypot(self.noise / math.sqrt(len(ran)), self.error)

    def expected(self, rate: float) -> float | None:
        """The excess at a rate read off the truth, without a run; None outside its grid.

        Between two rates of the grid it is linear in the logarithms; infinite beside one that
        diverged.
        """
        at = math.log(rate)
        if not self.log_lr[0] <= at <= self.log_lr[-1]:
            return None
        height = np.interp(
            at, self.log_lr, np.where(np.isnan(self.log_loss), np.inf, self.log_loss)
        )
        if not np.isfinite(height):
            return math.inf
        return float(np.exp(height - np.mean(np.log([*self.loss.values()])))) - 1


def best_of(table: dict[str, Any]) -> Best:
    """The best rate of a table of final losses, rates by seeds.

    Raises:
        ValueError: no rate finished with every seed.
    """
    log_lr = np.log(table["lr"])
    losses = np.array([[math.nan if one is None else one for one in row] for row in table["loss"]])
    logs = np.log(losses)
    means = logs.mean(axis=1)  # NaN where any seed diverged
    if np.isnan(means).all():
        raise ValueError("no rate finished with every seed")
    lowest = int(np.nanargmin(means))
    beside = abs(log_lr - log_lr[lowest]) <= _WINDOW
    near = beside & (np.nan_to_num(means - means[lowest], nan=math.inf) <= _HIGHEST)
    levels = logs[near] - means[near, None]  # what is left is each seed's level, and noise
    seed_level = levels.mean(axis=0)
    height = means[near] - means[lowest]
    noise = _noise(levels - seed_level, height)
    spread = np.hypot(noise / math.sqrt(logs.shape[1]), _TRUST * height) + 1e-9
    place, value, error, reach = _vertex(log_lr[near] - log_lr[lowest], means[near], spread)
    return Best(
        rate=math.exp(log_lr[lowest] + place),
        low=math.exp(log_lr[lowest] + place - reach),
        high=math.exp(log_lr[lowest] + place + reach),
        loss=dict(zip(table["seeds"], np.exp(value + seed_level).tolist(), strict=True)),
        error=error,
        noise=noise,
        log_lr=log_lr,
        log_loss=means,
    )


def _noise(residuals: np.ndarray, height: np.ndarray) -> float:
    """The deviation of what is left of (rates, seeds), for the lower half of the rates.

    Higher ones stand nearer to a cliff, where runs differ more.
    """
    rates, seeds = residuals.shape
    kept = residuals[np.argsort(height)[: max(3, (rates + 1) // 2)]]
    freedom = kept.size * (1 - 1 / rates) * (1 - 1 / seeds)  # the levels were taken out
    return math.sqrt((kept**2).sum() / max(1.0, freedom))


def _vertex(x: np.ndarray, y: np.ndarray, spread: np.ndarray) -> tuple[float, float, float, float]:
    """The lowest point of a weighted parabola, the value there, its error, and a reach.

    Within the reach, to either side, the parabola rises by less than the error. Where it is no
    valley, or there are too few points for one, the lowest point measured stands in.
    """
    design = np.stack([np.ones_like(x), x, x * x], axis=1) / spread[:, None]
    lowest = int(np.argmin(y))
    if len(x) < 4:
        return float(x[lowest]), float(y[lowest]), float(spread[lowest]), 0.0
    level, slope, curvature = np.linalg.lstsq(design, y / spread, rcond=None)[0]
    if curvature <= 0:
        return float(x[lowest]), float(y[lowest]), float(spread[lowest]), 0.0
    place = float(np.clip(-slope / (2 * curvature), x[0], x[-1]))
    at = np.array([1.0, place, place * place])
    error = math.sqrt(at @ np.linalg.inv(design.T @ design) @ at)
    value = level + slope * place + curvature * place**2
    return place, float(value), error, math.sqrt(error / curvature)
