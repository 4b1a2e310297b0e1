"""The likelihood of the losses of trials of one length, over a grid of parameters. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._loss_scale import compress, linex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._loss_scale import TrialLoss

__all__ = [
    "CLIFFS",
    "DEPTHS",
    "GRID_STEP",
    "LOG_PRIOR_CLIFF",
    "MISFIT",
    "NOISES",
    "PRIOR_FREEDOM",
    "RungLikelihood",
    "finite_log_losses",
    "log_likelihood",
    "log_normal",
    "log_student",
    "normalised",
]

_NOISE_FREEDOM = 4.0
PRIOR_FREEDOM = 3.0  # of Student's t: heavy tails, since new tasks may be unlike all measured ones
_CLIFF_PRIOR = (1.2, 0.5)
MISFIT = 0.25  # how far the model may be off, as a share of the log loss above the lowest

CLIFFS = np.array([0.7, 1.0, 1.4, 2.0, 3.0])
DEPTHS = np.geomspace(0.005, 4.0, 14)
NOISES = np.array([0.005, 0.01, 0.02, 0.04, 0.08, 0.16])
GRID_STEP = 0.1


@dataclass(frozen=True)
class RungLikelihood:
    """The evidence of the trials of one length.

    Attributes:
        optima: the log rates at which the optimum of this length may lie.
        log_likelihood: over (optimum, cliff, depth, noise).
        log_prior_depth: over depths.
        line_std: the standard deviation of the optimum around the line through all lengths.
    """

    optima: np.ndarray
    log_likelihood: np.ndarray
    log_prior_depth: np.ndarray
    line_std: float

    @cached_property
    def marginal(self) -> np.ndarray:
        """Over (optimum, cliff, noise): each length has its own depth, which is summed out."""
        return _log_sum_exp(self.log_likelihood + self.log_prior_depth[:, None], axis=2)

    @cached_property
    def _optimum_given_line(self) -> np.ndarray:
        """The probability of each optimum (column), given a place of the line (row)."""
        distance = self.optima - self.optima[:, None]
        weight = np.exp(log_normal(distance, 0.0, self.line_std))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    @cached_property
    def _log_likelihood_of_line(self) -> np.ndarray:
        """`marginal`, over the places of the line at this length instead of its optima."""
        highest = self.marginal.max(axis=0)
        likelihood = np.tensordot(
            self._optimum_given_line, np.exp(self.marginal - highest), axes=1
        )
        return np.asarray(np.log(likelihood + 1e-300) + highest)

    def given_line(self, lowest: float, count: int) -> np.ndarray:
        """The log likelihood of `count` places of the line, the lowest of them at `lowest`."""
        below, share = self._grid_place(lowest)
        return np.asarray(
            (1 - share) * self._log_likelihood_of_line[below : below + count]
            + share * self._log_likelihood_of_line[below + 1 : below + count + 1]
        )

    def optimum(self, lines: Sequence[tuple[float, np.ndarray]]) -> np.ndarray:
        """The posterior over the optimum, from weights of the line, each with its lowest place."""
        weight = np.zeros_like(self.marginal)
        for lowest, line in lines:
            below, share = self._grid_place(lowest)
            weight[below : below + len(line)] += (1 - share) * line
            weight[below + 1 : below + len(line) + 1] += share * line
        prior = np.tensordot(self._optimum_given_line.T, weight, axes=1)
        return np.asarray((prior * np.exp(self.marginal - self.marginal.max())).sum(axis=(1, 2)))

    def _grid_place(self, log_lr: float) -> tuple[int, float]:
        """The grid point below a log rate, and the share of the way to the next one."""
        place = (log_lr - float(self.optima[0])) / GRID_STEP
        return int(place), place % 1

    def depth(self, optimum: float, log_prior_noise: np.ndarray) -> float:
        """The expected depth if the optimum is known."""
        index = int(
            np.clip(round((optimum - self.optima[0]) / GRID_STEP), 0, len(self.optima) - 1)
        )
        log_weight = self.log_likelihood[index] + LOG_PRIOR_CLIFF[:, None, None] + log_prior_noise
        weight = np.exp(log_weight - log_weight.max()).sum(axis=(0, 2))
        weight = weight * np.exp(self.log_prior_depth)
        return float((weight * DEPTHS).sum() / weight.sum())


def log_likelihood(trials: Sequence[TrialLoss], optima: np.ndarray) -> np.ndarray:
    """Of trials of one length, over (optimum, cliff, depth, noise); their level is fitted."""
    tried = np.array([trial.log_lr for trial in trials])
    distance = tried - optima[:, None]
    cost = np.stack([linex(distance, cliff) for cliff in CLIFFS], axis=1)
    modelled = compress(DEPTHS[:, None] * cost[:, :, None, :])[:, :, :, None, :]
    measured = finite_log_losses([trial.log_loss for trial in trials])
    count = np.array([trial.count for trial in trials])
    variance = NOISES[:, None] ** 2 / count + (MISFIT * (measured - measured.min())) ** 2
    precision = 1.0 / variance
    level = (precision * (measured - modelled)).sum(-1) / precision.sum(-1)
    squares = precision * (measured - modelled - level[..., None]) ** 2
    log_density = log_student(squares, _NOISE_FREEDOM) - 0.5 * np.log(variance)
    bound = _log_probability_below_divergence(trials, optima)
    return np.asarray(log_density.sum(-1) + bound[:, None, None, None])


def _log_probability_below_divergence(
    trials: Sequence[TrialLoss], optima: np.ndarray
) -> np.ndarray:
    """The log probability of each optimum, given that it lies below every rate that diverged."""
    diverged = [trial.log_lr for trial in trials if math.isinf(trial.log_loss)]
    above = np.maximum(0.0, optima - min(diverged, default=math.inf))
    return log_normal(above, 0.0, GRID_STEP)


def finite_log_losses(log_losses: Sequence[float]) -> np.ndarray:
    """The log losses of trials of one length, compressed, with a finite one for divergence.

    A diverged trial counts as one e-fold above the worst that finished: it lies beyond the cliff, at an
    unknown distance.
    """
    losses = np.array(log_losses)
    finite = losses[np.isfinite(losses)]
    worst = float(finite.max()) if finite.size else 0.0
    bounded = np.where(np.isfinite(losses), losses, worst + 1.0)
    return np.asarray(bounded.min() + compress(bounded - bounded.min()))


def _log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
    highest = values.max(axis=axis, keepdims=True)
    summed = np.log(np.exp(values - highest).sum(axis=axis, keepdims=True)) + highest
    return np.asarray(summed.squeeze(axis))


def log_student(squares: np.ndarray, freedom: float) -> np.ndarray:
    """The log density of Student's t at squared distances in units of its scale."""
    return np.asarray(-0.5 * (freedom + 1) * np.log1p(squares / freedom))


def log_normal(value: np.ndarray, mean: float, std: float) -> np.ndarray:
    """The log density of a normal distribution, up to a constant.

    Args:
        value: where.
        mean: the mean of the distribution.
        std: its standard deviation, above 0.
    """
    return np.asarray(-0.5 * ((value - mean) / std) ** 2)


def normalised(log_weights: np.ndarray) -> np.ndarray:
    """Weights that sum to 1, from their logs up to a constant."""
    weights = np.exp(log_weights - log_weights.max())
    return np.asarray(weights / weights.sum())


LOG_PRIOR_CLIFF = log_normal(np.log(CLIFFS), math.log(_CLIFF_PRIOR[0]), _CLIFF_PRIOR[1])
