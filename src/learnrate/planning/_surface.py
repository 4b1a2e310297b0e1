r"""What trials at several horizons say about the best rate of a whole run. Pure arithmetic.

The final height $H$ (`Scale`) of an annealed trial of $h$ updates at peak rate $\eta$ is modelled as

$$H = c_h + k_h\,\ell_a\big(\ln\eta - \mu_h\big), \qquad
  \mu_h = \mu + b \ln (h/T) \pm s_h, \qquad \ell_a(u) = (e^{a u} - a u - 1)/a^2$$

with one level $c_h$ and one depth $k_h$ a horizon, and $\mu$ the log of the best peak of the whole
run of $T$ updates. $\ell_a$ is the linex loss (Varian 1975): linear far below the optimum and a cliff
above it, as published sweeps are (a quarter of the best rate costs about 1 %, four times costs 4 %
or the run: arXiv:2503.04715, data). Beyond 0.3 above the lowest, only a height's logarithm counts,
modelled and measured alike.

$b$ is how the best rate drifts with the horizon, where trials warm up as long as the whole run; it is
estimated, and shrunk towards what our own sweeps show, -0.2 with deviation 0.15 (DeepOBS baselines:
median -0.45, plain SGD -0.08; arXiv:2409.19913: -0.32 at a fixed batch). Trials that have hardly begun
to learn stray from any such line: what bounds their rate is divergence. $s_h$ is 1.5 over their
progress, the fall of the lowest height since the start in units of the slope below, and at most 1.5.
$\mu$ is shrunk towards where a range test puts it.

How steep all this is, the horizons tell. Below the optimum a higher rate does what more updates do,
so the height falls about as fast with the one as with the other: in our own sweeps the depth is 0.75
of the slope, the fall of the lowest height for an e-fold of horizon, within a factor 1.8 where depths
themselves differ by a factor 100. The noise of a trial is about 0.15 of the slope.

The posterior is summed over a grid: no sampling, so the same trials give the same answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._heights import eased, linex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._heights import Observation

__all__ = ["DRIFT_PRIOR", "LEAST_SLOPE", "Estimate", "Surface"]

# Fitted to exhaustive sweeps at five horizons of the development cells of benchmarks/regret. A prior
# is a mean, or the middle of a factor, and the deviation of its logarithm.
DRIFT_PRIOR = (-0.2, 0.15)
_CLIFF_PRIOR = (1.2, 0.5)
_DEPTH_OF_SLOPE = (0.75, 0.8)
_NOISE_OF_SLOPE = (0.15, 0.8)
_USUAL_SLOPE = 0.27  # where there is one horizon only
LEAST_SLOPE = 0.03  # of what still learns; a fall of nothing is noise
_STRAY = (1.5, 1.5)  # over a rung's progress, and at most: how far its best rate lies off the line
_EXPECTED_SPREAD = 1.0  # of the best rate around where the range test puts it: a factor 2.7
_MISFIT = 0.25  # how far the model may be off, as a share of the height above the rung's lowest
_DRIFT_OF_DRIFT = 0.16  # how far the drift may change, per e-fold of horizon beyond the longest
_FLATTENING = 0.3  # the curvature at the optimum falls as horizon to this power
_UNSEEN = 0.001  # in height: what tells rates of a whole run apart that no shorter trial shows
_QUANTILE_80 = 1.397  # half-width of a central 80 % interval: of t with eight degrees of freedom

_DRIFTS = np.arange(-0.9, 0.61, 0.1)
_CLIFFS = np.array([0.7, 1.0, 1.4, 2.0, 3.0])
_DEPTHS = np.geomspace(0.005, 4.0, 14)
_NOISES = np.array([0.005, 0.01, 0.02, 0.04, 0.08, 0.16])
_GRID_STEP = 0.1


@dataclass(frozen=True)
class Estimate:
    """A best rate with its central 80 % interval."""

    best: float
    low: float
    high: float


@dataclass(frozen=True)
class _Rung:
    """What the trials of one length say: a log-likelihood over (optimum, cliff, depth, noise)."""

    optima: np.ndarray
    log_likelihood: np.ndarray
    log_prior_depth: np.ndarray
    stray: float

    @cached_property
    def marginal(self) -> np.ndarray:
        """Over (optimum, cliff, noise): each rung has a depth of its own, which is summed out."""
        return _log_sum_exp(self.log_likelihood + self.log_prior_depth[:, None], axis=2)

    @cached_property
    def _strays(self) -> np.ndarray:
        """From each place on the line to each optimum: how likely the one is, given the other."""
        distance = self.optima - self.optima[:, None]
        weight = np.exp(_log_normal(distance, 0.0, self.stray))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    @cached_property
    def _of_line(self) -> np.ndarray:
        """`marginal`, given where the line is at this horizon instead of where its optimum is."""
        highest = self.marginal.max(axis=0)
        likelihood = np.tensordot(self._strays, np.exp(self.marginal - highest), axes=1)
        return np.asarray(np.log(likelihood + 1e-300) + highest)

    def given_line(self, first: float, count: int) -> np.ndarray:
        """The log-likelihood of `count` places of the line, the lowest `first`, within the optima."""
        below, share = self._place(first)
        return np.asarray(
            (1 - share) * self._of_line[below : below + count]
            + share * self._of_line[below + 1 : below + count + 1]
        )

    def optimum(self, lines: Sequence[tuple[float, np.ndarray]]) -> np.ndarray:
        """Posterior over the optimum, from weights of the line: each with its lowest place."""
        weight = np.zeros_like(self.marginal)
        for first, line in lines:
            below, share = self._place(first)
            weight[below : below + len(line)] += (1 - share) * line
            weight[below + 1 : below + len(line) + 1] += share * line
        prior = np.tensordot(self._strays.T, weight, axes=1)
        return np.asarray((prior * np.exp(self.marginal - self.marginal.max())).sum(axis=(1, 2)))

    def _place(self, rate: float) -> tuple[int, float]:
        place = (rate - float(self.optima[0])) / _GRID_STEP
        return int(place), place % 1

    def depth(self, optimum: float, log_prior_noise: np.ndarray) -> float:
        """The expected depth, if the best rate of the rung is known."""
        at = int(np.clip(round((optimum - self.optima[0]) / _GRID_STEP), 0, len(self.optima) - 1))
        log_weight = self.log_likelihood[at] + _LOG_PRIOR_CLIFF[:, None, None] + log_prior_noise
        weight = np.exp(log_weight - log_weight.max()).sum(axis=(0, 2))
        weight = weight * np.exp(self.log_prior_depth)
        return float((weight * _DEPTHS).sum() / weight.sum())


@dataclass(frozen=True)
class Surface:
    """The posterior over best rate, drift, cliff and noise, given `observations` of a run.

    Args:
        observations: at least one that did not diverge.
        total_steps: the length of the whole run, in updates.
        expected: log of the rate at which the range test puts the best of the whole run.
        start: the height before training.
    """

    observations: tuple[Observation, ...]
    total_steps: int
    expected: float
    start: float = math.inf

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
    def slope(self) -> float | None:
        """How much the lowest height falls for an e-fold of horizon, at least 0.03.

        None where trials of fewer than two horizons finished.
        """
        lowest = {n: min(one.height for one in rung) for n, rung in self._by_steps.items()}
        finished = sorted(n for n, height in lowest.items() if math.isfinite(height))
        if len(finished) < 2:
            return None
        first, last = finished[0], finished[-1]
        return max(LEAST_SLOPE, (lowest[first] - lowest[last]) / math.log(last / first))

    @property
    def _assumed_slope(self) -> float:
        return _USUAL_SLOPE if self.slope is None else self.slope

    def _of_slope(self, values: np.ndarray, share: float, deviation: float) -> np.ndarray:
        """The log prior of what is about `share` of the slope."""
        return _log_normal(np.log(values), math.log(share * self._assumed_slope), deviation)

    @cached_property
    def _log_prior_noise(self) -> np.ndarray:
        return self._of_slope(_NOISES, *_NOISE_OF_SLOPE)

    def _log_prior_depth(self, steps: int) -> np.ndarray:
        share, deviation = _DEPTH_OF_SLOPE
        return self._of_slope(_DEPTHS, share * self._flattened(steps), deviation)

    def _flattened(self, steps: int) -> float:
        """The depth at a horizon over that at the longest tried: longer runs mind the rate less."""
        return float((max(self._by_steps) / steps) ** _FLATTENING)

    @cached_property
    def _rungs(self) -> dict[int, _Rung]:
        widest = max(map(abs, _DRIFTS)) * math.log(self.total_steps / min(self._by_steps))
        optima = np.arange(
            self._optima[0] - widest - _GRID_STEP,
            self._optima[-1] + widest + 2 * _GRID_STEP,
            _GRID_STEP,
        )
        return {
            steps: _Rung(
                optima,
                _log_likelihood(trials, optima),
                self._log_prior_depth(steps),
                self._stray(steps),
            )
            for steps, trials in self._by_steps.items()
        }

    def _stray(self, steps: int) -> float:
        """How far the log of the best rate of a horizon may lie off the line.

        Trials that have hardly begun to learn are bounded by what diverges, not by what learns best.
        """
        lowest = min(one.height for one in self._by_steps[steps])
        share, most = _STRAY
        progress = (self.start - lowest) / self._assumed_slope
        return min(most, max(0.01, share / max(progress, 1e-3)))

    def _lines(self, steps: int) -> np.ndarray:
        """The lowest place of the line at a horizon, for each drift."""
        return np.asarray(self._optima[0] + _DRIFTS * math.log(steps / self.total_steps))

    def _log_weights(self, without: int | None = None) -> np.ndarray:
        """Over (optimum, drift, cliff, noise), of all rungs or without one, to a constant."""
        prior = _log_normal(_DRIFTS, *DRIFT_PRIOR)[:, None, None]
        prior = prior + _LOG_PRIOR_CLIFF[:, None] + self._log_prior_noise
        first = _log_normal(self._optima, self.expected, _EXPECTED_SPREAD)
        log_weight = first[:, None, None, None] + prior
        for steps, rung in self._rungs.items():
            for at, line in enumerate(self._lines(steps) if steps != without else ()):
                log_weight[:, at] += rung.given_line(line, len(self._optima))
        return np.asarray(log_weight)

    @cached_property
    def _weights(self) -> np.ndarray:
        """Posterior over (optimum, drift, cliff, noise), summing to 1."""
        return _summing_to_one(self._log_weights())

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

        Of one that was not tried, that of the longest trials, flattened.
        """
        tried = steps if steps in self._rungs else max(self._rungs)
        depth = self._rungs[tried].depth(self.location(tried)[0], self._log_prior_noise)
        return depth if tried == steps else depth * self._flattened(steps)

    def location(self, steps: int) -> tuple[float, float]:
        """Middle and standard deviation of the log of the best rate of a run of `steps`."""
        values, weight = self._line(steps) if steps not in self._rungs else self._optimum(steps)
        middle, spread = _middle(values, weight)
        return middle, math.hypot(spread, self._beyond(steps), _GRID_STEP / 2)

    def _line(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the line at a horizon, and their weights."""
        values = self._lines(steps) + (self._optima - self._optima[0])[:, None]
        return values.ravel(), self._weights.sum(axis=(2, 3)).ravel()

    def _optimum(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Optima of a horizon that was tried, and their weights."""
        weights = _summing_to_one(self._log_weights(without=steps))
        lines = [(line, weights[:, at]) for at, line in enumerate(self._lines(steps).tolist())]
        rung = self._rungs[steps]
        return rung.optima, rung.optimum(lines)

    def _beyond(self, steps: int) -> float:
        """How uncertain the drift's own change makes the best rate beyond the longest trial."""
        return _DRIFT_OF_DRIFT * max(0.0, math.log(steps / max(self._by_steps)))

    def _flat(self, steps: int) -> float:
        """How far off the log of the best rate of a longer run may lie at no visible cost.

        Among rates that cost the same, overfitting and the validation set's own luck choose.
        """
        return 0.0 if steps in self._rungs else math.sqrt(2 * _UNSEEN / self.depth(steps))

    def best(self, steps: int) -> Estimate:
        """The best peak rate of a run of `steps` updates."""
        middle, spread = self.location(steps)
        reach = _QUANTILE_80 * math.hypot(spread, self._flat(steps))
        return Estimate(*(math.exp(middle + shift) for shift in (0.0, -reach, reach)))

    def least_regret(self) -> float:
        r"""The peak rate of the whole run with the least expected regret.

        Under linex regret and a normal belief with mean $m$ and deviation $s$ it is
        $\exp(m - a s^2/2)$ (Zellner 1986): the less is known, the lower. Measured regret is lopsided
        only far from the optimum, so $s$ of that shift is made where $s$ is below 1, and at most
        0.5, a factor 0.6.
        """
        middle, spread = self.location(self.total_steps)
        shift = self.cliff * spread**2 / 2 * min(1.0, spread)
        return math.exp(middle - min(0.5, shift))

    def expected_regret(self, lr: float) -> float:
        """The height that training the whole run at `lr` is expected to lose to the best rate.

        On the log scale of losses 0.05 is 5 %. Where trials hardly differ, a wide interval costs
        little; this says how much.
        """
        beyond = self._beyond(self.total_steps)
        weight, depth = self._weights.sum(axis=(1, 3)), self.depth(self.total_steps)
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


def _middle(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """The median of weighted values, and half of what lies between their 16th and 84th per cent."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order])
    low, middle, high = np.interp(np.array([0.16, 0.5, 0.84]) * below[-1], below, values[order])
    return float(middle), float(high - low) / 2


def _summing_to_one(log_weight: np.ndarray) -> np.ndarray:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def _log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
    highest = values.max(axis=axis, keepdims=True)
    summed = np.log(np.exp(values - highest).sum(axis=axis, keepdims=True)) + highest
    return np.asarray(summed.squeeze(axis))


def _log_normal(value: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    return np.asarray(-0.5 * ((value - mean) / deviation) ** 2)


_LOG_PRIOR_CLIFF = _log_normal(np.log(_CLIFFS), math.log(_CLIFF_PRIOR[0]), _CLIFF_PRIOR[1])
