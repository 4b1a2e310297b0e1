r"""The best rate of a whole run, given trials of several lengths. Pure arithmetic.

The final log loss $H$ (`LossScale`) of an annealed trial of $h$ updates at peak rate $\eta$ is
modelled as

$$H = c_h + k_h\,\ell_a\big(\ln\eta - \mu_h\big), \qquad
  \mu_h = \mu + b \ln (h/T) \pm s_h, \qquad \ell_a(u) = (e^{a u} - a u - 1)/a^2$$

with one level $c_h$ and one depth $k_h$ for each length $h$, and $\mu$ the log of the best peak of
the whole run of $T$ updates. $\ell_a$ is the linex loss (Varian 1975): linear far below the optimum
and a cliff above it, like published sweeps (a quarter of the best rate costs about 1 %; four times
the best rate costs 4 %, or the run: arXiv:2503.04715, data). Beyond 0.3 above the lowest log loss,
measured and modelled log losses are both compressed logarithmically.

$b$ is the drift of the best rate with the horizon, for trials that warm up as long as the whole run.
Trials of one length say nothing about it, and shorter ones little, so its prior matters most. The prior
is a mixture. If stability limits the best rate, the drift is about -0.2 with standard deviation 0.2 (our
own sweeps; DeepOBS baselines: median -0.45, plain SGD -0.08; arXiv:2409.19913: -0.32 at a fixed batch
size), and it may be above 0. If overfitting limits it, the product of rate and number of updates stays
the same, and the drift is about -1.2 with standard deviation 0.35. `overfitting` is the weight of the
second case. These priors, that of the range test and the noise are Student's t, because new tasks may be
unlike those that were measured. Trials are left out if their log loss has fallen by less than a third of
the fall of the longest trials. The best rate of a length lies below every rate that diverged. $s_h$ is
the standard deviation from the line: 0.1, and 0.4 more for each e-fold that the trials are shorter than
the longest ones. The range test estimates the best rate of the longest trials. The distance that their
weights moved (`_distance`) and the usual rate of the optimizer (`_usual_rate`) estimate that of the whole
run.

The fit is overconfident. So intervals are 1.6 times as wide as the fit says, or 1.8 times if all trials have
one length, and the expected regret is 1.6 times as high. With these factors, the intervals of plans of
domains left out contain the best rate in 80 % of cases. The usual rate does not depend on the trials, so its
log prior is multiplied by the square of the same factor.

The losses at several horizons also show how steep the loss is in the rate. Below the optimum, a higher rate
has the effect of more updates, so the log loss falls about as fast with the rate as with the horizon. In our own sweeps the
depth is 0.75 of the slope, the fall of the lowest log loss per e-fold of horizon, within a factor of
1.8, while depths themselves differ by a factor of 100. The noise of a trial is about 0.15 of the
slope.

The posterior is summed over a grid, without sampling, so the same trials give the same answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._distance import log_prior_of_distance
from learnrate.planning._drift import (
    DRIFT_CHANGE_STD,
    DRIFTS,
    log_prior_of_drift,
)
from learnrate.planning._loss_scale import compress, linex
from learnrate.planning._rung_likelihood import (
    CLIFFS,
    DEPTHS,
    GRID_STEP,
    LOG_PRIOR_CLIFF,
    MISFIT,
    NOISES,
    PRIOR_FREEDOM,
    RungLikelihood,
    finite_log_losses,
    log_likelihood,
    log_normal,
    log_student,
    normalised,
)
from learnrate.planning._usual_rate import log_prior_of_usual_rate

if TYPE_CHECKING:
    from learnrate.planning._loss_scale import TrialLoss

__all__ = [
    "DEPTH_OF_SLOPE",
    "FLATTENING",
    "INFORMATIVE_FALL",
    "LEAST_SLOPE",
    "LINE_STD",
    "NOISE_OF_SLOPE",
    "USUAL_SLOPE",
    "Estimate",
    "Surface",
]

# Fitted to exhaustive sweeps at five horizons of the development cells of benchmarks/regret. A prior
# is a mean and a standard deviation; of a factor, its median and the standard deviation of its log.
DEPTH_OF_SLOPE = (0.75, 0.8)
NOISE_OF_SLOPE = (0.15, 0.8)
USUAL_SLOPE = 0.27  # assumed if there is one horizon only
LEAST_SLOPE = 0.03  # of a model that still learns; a smaller fall is noise
INFORMATIVE_FALL = 1 / 3  # of the fall of the longest trials
LINE_STD = (
    0.1,
    0.4,
)  # of the longest trials' best rate, and for each e-fold of horizon below them
_RANGE_TEST_STD = 1.0  # of the longest trials' best rate around the range test's: a factor of 2.7
FLATTENING = 0.3  # the curvature at the optimum falls as the horizon to this power
_INDISTINGUISHABLE = 0.001  # log losses this close cannot be told apart by shorter trials
_QUANTILE_80 = 1.397  # half-width of a central 80 % interval: Student's t, 8 degrees of freedom
_OVERCONFIDENCE = {True: 1.6, False: 1.8}  # of the fit's std, with and without shorter trials
_REGRET_FACTOR = 1.6


@dataclass(frozen=True)
class Estimate:
    """A best rate with its central 80 % interval."""

    best: float
    low: float
    high: float


@dataclass(frozen=True)
class Surface:
    """The posterior over best rate, drift, cliff and noise, given the losses of trials.

    Args:
        trial_losses: at least one that did not diverge.
        total_steps: the length of the whole run, in updates.
        expected_log_lr: the log of the best rate of the longest trials, according to the range test.
        start: the log loss before training.
        overfitting: the probability that overfitting limits the best rate of the longest trials.
        usual_log_lr: the log of the rate that is usually best; NaN if it is not known.
    """

    trial_losses: tuple[TrialLoss, ...]
    total_steps: int
    expected_log_lr: float
    start: float = math.inf
    overfitting: float = 0.0
    usual_log_lr: float = math.nan

    @cached_property
    def _optima(self) -> np.ndarray:
        log_lrs = [self.expected_log_lr, *(trial.log_lr for trial in self.trial_losses)]
        return np.arange(min(log_lrs) - 3.0, max(log_lrs) + 2.0, GRID_STEP)

    @cached_property
    def _by_steps(self) -> dict[int, list[TrialLoss]]:
        rungs: dict[int, list[TrialLoss]] = {}
        for trial in self.trial_losses:
            rungs.setdefault(trial.steps, []).append(trial)
        return rungs

    @cached_property
    def slope(self) -> float | None:
        """How much the lowest log loss falls per e-fold of horizon, at least 0.03.

        None if trials of fewer than two lengths finished.
        """
        lowest = {
            steps: min(trial.log_loss for trial in rung) for steps, rung in self._by_steps.items()
        }
        finished = sorted(steps for steps, log_loss in lowest.items() if math.isfinite(log_loss))
        if len(finished) < 2:
            return None
        first, last = finished[0], finished[-1]
        return max(LEAST_SLOPE, (lowest[first] - lowest[last]) / math.log(last / first))

    @property
    def _assumed_slope(self) -> float:
        return USUAL_SLOPE if self.slope is None else self.slope

    def _log_prior_of_share(self, values: np.ndarray, share: float, log_std: float) -> np.ndarray:
        """The log prior of a quantity that is about `share` of the slope."""
        return log_normal(np.log(values), math.log(share * self._assumed_slope), log_std)

    @cached_property
    def _log_prior_noise(self) -> np.ndarray:
        return self._log_prior_of_share(NOISES, *NOISE_OF_SLOPE)

    def _log_prior_depth(self, steps: int) -> np.ndarray:
        share, log_std = DEPTH_OF_SLOPE
        return self._log_prior_of_share(DEPTHS, share * self._relative_depth(steps), log_std)

    def _relative_depth(self, steps: int) -> float:
        """The depth of a length divided by the depth of the longest trials: longer runs are less sensitive."""
        return float((max(self._by_steps) / steps) ** FLATTENING)

    @cached_property
    def _rungs(self) -> dict[int, RungLikelihood]:
        widest = max(map(abs, DRIFTS)) * math.log(self.total_steps / min(self._by_steps))
        optima = np.arange(
            self._optima[0] - widest - GRID_STEP,
            self._optima[-1] + widest + 2 * GRID_STEP,
            GRID_STEP,
        )
        return {
            steps: RungLikelihood(
                optima,
                log_likelihood(trials, optima),
                self._log_prior_depth(steps),
                self._line_std(steps),
            )
            for steps, trials in self._by_steps.items()
        }

    def _is_informative(self, steps: int) -> bool:
        """Whether trials of a length have learned enough to say anything about a longer run.

        Their log loss has fallen by a third of what that of the longest trials has, and by more than
        noise.
        """
        lowest = {
            length: min(trial.log_loss for trial in rung)
            for length, rung in self._by_steps.items()
        }
        longest = self.start - lowest[max(lowest)]
        fall = self.start - lowest[steps]
        return steps == max(lowest) or fall >= max(LEAST_SLOPE, INFORMATIVE_FALL * longest)

    def _line_std(self, steps: int) -> float:
        """The standard deviation of the log best rate of a length around the line.

        Shorter trials say little about the drift beyond the longest ones.
        """
        least, growth = LINE_STD
        return least + growth * math.log(max(self._by_steps) / steps)

    @cached_property
    def progress(self) -> float:
        """How far the longest trials have learned: their fall since the start, over the slope."""
        lowest = min(trial.log_loss for trial in self._by_steps[max(self._by_steps)])
        return max(0.0, (self.start - lowest) / self._assumed_slope)

    @property
    def learned(self) -> float:
        """The progress of the longest trials, as a share of that expected of the whole run.

        The log loss is expected to fall on at the present slope.
        """
        left = math.log(max(1.0, self.total_steps / max(self._by_steps)))
        return self.progress / (self.progress + left) if left else 1.0

    @cached_property
    def _log_prior_best(self) -> np.ndarray:
        """The log prior of each best rate of the whole run, without losses and without the range test."""
        distance = log_prior_of_distance(
            self.trial_losses, self.start, self.total_steps, self._optima
        )
        usual = log_prior_of_usual_rate(self._optima, self.usual_log_lr)
        return np.asarray(distance + self._overconfidence**2 * usual)

    @property
    def _overconfidence(self) -> float:
        """The factor by which the standard deviation of the fit is too small."""
        return _OVERCONFIDENCE[len(self._by_steps) > 1]

    def _lines(self, steps: int) -> np.ndarray:
        """The lowest place of the line at a length, for each drift."""
        return np.asarray(self._optima[0] + DRIFTS * math.log(steps / self.total_steps))

    def _log_weights(self, without: int | None = None) -> np.ndarray:
        """The log posterior over (optimum, drift, cliff, noise), up to a constant.

        Args:
            without: a length whose trials are left out; None for the trials of all lengths.
        """
        prior = log_prior_of_drift(self.overfitting)[:, None, None]
        prior = prior + LOG_PRIOR_CLIFF[:, None] + self._log_prior_noise
        drifted = DRIFTS * math.log(max(self._by_steps) / self.total_steps)
        off = (self._optima[:, None] + drifted - self.expected_log_lr) / _RANGE_TEST_STD
        first = log_student(off**2, PRIOR_FREEDOM) + self._log_prior_best[:, None]
        log_weight = first[:, :, None, None] + prior
        for steps, rung in self._rungs.items():
            counted = steps != without and self._is_informative(steps)
            for drift, line in enumerate(self._lines(steps) if counted else ()):
                log_weight[:, drift] += rung.given_line(line, len(self._optima))
        return np.asarray(log_weight)

    @cached_property
    def _weights(self) -> np.ndarray:
        """The posterior over (optimum, drift, cliff, noise), summing to 1."""
        return normalised(self._log_weights())

    @cached_property
    def drift(self) -> float:
        """The expected drift of the log best rate per e-fold of horizon."""
        return float((self._weights.sum(axis=(0, 2, 3)) * DRIFTS).sum())

    @cached_property
    def cliff(self) -> float:
        """The expected steepness of the loss above the optimum."""
        return float((self._weights.sum(axis=(0, 1, 3)) * CLIFFS).sum())

    @cached_property
    def noise(self) -> float:
        """The expected standard deviation of a trial's log loss."""
        return float((self._weights.sum(axis=(0, 1, 2)) * NOISES).sum())

    def depth(self, steps: int) -> float:
        """The expected curvature of the log loss at the optimum of a length.

        For a length that was not tried, it follows from the depth of the longest trials.
        """
        tried = steps if steps in self._rungs else max(self._rungs)
        depth = self._rungs[tried].depth(self.log_best(tried)[0], self._log_prior_noise)
        return depth if tried == steps else depth * self._relative_depth(steps)

    def log_best(self, steps: int) -> tuple[float, float]:
        """The log of the best rate of a run of `steps` updates: median and standard deviation."""
        values, weight = self._line(steps) if steps not in self._rungs else self._optimum(steps)
        median, std = _median_and_std(values, weight)
        return median, math.hypot(std, self._drift_std(steps), GRID_STEP / 2)

    def _line(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the line at a length, and their weights."""
        values = self._lines(steps) + (self._optima - self._optima[0])[:, None]
        return values.ravel(), self._weights.sum(axis=(2, 3)).ravel()

    def _optimum(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Optima of a length that was tried, and their weights."""
        weights = normalised(self._log_weights(without=steps))
        lines = [
            (line, weights[:, drift]) for drift, line in enumerate(self._lines(steps).tolist())
        ]
        rung = self._rungs[steps]
        return rung.optima, rung.optimum(lines)

    def _drift_std(self, steps: int) -> float:
        """The standard deviation that a change of the drift beyond the longest trial adds."""
        return DRIFT_CHANGE_STD * max(0.0, math.log(steps / max(self._by_steps)))

    def _indistinguishable(self, steps: int) -> float:
        """How far from the best log rate of a longer run the loss is too flat to tell.

        Among such rates, overfitting and the choice of the validation set decide which is best.
        """
        if steps in self._rungs:
            return 0.0
        return math.sqrt(2 * _INDISTINGUISHABLE / self.depth(steps))

    def best(self, steps: int) -> Estimate:
        """The best peak rate of a run of `steps` updates."""
        median, std = self.log_best(steps)
        half = _QUANTILE_80 * math.hypot(
            self._overconfidence * std, self._indistinguishable(steps)
        )
        return Estimate(*(math.exp(median + shift) for shift in (0.0, -half, half)))

    def least_regret(self) -> float:
        r"""The peak rate of the whole run with the least expected regret.

        Under linex regret and a normal belief with mean $m$ and standard deviation $s$ it is
        $\exp(m - a s^2/2)$ (Zellner 1986): the less is known, the lower. Measured regret is lopsided
        only far from the optimum, so the shift is multiplied by $s$ if $s$ is below 1. It is at most
        0.5, a factor of 0.6.
        """
        median, std = self.log_best(self.total_steps)
        shift = self.cliff * std**2 / 2 * min(1.0, std)
        return math.exp(median - min(0.5, shift))

    def expected_regret(self, lr: float) -> float:
        """How far above the best log loss a whole run at `lr` is expected to end.

        On the log scale, 0.05 is 5 %. If trials hardly differ, a wide interval costs little; this
        says how much.
        """
        drift_std = self._drift_std(self.total_steps)
        weight, depth = self._weights.sum(axis=(1, 3)), self.depth(self.total_steps)
        regret = 0.0
        for shift, share in ((-1.2247 * drift_std, 0.3), (0.0, 0.4), (1.2247 * drift_std, 0.3)):
            distance = (math.log(lr) - self._optima + shift)[:, None]
            regret += share * float((weight * compress(depth * linex(distance, CLIFFS))).sum())
        return _REGRET_FACTOR * regret

    def fitted(self, steps: int, log_lr: np.ndarray) -> np.ndarray:
        """The modelled log loss over `log_lr`, for a length that was tried."""
        rung, depth = self._by_steps[steps], self.depth(steps)
        median, _ = self.log_best(steps)
        tried = np.array([trial.log_lr for trial in rung])
        shape = compress(depth * linex(tried - median, self.cliff))
        measured = finite_log_losses([trial.log_loss for trial in rung])
        precision = 1.0 / (0.04**2 + (MISFIT * (measured - measured.min())) ** 2)
        level = float((precision * (measured - shape)).sum() / precision.sum())
        return np.asarray(level + compress(depth * linex(log_lr - median, self.cliff)))


def _median_and_std(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """The median of weighted values, and half the distance between their 16th and 84th percentile."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order])
    low, median, high = np.interp(np.array([0.16, 0.5, 0.84]) * below[-1], below, values[order])
    return float(median), float(high - low) / 2
