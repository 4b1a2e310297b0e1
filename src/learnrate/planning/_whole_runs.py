"""The best rate of whole runs, from whole runs at several rates and seeds. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from learnrate._statistics import normal_quantile
from learnrate.planning._next_rate import SPACING

if TYPE_CHECKING:
    from learnrate.planning._loss_scale import TrialLoss

__all__ = ["WholeRuns"]

_WINDOW = 0.6 * math.log(10.0)  # around the lowest loss, in which a parabola is fitted
_HIGHEST = 0.3  # log loss above the lowest, beyond which a rate lies on a cliff
_MISFIT = 0.3  # of a parabola, as a share of the log loss above the lowest
_DRAWS = 400
_QUANTILES = (0.1, 0.5, 0.9)
_FLAT = 0.001  # log losses this close count as equal
_RESOLVED = 1 / 2  # share of the gap beside the best rate that the interval contains at least
_BETWEEN = 0.1  # error of the parabola between rates, as a share of the rise to the neighbours


@dataclass(frozen=True)
class WholeRuns:
    """Mean losses of whole runs at several rates, and the best rate that follows.

    Seeds of noise are added to the means many times, and a weighted parabola in the log of the rate
    is fitted each time. The places of its lowest point are draws of the best rate.

    Args:
        losses: the mean log loss at each rate; infinite where a run diverged.
        noise: the standard deviation of one run's log loss.
    """

    losses: tuple[TrialLoss, ...]
    noise: float

    @cached_property
    def _near(self) -> list[TrialLoss]:
        """The rates around the lowest loss that do not lie on a cliff; three at least, if any."""
        finite = [loss for loss in self.losses if math.isfinite(loss.log_loss)]
        lowest = min(finite, key=lambda loss: loss.log_loss)
        near = [
            loss
            for loss in finite
            if abs(loss.log_lr - lowest.log_lr) <= _WINDOW
            and loss.log_loss - lowest.log_loss <= max(_HIGHEST, self._by_chance(loss, lowest))
        ]
        if len(near) >= 4:
            return near
        by_distance = sorted(finite, key=lambda loss: abs(loss.log_lr - lowest.log_lr))
        return sorted(by_distance[:3], key=lambda loss: loss.log_lr)

    @cached_property
    def _parabolas(self) -> tuple[np.ndarray, np.ndarray]:
        """The log rate of the lowest point, and the curvature, of each draw."""
        log_lr = np.array([loss.log_lr for loss in self._near])
        mean = np.array([loss.log_loss for loss in self._near])
        count = np.array([loss.count for loss in self._near])
        errors = self.noise / np.sqrt(count)
        random = np.random.default_rng(0)
        drawn = mean + errors * random.standard_normal((_DRAWS, len(mean)))
        lowest = log_lr[np.argmin(drawn, axis=1)]
        if len(mean) < 3:
            return lowest, np.full(_DRAWS, 0.1)
        scale = np.hypot(errors, _MISFIT * (mean - mean.min())) + 1e-9
        centre = float(log_lr.mean())
        x = log_lr - centre
        design = np.stack([np.ones_like(x), x, x * x], axis=1) / scale[:, None]
        fitted = np.linalg.lstsq(design, (drawn / scale).T, rcond=None)[0]
        slope, curvature = fitted[1], 2 * fitted[2]
        bowl = curvature > 1e-6
        vertex = np.where(bowl, centre - slope / np.where(bowl, curvature, 1.0), lowest)
        vertex = np.clip(vertex, log_lr.min(), log_lr.max())
        usual = float(np.median(curvature[bowl])) if bowl.any() else 0.1
        return vertex, np.where(bowl, curvature, usual)

    @cached_property
    def log_best(self) -> tuple[float, float, float]:
        """The log of the best rate: the lower end, the median and the upper end of 80 %."""
        low, median, high = np.quantile(self._parabolas[0], _QUANTILES)
        curvature = max(float(np.median(self._parabolas[1])), 1e-3)
        flat = math.sqrt(2 * _FLAT / curvature)
        below, above = self._gaps
        lower = math.hypot(median - low, flat, _RESOLVED * below)
        higher = math.hypot(high - median, flat, _RESOLVED * above)
        lowest, highest = self._not_clearly_worse
        return (
            float(min(median - lower, lowest)),
            float(median),
            float(max(median + higher, highest)),
        )

    @property
    def _not_clearly_worse(self) -> tuple[float, float]:
        """The range of the log rates whose mean loss may be above the lowest by chance (one case in ten)."""
        best = min(self.losses, key=lambda loss: loss.log_loss)
        close = [
            loss.log_lr
            for loss in self.losses
            if loss.log_loss - best.log_loss <= self._by_chance(loss, best)
        ]
        return min(close), max(close)

    def _by_chance(self, loss: TrialLoss, best: TrialLoss) -> float:
        """The difference of two means of equal expected log loss that is exceeded in one case of ten."""
        return normal_quantile(0.1) * self.noise * math.sqrt(1 / loss.count + 1 / best.count)

    @property
    def _gaps(self) -> tuple[float, float]:
        """The distances of the log rates tried next to the lowest loss, below it and above it."""
        tried = sorted(loss.log_lr for loss in self.losses)
        best = min(self.losses, key=lambda loss: loss.log_loss).log_lr
        below = best - max((log_lr for log_lr in tried if log_lr < best), default=best - SPACING)
        above = min((log_lr for log_lr in tried if log_lr > best), default=best + SPACING) - best
        return below, above

    @cached_property
    def _rise(self) -> float:
        """How much higher the neighbours of the lowest log loss end, in the mean."""
        near = self._near
        place = min(range(len(near)), key=lambda index: near[index].log_loss)
        neighbours = near[max(0, place - 1) : place] + near[place + 1 : place + 2]
        rises = [loss.log_loss - near[place].log_loss for loss in neighbours]
        return min(_HIGHEST, float(np.mean(rises))) if rises else _HIGHEST

    @property
    def noise_regret(self) -> float:
        """The part of the expected regret at the median that further seeds would lower."""
        return self._regret_of_draws(self.log_best[1])

    def expected_regret(self, log_lr: float) -> float:
        """How far above the lowest log loss a run at a rate is expected to end."""
        return self._regret_of_draws(log_lr) + _BETWEEN * self._rise

    def _regret_of_draws(self, log_lr: float) -> float:
        vertex, curvature = self._parabolas
        return float((0.5 * curvature * (log_lr - vertex) ** 2).mean())
