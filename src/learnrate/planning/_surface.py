r"""What trials at several horizons say about the best rate of a whole run. Pure arithmetic.

The final loss $L$ of an annealed trial of $h$ updates at peak rate $\eta$ is modelled as

$$\ln L = c_h + k_h\,\ell_a\big(\ln\eta - \mu - b \ln (h/T)\big), \qquad
  \ell_a(u) = (e^{a u} - a u - 1)/a^2$$

(or $L$ as a share of the improvement, where it goes below zero), with one level $c_h$ and one depth
$k_h$ a horizon, and $\mu$ the log of the best peak of the whole run of $T$ updates.
$\ell_a$ is the linex loss (Varian 1975): linear far below the optimum and a cliff above it, as
published sweeps are (a quarter of the best rate costs about 1 %, four times costs 4 % or the run:
arXiv:2503.04715, data). Beyond 0.3 above the lowest, only a height's logarithm counts, modelled and
measured alike. $b$ is how the best rate drifts with the horizon; it is estimated, and
shrunk towards what our own sweeps show, -0.26 with deviation 0.15 (DeepOBS baselines: median -0.45,
plain SGD -0.08; arXiv:2409.19913: -0.32 at a fixed batch). $\mu$ is shrunk towards where a range
test puts it.

The posterior is summed over a grid: no sampling, so the same trials give the same answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Estimate", "Observation", "Scale", "Surface", "linex"]

# Fitted to exhaustive sweeps at five horizons of the development cells of benchmarks/regret.
DRIFT_PRIOR = (-0.26, 0.15)
_EXPECTED_SPREAD = 0.8  # of the best rate around where the range test puts it: a factor 2.2
_MISFIT = 0.15  # how far the model may be off, as a share of the height above the rung's lowest
_FAR = 0.3  # heights above the lowest beyond which their logarithms count
_DRIFT_OF_DRIFT = 0.18  # how far the drift may change, per e-fold of horizon beyond the longest
_FLATTENING = 0.4  # the curvature at the optimum falls as horizon to this power
_CAUTION = 0.8  # of what linex says; near the optimum, losses rise about as steeply below as above
_QUANTILE_80 = 1.638  # half-width of a central 80 % interval: of t with three degrees of freedom

_DRIFTS = np.arange(-0.9, 0.61, 0.1)
_CLIFFS = np.array([0.7, 1.0, 1.4, 2.0, 3.0])
_DEPTHS = np.geomspace(0.02, 2.0, 10)
_NOISES = np.array([0.005, 0.01, 0.02, 0.04, 0.08, 0.16])
_GRID_STEP = 0.1


@dataclass(frozen=True)
class Observation:
    """One trial: its length in updates, the log of its peak rate, the height of its final loss.

    Heights are on the `Scale` of the task; infinite for a trial that diverged.
    """

    steps: int
    log_lr: float
    height: float


@dataclass(frozen=True)
class Estimate:
    """A best rate with its central 80 % interval."""

    best: float
    low: float
    high: float


@dataclass(frozen=True)
class Scale:
    """Losses as heights: their logs, as long as the task's losses stay above zero.

    For losses that go below zero, the share of the improvement first seen, below 0.

    Args:
        start: the loss before training.
        lowest: the lowest loss first seen.
    """

    start: float
    lowest: float

    @classmethod
    def of(cls, curve: np.ndarray) -> Scale:
        """The scale of a task, from the smooth losses of a range test."""
        return cls(float(curve[0]), float(curve.min()))

    @property
    def logarithmic(self) -> bool:
        """Whether heights are logs of losses, so that their differences are relative."""
        return self.lowest > 0

    def height(self, loss: float | None) -> float:
        """The height of a loss; infinite for None, a trial that did not finish."""
        if loss is None:
            return math.inf
        if self.logarithmic:
            return math.log(max(loss, 1e-12 * self.start))
        return (loss - self.start) / (self.start - self.lowest)

    def loss(self, height: np.ndarray) -> np.ndarray:
        """The losses at heights: the inverse of `height`."""
        if self.logarithmic:
            return np.asarray(np.exp(height))
        return np.asarray(self.start + height * (self.start - self.lowest))


def linex(distance: np.ndarray, cliff: np.ndarray | float) -> np.ndarray:
    """The cost of being `distance` (log rate) from the optimum: 0 there, with curvature 1.

    Examples:
        >>> linex(np.array([-1.0, 0.0, 1.0]), 1.0).round(3).tolist()
        [0.368, 0.0, 0.718]
    """
    u = np.clip(distance, -12.0, 8.0 / cliff)  # as far as anything is told apart
    return np.asarray((np.exp(cliff * u) - cliff * u - 1.0) / np.square(cliff))


def eased(above: np.ndarray) -> np.ndarray:
    """Heights above the lowest, with their logarithm counted beyond 0.3: far off is far off.

    Examples:
        >>> eased(np.array([0.0, 0.2, 0.3, 3.0])).round(3).tolist()
        [0.0, 0.2, 0.3, 0.991]
    """
    far = _FAR * (1.0 + np.log(np.maximum(above, _FAR) / _FAR))
    return np.asarray(np.minimum(above, far))


@dataclass(frozen=True)
class _Rung:
    """What the trials of one length say: a log-likelihood over (optimum, cliff, depth, noise)."""

    optima: np.ndarray
    log_likelihood: np.ndarray

    @cached_property
    def marginal(self) -> np.ndarray:
        """Over (optimum, cliff, noise): each rung has a depth of its own, which is summed out."""
        return _log_sum_exp(self.log_likelihood + _LOG_PRIOR_DEPTH[:, None], axis=2)

    def shifted(self, optima: np.ndarray) -> np.ndarray:
        """`marginal` at other optima, which lie within its own."""
        place = (optima - self.optima[0]) / _GRID_STEP
        below = np.clip(place.astype(int), 0, len(self.optima) - 2)
        share = (place - below)[:, None, None]
        return np.asarray((1 - share) * self.marginal[below] + share * self.marginal[below + 1])

    def depth(self, optimum: float) -> float:
        """The expected depth, if the best rate of the rung is known."""
        at = int(np.clip(round((optimum - self.optima[0]) / _GRID_STEP), 0, len(self.optima) - 1))
        log_weight = self.log_likelihood[at] + _LOG_PRIOR_CLIFF[:, None, None] + _LOG_PRIOR_NOISE
        weight = np.exp(log_weight - log_weight.max()).sum(axis=(0, 2))
        weight = weight * np.exp(_LOG_PRIOR_DEPTH)
        return float((weight * _DEPTHS).sum() / weight.sum())


@dataclass(frozen=True)
class Surface:
    """The posterior over best rate, drift, cliff and noise, given `observations` of a run.

    Args:
        observations: at least one that did not diverge.
        total: the length of the whole run, in updates.
        expected: log of the rate at which the range test puts the best of the whole run.
    """

    observations: tuple[Observation, ...]
    total: int
    expected: float

    @cached_property
    def _optima(self) -> np.ndarray:
        seen = [self.expected, *(one.log_lr for one in self.observations)]
        return np.arange(min(seen) - 3.0, max(seen) + 2.0, _GRID_STEP)

    @cached_property
    def _by_steps(self) -> dict[int, list[Observation]]:
        rungs: dict[int, list[Observation]] = {}
        for one in self.observations:
            rungs.setdefault(one.steps, []).append(one)
        return rungs

    @cached_property
    def _rungs(self) -> dict[int, _Rung]:
        widest = max(map(abs, _DRIFTS)) * math.log(self.total / min(self._by_steps))
        optima = np.arange(
            self._optima[0] - widest - _GRID_STEP,
            self._optima[-1] + widest + 2 * _GRID_STEP,
            _GRID_STEP,
        )
        return {
            steps: _Rung(optima, _log_likelihood(trials, optima))
            for steps, trials in self._by_steps.items()
        }

    @cached_property
    def _weights(self) -> np.ndarray:
        """Posterior over (optimum, drift, cliff, noise), summing to 1."""
        prior = _log_normal(_DRIFTS, *DRIFT_PRIOR)[:, None, None]
        prior = prior + _LOG_PRIOR_CLIFF[:, None] + _LOG_PRIOR_NOISE
        first = _log_normal(self._optima, self.expected, _EXPECTED_SPREAD)
        log_weight = first[:, None, None, None] + prior
        for steps, rung in self._rungs.items():
            away = math.log(steps / self.total)
            for at, drift in enumerate(_DRIFTS):
                log_weight[:, at] += rung.shifted(self._optima + drift * away)
        weight = np.exp(log_weight - log_weight.max())
        return np.asarray(weight / weight.sum())

    # What the posterior says.

    @cached_property
    def drift(self) -> float:
        """The expected drift of the log best rate per e-fold of horizon."""
        return float((self._weights.sum(axis=(0, 2, 3)) * _DRIFTS).sum())

    @cached_property
    def cliff(self) -> float:
        """The expected steepness of the loss above the optimum."""
        return float((self._weights.sum(axis=(0, 1, 3)) * _CLIFFS).sum())

    @cached_property
    def noise(self) -> float:
        """The expected standard deviation of a trial's height."""
        return float((self._weights.sum(axis=(0, 1, 2)) * _NOISES).sum())

    def depth(self, steps: int) -> float:
        """The expected curvature of the height at the optimum of a horizon.

        Of one that was not tried, that of the longest trials, flattened: longer runs mind the rate
        less.
        """
        tried = steps if steps in self._rungs else max(self._rungs)
        depth = self._rungs[tried].depth(self.location(tried)[0])
        return float(depth * (tried / steps) ** _FLATTENING)

    def location(self, steps: int) -> tuple[float, float]:
        """Middle and standard deviation of the log of the best rate of a run of `steps`."""
        offset = math.log(steps / self.total)
        joint = self._weights.sum(axis=(2, 3))
        values = (self._optima[:, None] + _DRIFTS[None, :] * offset).ravel()
        order = np.argsort(values, kind="stable")
        below = np.cumsum(joint.ravel()[order])
        low, middle, high = np.interp([0.16, 0.5, 0.84], below, values[order])
        spread = math.hypot((high - low) / 2, self._beyond(steps), _GRID_STEP / 2)
        return float(middle), spread

    def _beyond(self, steps: int) -> float:
        """How uncertain the drift's own change makes the best rate beyond the longest trial."""
        longest = max(one.steps for one in self.observations)
        return _DRIFT_OF_DRIFT * max(0.0, math.log(steps / longest))

    def best(self, steps: int) -> Estimate:
        """The best peak rate of a run of `steps` updates."""
        middle, spread = self.location(steps)
        low, high = middle - _QUANTILE_80 * spread, middle + _QUANTILE_80 * spread
        return Estimate(math.exp(middle), math.exp(low), math.exp(high))

    def least_regret(self) -> float:
        r"""The peak rate of the whole run with the least expected regret.

        Under linex regret and a normal belief with mean $m$ and deviation $s$ it is
        $\exp(m - a s^2/2)$ (Zellner 1986): the less is known, the lower. Measured regret is not as
        lopsided near the optimum, so 0.8 of that shift is made, and at most 0.5, a factor 0.6.
        """
        middle, spread = self.location(self.total)
        return math.exp(middle - min(0.5, _CAUTION * self.cliff * spread**2 / 2))

    def expected_regret(self, lr: float) -> float:
        """The height that training the whole run at `lr` is expected to lose to the best rate.

        On the log scale of losses 0.05 is 5 %. Where trials hardly differ, a wide interval costs
        little; this says how much.
        """
        beyond = self._beyond(self.total)
        weight, depth = self._weights.sum(axis=(1, 3)), self.depth(self.total)
        regret = 0.0
        for shift, share in ((-1.2247 * beyond, 0.3), (0.0, 0.4), (1.2247 * beyond, 0.3)):
            distance = (math.log(lr) - self._optima + shift)[:, None]
            regret += share * float((weight * eased(depth * linex(distance, _CLIFFS))).sum())
        return regret

    def fitted(self, steps: int, log_lr: np.ndarray) -> np.ndarray:
        """The modelled height over `log_lr` at a horizon that was tried."""
        rung, depth = self._by_steps[steps], self.depth(steps)
        middle, _ = self.location(steps)
        shape = eased(depth * linex(np.array([one.log_lr for one in rung]) - middle, self.cliff))
        seen = _finite_heights(rung)
        precision = 1.0 / (0.04**2 + (_MISFIT * (seen - seen.min())) ** 2)
        level = float((precision * (seen - shape)).sum() / precision.sum())
        return np.asarray(level + eased(depth * linex(log_lr - middle, self.cliff)))


def _log_likelihood(trials: Sequence[Observation], optima: np.ndarray) -> np.ndarray:
    """Of trials of one length, over (optimum, cliff, depth, noise); their level is fitted."""
    tried = np.array([one.log_lr for one in trials])
    distance = tried - optima[:, None]
    cost = np.stack([linex(distance, cliff) for cliff in _CLIFFS], axis=1)
    modelled = eased(_DEPTHS[:, None] * cost[:, :, None, :])[:, :, :, None, :]
    seen = _finite_heights(trials)
    variance = _NOISES[:, None] ** 2 + (_MISFIT * (seen - seen.min())) ** 2
    precision = 1.0 / variance
    level = (precision * (seen - modelled)).sum(-1) / precision.sum(-1)
    squares = (precision * (seen - modelled - level[..., None]) ** 2).sum(-1)
    return np.asarray(-0.5 * squares - 0.5 * np.log(variance).sum(-1))


def _log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
    highest = values.max(axis=axis, keepdims=True)
    summed = np.log(np.exp(values - highest).sum(axis=axis, keepdims=True)) + highest
    return np.asarray(summed.squeeze(axis))


def _finite_heights(rung: Sequence[Observation]) -> np.ndarray:
    """Heights of a rung; a diverged trial counts as one e-fold above the worst that finished.

    What a diverged trial says is that it lies beyond the cliff; how far, nobody can know. Likewise
    for one that finished far above the lowest, which is `eased`.
    """
    losses = np.array([one.height for one in rung])
    finite = losses[np.isfinite(losses)]
    worst = float(finite.max()) if finite.size else 0.0
    heights = np.where(np.isfinite(losses), losses, worst + 1.0)
    return np.asarray(heights.min() + eased(heights - heights.min()))


def _log_normal(value: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    return np.asarray(-0.5 * ((value - mean) / deviation) ** 2)


_LOG_PRIOR_CLIFF = _log_normal(np.log(_CLIFFS), math.log(1.2), 0.5)
_LOG_PRIOR_DEPTH = _log_normal(np.log(_DEPTHS), math.log(0.2), 1.0)
_LOG_PRIOR_NOISE = _log_normal(np.log(_NOISES), math.log(0.03), 0.8)
