r"""The best rates of a whole run, given trials with several rates. Pure arithmetic.

The model is that of one rate (`_surface`), a term for each: the final log loss of a trial of $h$
updates at rates $\eta_i$ is

$$H = c_h + K_h\sum_k w_k\,\ell_a\big(d_k \cdot z\big), \qquad z_i = \ln\eta_i - \mu_{h,i}$$

with the linex loss $\ell_a$ of one rate, once along each of several directions $d_k$: each rate by
itself, and for each two rates their mean (one may make up for the other) and their ratio in both
directions (as between a generator and a discriminator). The shares $w_k$ sum to 1 and say how much each
direction matters. Level, depth, cliff, noise, the drift with the horizon and the prior of the range
tests are those of one rate, with the same constants.

There are too many unknowns for a grid. So the posterior is a cloud of points, which is moved from the
prior to the posterior by sequential Monte Carlo (`_sequential`) with random numbers of a fixed seed:
the same trials give the same answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._drift import (
    DRIFT,
    DRIFT_CHANGE_STD,
    DRIFT_OVERFITTING,
)
from learnrate.planning._loss_scale import compress, linex
from learnrate.planning._rung_likelihood import (
    GRID_STEP,
    MISFIT,
    PRIOR_FREEDOM,
    finite_log_losses,
    log_normal,
    log_student,
)
from learnrate.planning._sequential import posterior_points
from learnrate.planning._surface import (
    DEPTH_OF_SLOPE,
    FLATTENING,
    INFORMATIVE_FALL,
    LEAST_SLOPE,
    LINE_STD,
    NOISE_OF_SLOPE,
    USUAL_SLOPE,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RatesLoss", "RatesPosterior"]

_CLIFF = (1.2, 0.5)  # median, and the standard deviation of its log, as for one rate
_NOISE_FREEDOM = 4.0
# Mean and standard deviation of the log of a share, before the shares are scaled to sum to 1.
_SHARE = (0.0, 1.5)
_SHARE_OF_PAIR = (-2.0, 1.5)  # the same, along the mean and the ratio of two rates
_POINTS = 768
_BEYOND = (
    3.0,
    2.0,
)  # log distance of best rates below and above those tried and expected, at most


@dataclass(frozen=True)
class RatesLoss:
    """The final loss of one trial with several rates.

    Attributes:
        steps: the trial's length in updates.
        log_lrs: the natural logs of its rates.
        log_loss: its final loss on the task's `LossScale`; infinite if it diverged.
    """

    steps: int
    log_lrs: tuple[float, ...]
    log_loss: float


@dataclass(frozen=True)
class RatesPosterior:
    """The posterior over the best rates, given the losses of trials; without any, the prior.

    Args:
        losses: the losses of trials of any lengths.
        total_steps: the length of the whole run, in updates.
        expected: the logs of the best rates of the longest trials, according to range tests.
        expected_stds: the standard deviation of each.
        start: the log loss before training.
        overfitting: the probability that overfitting limits the best rates of the longest trials.
    """

    losses: tuple[RatesLoss, ...]
    total_steps: int
    expected: tuple[float, ...]
    expected_stds: tuple[float, ...]
    start: float = math.inf
    overfitting: float = 0.0

    @cached_property
    def _rungs(self) -> dict[int, list[RatesLoss]]:
        """The trials of each length that count: those that have learned enough, longest first."""
        rungs: dict[int, list[RatesLoss]] = {}
        for loss in self.losses:
            rungs.setdefault(loss.steps, []).append(loss)
        lowest = {steps: min(x.log_loss for x in rung) for steps, rung in rungs.items()}
        longest = max(rungs, default=0)
        least = max(LEAST_SLOPE, INFORMATIVE_FALL * (self.start - lowest.get(longest, math.inf)))
        return {
            steps: rungs[steps]
            for steps in sorted(rungs, reverse=True)
            if steps == longest or self.start - lowest[steps] >= least
        }

    @property
    def longest(self) -> int:
        """The length of the longest trials; of the whole run if there are none."""
        return max(self._rungs, default=self.total_steps)

    @cached_property
    def slope(self) -> float | None:
        """How much the lowest log loss falls per e-fold of horizon; None if one length finished."""
        lowest = {steps: min(x.log_loss for x in rung) for steps, rung in self._rungs.items()}
        finished = sorted(steps for steps, log_loss in lowest.items() if math.isfinite(log_loss))
        if len(finished) < 2:
            return None
        fall = lowest[finished[0]] - lowest[finished[-1]]
        return max(LEAST_SLOPE, fall / math.log(finished[-1] / finished[0]))

    @property
    def learned(self) -> float:
        """The progress of the longest trials, as a share of that expected of the whole run."""
        lowest = min((x.log_loss for x in self._rungs.get(self.longest, ())), default=self.start)
        slope = USUAL_SLOPE if self.slope is None else self.slope
        progress = max(0.0, (self.start - lowest) / slope) if math.isfinite(lowest) else 0.0
        left = math.log(max(1.0, self.total_steps / self.longest))
        return progress / (progress + left) if left else 1.0

    @property
    def count(self) -> int:
        """The number of rates planned together, 2 or 3."""
        return len(self.expected)

    @cached_property
    def points(self) -> _Points:
        """The posterior, as points of equal weight."""
        return _sampled(self)

    def log_optima(self, steps: int) -> np.ndarray:
        """The logs of the best rates of runs of a length, shape (points, rates)."""
        points, longest = self.points, self.longest
        if steps == longest:
            return points.optima
        if steps in self._rungs:
            return np.asarray(points.optima + points.shifts(steps, self))
        change = math.log(steps / longest)
        std = LINE_STD[0] if change < 0 else math.hypot(LINE_STD[0], DRIFT_CHANGE_STD * change)
        random = np.random.default_rng(1).standard_normal(points.optima.shape)
        return np.asarray(points.optima + points.drift[:, None] * change + std * random)

    def _depth_factor(self, steps: int) -> float:
        """The depth of a length divided by the depth of the longest trials: longer runs are less sensitive."""
        return float((self.longest / steps) ** FLATTENING)

    def costs(self, log_lrs: np.ndarray, steps: int) -> np.ndarray:
        """How far above the lowest log loss runs end, for each point.

        Args:
            log_lrs: the logs of rates, shape (places, rates).
            steps: the length of the runs.

        Returns:
            Shape (places, points).
        """
        points, factor = self.points, self._depth_factor(steps)
        optima = self.log_optima(steps)
        return np.stack(
            [compress(factor * points.costs(place - optima)) for place in np.atleast_2d(log_lrs)]
        )

    def expected_excess(self, log_lrs: np.ndarray, steps: int) -> np.ndarray:
        """The mean of `costs` over the points, shape (places,)."""
        return np.asarray(self.costs(log_lrs, steps).mean(axis=1))

    @cached_property
    def shares(self) -> np.ndarray:
        """How much each rate matters near the best ones: the mean shares, summing to 1."""
        return np.asarray(self.points.shares.mean(axis=0))

    @property
    def noise(self) -> float:
        """The expected standard deviation of a trial's log loss."""
        return float(np.exp(self.points.log_noise).mean())

    @property
    def drift(self) -> float:
        """The expected drift of the log best rates per e-fold of horizon."""
        return float(self.points.drift.mean())


class _Points:
    """Points of the space of unknowns, one row each; the columns are laid out here."""

    def __init__(self, rows: np.ndarray, count: int) -> None:
        self.rows, self.count = rows, count
        self._directions = _directions(count)
        ends = np.cumsum([count, len(self._directions), 1, 1, 1, 1])
        parts = np.split(rows, ends, axis=1)
        self.optima, self._logits = parts[:2]
        self._log_cliff, self.log_depth, self.log_noise, self.drift = (p[:, 0] for p in parts[2:6])
        self._deviations = parts[6]  # of the optima of shorter trials, in standard deviations

    @cached_property
    def _weights(self) -> np.ndarray:
        """The share of each direction, shape (points, directions)."""
        weights = np.exp(self._logits - self._logits.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    @cached_property
    def shares(self) -> np.ndarray:
        """How much each rate matters near the best ones: its share of the curvature, (points, rates)."""
        curvature = self._weights @ self._directions**2
        return np.asarray(curvature / curvature.sum(axis=1, keepdims=True))

    @cached_property
    def depths(self) -> np.ndarray:
        """The curvature along each rate, shape (points, rates)."""
        return np.asarray(np.exp(self.log_depth)[:, None] * (self._weights @ self._directions**2))

    def shifts(self, steps: int, posterior: RatesPosterior) -> np.ndarray:
        """How far the optima of shorter trials lie from those of the longest, (points, rates)."""
        rungs = list(posterior._rungs)  # noqa: SLF001 - of this module
        number = rungs.index(steps) - 1
        fewer = math.log(posterior.longest / steps)
        std = LINE_STD[0] + LINE_STD[1] * fewer
        deviations = self._deviations[:, number * self.count : (number + 1) * self.count]
        return np.asarray(std * deviations - self.drift[:, None] * fewer)

    def costs(self, distance: np.ndarray) -> np.ndarray:
        """The cost of places at a distance from the optima, of trials of the longest length.

        Args:
            distance: the distance in logs, shape (..., points, rates).

        Returns:
            Shape (..., points).
        """
        cliff = np.exp(self._log_cliff)[:, None]
        cost = (self._weights * linex(distance @ self._directions.T, cliff)).sum(axis=-1)
        return np.asarray(np.exp(self.log_depth) * cost)


@cache
def _directions(count: int) -> np.ndarray:
    """Each rate alone, then of each two rates their mean and their ratio in both directions."""
    rows = [*np.eye(count)]
    for first, second in combinations(np.eye(count), 2):
        rows += [(first + second) / 2, first - second, second - first]
    return np.array(rows)


class _Target:
    """The log prior and the log likelihood of points, given the trials of a posterior."""

    def __init__(self, posterior: RatesPosterior) -> None:
        self._posterior = posterior
        self._count = count = posterior.count
        slope = USUAL_SLOPE if posterior.slope is None else posterior.slope
        shorter = max(0, len(posterior._rungs) - 1)  # noqa: SLF001 - of this module
        pairs = len(_directions(count)) - count
        shares = [_SHARE] * count + [_SHARE_OF_PAIR] * pairs
        columns = [
            *zip(posterior.expected, posterior.expected_stds, strict=True),
            *shares,
            (math.log(_CLIFF[0]), _CLIFF[1]),
            (math.log(DEPTH_OF_SLOPE[0] * slope), DEPTH_OF_SLOPE[1]),
            (math.log(NOISE_OF_SLOPE[0] * slope), NOISE_OF_SLOPE[1]),
            (0.0, 1.0),  # the drift, which has a prior of its own
            *[(0.0, 1.0)] * (shorter * count),
        ]
        self._means, self._stds = np.array(columns).T
        self._drift = count + len(shares) + 3
        places = np.array([posterior.expected, *(loss.log_lrs for loss in posterior.losses)])
        below, above = _BEYOND if posterior.losses else (math.inf, math.inf)
        self._lowest, self._highest = places.min(axis=0) - below, places.max(axis=0) + above
        self._rungs = [
            (
                steps,
                np.array([x.log_lrs for x in rung]),
                finite_log_losses([x.log_loss for x in rung]),
                _diverged(rung),
            )
            for steps, rung in posterior._rungs.items()  # noqa: SLF001 - of this module
        ]

    def drawn(self, random: np.random.Generator) -> np.ndarray:
        """Points of the prior."""
        rows = random.standard_normal((_POINTS, len(self._means)))
        chi = random.chisquare(PRIOR_FREEDOM, (_POINTS, self._count + 1)) / PRIOR_FREEDOM
        rows[:, : self._count] /= np.sqrt(chi[:, :-1])
        rows = self._means + self._stds * rows
        overfitted = random.random(_POINTS) < self._posterior.overfitting
        mean, std = np.where(overfitted[:, None], DRIFT_OVERFITTING, DRIFT).T
        normal = random.standard_normal(_POINTS) / np.sqrt(chi[:, -1])
        rows[:, self._drift] = mean + std * normal
        near = np.flatnonzero(self._is_near(rows))
        return np.asarray(rows[near[np.arange(_POINTS) % len(near)]])

    def _is_near(self, rows: np.ndarray) -> np.ndarray:
        """Whether the optima lie near the rates that were tried or expected."""
        optima = rows[:, : self._count]
        return np.asarray(np.all((optima > self._lowest) & (optima < self._highest), axis=1))

    def log_prior(self, rows: np.ndarray) -> np.ndarray:
        """Up to a constant."""
        squares = ((rows - self._means) / self._stds) ** 2
        total = log_student(squares[:, : self._count], PRIOR_FREEDOM).sum(axis=1)
        squares[:, self._drift] = 0.0
        total = total - 0.5 * squares[:, self._count :].sum(axis=1)
        drift, share = rows[:, self._drift], self._posterior.overfitting
        densities = [
            np.exp(log_student(((drift - mean) / std) ** 2, PRIOR_FREEDOM)) / std
            for mean, std in (DRIFT, DRIFT_OVERFITTING)
        ]
        total = total + np.log((1 - share) * densities[0] + share * densities[1])
        return np.asarray(np.where(self._is_near(rows), total, -np.inf))

    def log_likelihood(self, rows: np.ndarray) -> np.ndarray:
        """Of the losses; the level of each length is fitted, as for one rate."""
        points = _Points(rows, self._count)
        total = np.zeros(len(rows))
        for steps, tried, measured, diverged in self._rungs:
            optima, factor = points.optima, 1.0
            if steps != self._posterior.longest:
                optima = optima + points.shifts(steps, self._posterior)
                factor = (self._posterior.longest / steps) ** FLATTENING
            modelled = compress(factor * points.costs(tried[:, None, :] - optima)).T
            noise = np.exp(points.log_noise)[:, None]
            variance = noise**2 + (MISFIT * (measured - measured.min())) ** 2
            precision = 1.0 / variance
            level = (precision * (measured - modelled)).sum(-1) / precision.sum(-1)
            squares = precision * (measured - modelled - level[:, None]) ** 2
            density = log_student(squares, _NOISE_FREEDOM) - 0.5 * np.log(variance)
            total += density.sum(-1) + _below_divergence(optima, diverged)
        return total


def _diverged(rung: Sequence[RatesLoss]) -> np.ndarray:
    return np.array([x.log_lrs for x in rung if math.isinf(x.log_loss)])


def _below_divergence(optima: np.ndarray, diverged: np.ndarray) -> np.ndarray:
    """The log probability of optima, given that none is at or above a diverged trial in every rate."""
    if not len(diverged):
        return np.zeros(len(optima))
    above = np.maximum(0.0, (optima[:, None, :] - diverged).min(axis=2)).max(axis=1)
    return log_normal(above, 0.0, GRID_STEP)


def _sampled(posterior: RatesPosterior) -> _Points:
    """The points of the prior, moved to the posterior given the trials."""
    target, random = _Target(posterior), np.random.default_rng(0)
    rows = target.drawn(random)
    if posterior.losses:
        rows = posterior_points(rows, target.log_prior, target.log_likelihood, random)
    return _Points(rows, posterior.count)
