"""Sequential Monte Carlo: points of a prior are moved to the posterior. Pure arithmetic.

The likelihood enters with a power that rises from 0 to 1 (Del Moral et al. 2006). Each rise is as large
as a given effective share of the points allows; after it the points are resampled by their weights and
moved by random-walk Metropolis steps, of which about a quarter are accepted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._rung_likelihood import normalised

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["posterior_points"]

_MOVES = 5  # Metropolis moves of every point after each rise of the power
_KEPT = 0.5  # effective share of the points after a rise of the power
_LEAST_RISE = 1e-4
_ACCEPTED = 0.25  # share of accepted moves, to which their length is adapted


def posterior_points(
    rows: np.ndarray,
    log_prior: Callable[[np.ndarray], np.ndarray],
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    random: np.random.Generator,
) -> np.ndarray:
    """Points of equal weight of the posterior, one row each.

    Args:
        rows: points of the prior, shape (points, unknowns).
        log_prior: the log prior of such rows, up to a constant, shape (points,).
        log_likelihood: the log likelihood of such rows, up to a constant, shape (points,).
        random: the random numbers; the same ones give the same points.
    """
    prior, likelihood = log_prior(rows), log_likelihood(rows)
    power = 0.0
    while power < 1.0:
        rise = _rise(likelihood, 1.0 - power)
        power += rise
        chosen = _resampled(normalised(rise * likelihood), random)
        rows, prior, likelihood = rows[chosen], prior[chosen], likelihood[chosen]
        spread = np.linalg.cholesky(np.cov(rows.T) + 1e-8 * np.eye(rows.shape[1]))
        scale = 2.38 / math.sqrt(rows.shape[1])
        for _ in range(_MOVES):
            moved = rows + scale * random.standard_normal(rows.shape) @ spread.T
            new_prior, new_likelihood = log_prior(moved), log_likelihood(moved)
            gain = new_prior - prior + power * (new_likelihood - likelihood)
            accepted = np.log(random.random(len(rows))) < gain
            rows = np.where(accepted[:, None], moved, rows)
            prior = np.where(accepted, new_prior, prior)
            likelihood = np.where(accepted, new_likelihood, likelihood)
            scale *= math.exp(float(accepted.mean()) - _ACCEPTED)
    return rows


def _rise(likelihood: np.ndarray, most: float) -> float:
    """The largest rise of the power after which `_KEPT` of the points are effective."""
    low, high = 0.0, most
    if _in_effect(high * likelihood) >= _KEPT:
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _in_effect(middle * likelihood) >= _KEPT else (low, middle)
    return max(low, _LEAST_RISE)


def _in_effect(log_weights: np.ndarray) -> float:
    """The effective sample size of weighted points, as a share of their number."""
    weights = normalised(log_weights)
    return float(1.0 / (len(weights) * (weights**2).sum()))


def _resampled(weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The numbers of the points drawn by systematic resampling."""
    places = (random.random() + np.arange(len(weights))) / len(weights)
    return np.minimum(np.searchsorted(np.cumsum(weights), places), len(weights) - 1)
