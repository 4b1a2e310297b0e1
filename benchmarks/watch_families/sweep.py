"""The best rate of a setup, by a sweep: half decades, then quarters beside the best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.schedules import schedule

from .optimizers import CENTRES
from .rates import USUAL
from .training import metric_after

if TYPE_CHECKING:
    from .specs import Setup

__all__ = ["Truth", "cost_of", "sweep"]

_HALF_DECADES = range(-2, 3)
_FARTHER = 5  # half decades that the sweep is extended by while its edge is the best


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a sweep knows of a setup.

    Attributes:
        metrics: the progress at the end by rate, a value a seed; inf where the run diverged.
        start: the progress before training.
        norm: the 90th percentile of gradient norms at the best rate.
        zero: whether the best imaginable progress is 0.
    """

    metrics: dict[float, list[float]]
    start: float
    norm: float
    zero: bool

    @property
    def best_rate(self) -> float:
        """The rate with the lowest mean progress."""
        return min(self.metrics, key=lambda rate: _mean(self.metrics[rate]))

    @property
    def best(self) -> float:
        """The lowest mean progress of a rate."""
        return _mean(self.metrics[self.best_rate])

    @property
    def noise(self) -> float:
        """The standard deviation of the progress between seeds, about the best rates."""
        spreads = [
            np.std(values, ddof=1)
            for values in self.metrics.values()
            if len(values) > 1 and np.isfinite(values).all()
        ]
        return float(np.sqrt(np.mean(np.square(spreads)))) if spreads else 0.0

    def at_factor(self, factor: float) -> float:
        """The progress at a factor of the best rate, between the rates of the sweep."""
        rates = sorted(self.metrics)
        values = [_mean(self.metrics[rate]) for rate in rates]
        place = np.interp(
            math.log(factor * self.best_rate), np.log(rates), range(len(rates))
        ).item()
        neighbours = values[math.floor(place)], values[math.ceil(place)]
        share = place - math.floor(place)
        if share == 0:
            return neighbours[0]
        if not all(map(math.isfinite, neighbours)):
            return math.inf
        return (1 - share) * neighbours[0] + share * neighbours[1]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        metrics = {
            f"{rate:.6g}": [f"{value:.6g}" for value in values]
            for rate, values in sorted(self.metrics.items())
        }
        return {"metrics": metrics, "start": self.start, "norm": self.norm, "zero": self.zero}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Truth:
        """From JSON values."""
        metrics = {
            float(rate): [float(value) for value in values]
            for rate, values in content["metrics"].items()
        }
        return cls(**content | {"metrics": metrics})


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def cost_of(truth: Truth, metric: float) -> float:
    """How much worse the progress of a run is than the best.

    The excess over the best as a share of the best where the best imaginable is 0, and otherwise as
    a share of the fall from before training to the best; 0 within twice the noise between seeds.
    """
    excess = metric - truth.best
    if excess <= 2 * truth.noise:
        return 0.0
    return excess / (abs(truth.best) if truth.zero else max(truth.start - truth.best, 1e-12))


def sweep(setup: Setup) -> Truth:
    """Train a setup at many rates."""
    centre = CENTRES[setup.optimizer]
    shape = schedule(USUAL).over(setup.task.steps).table()
    metrics: dict[float, list[float]] = {}
    norms: dict[float, float] = {}
    starts = []

    def measure(exponent: float, seed: int) -> None:
        rate = float(f"{centre * 10**exponent:.6g}")
        start, metric, norm = metric_after(setup, rate * shape, seed)
        metrics.setdefault(rate, []).append(min(metric, 1e30) if metric < 1e30 else math.inf)
        starts.append(start)
        norms.setdefault(rate, norm)

    def best_exponent() -> float:
        best = min(metrics, key=lambda rate: _mean(metrics[rate]))
        return math.log10(best / centre)

    low, high = _HALF_DECADES[0] / 2, _HALF_DECADES[-1] / 2
    for half_decades in _HALF_DECADES:
        measure(half_decades / 2, 0)
    for _ in range(_FARTHER):
        if best_exponent() < low + 0.25:
            low -= 0.5
            measure(low, 0)
        elif best_exponent() > high - 0.25:
            high += 0.5
            measure(high, 0)
    middle = best_exponent()
    for offset in (-0.25, 0.25):
        measure(middle + offset, 0)
    finest = best_exponent()
    measure(round(4 * finest) / 4, 1)
    zero = setup.task.make(0, True).zero
    truth = Truth(metrics=metrics, start=float(np.mean(starts)), norm=1.0, zero=zero)
    return Truth(metrics=metrics, start=truth.start, norm=norms[truth.best_rate], zero=zero)
