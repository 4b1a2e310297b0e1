"""A law ln lr* = a + sum of b_i z_i + chosen second-order terms, fitted robustly. Pure arithmetic.

z_i is the logarithm of a factor over its middle in the table. Within the table second-order terms
may bend the law; beyond it the law goes on straight, with the exponents it has at the edge.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Law", "Points", "fit_law"]

_EXPONENT = 0.5  # prior standard deviation of an exponent: those published lie in -0.8 .. 1
_BEND = 0.25  # of the change of an exponent over a factor e
_SCATTER = 0.15  # first guess of the groups' scatter about the law, worth three groups
_WORTH = 0.05  # by how much a term must lower the error on blocks left out
_HUBER = 1.345
_NEVER_FAR = 0.02  # least scale of outliers: where most groups fit exactly, 2 % is not far
_FEWEST_BLOCKS = 5


@dataclass(frozen=True)
class Points:
    """Best rates to fit: z of shape (groups, factors), y = ln lr* and its standard error.

    Attributes:
        z: logarithms of the factors.
        y: logarithms of the best rates.
        sd: standard errors of `y`.
    """

    z: np.ndarray
    y: np.ndarray
    sd: np.ndarray

    @cached_property
    def middle(self) -> np.ndarray:
        """The mean of each factor."""
        return np.asarray(self.z.mean(axis=0))

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest of each factor."""
        return self.z.min(axis=0), self.z.max(axis=0)

    @cached_property
    def bends(self) -> list[tuple[int, int]]:
        """The second-order terms that the table has enough levels of the factors for."""
        levels = [len(np.unique(column)) for column in self.z.T]
        pairs = itertools.combinations_with_replacement(range(len(levels)), 2)
        return [
            (i, j)
            for i, j in pairs
            if (levels[i] >= 4 if i == j else min(levels[i], levels[j]) >= 3)
        ]

    @cached_property
    def blocks(self) -> np.ndarray:
        """The number of each group's block: groups that differ in one factor only.

        Errors are shared within a block, so blocks are left out and resampled as a whole. The
        factor is the one that leaves the fewest blocks, but five; else each group is a block.
        """
        found = np.arange(len(self.y))
        for left_out in range(self.z.shape[1]):
            others = np.delete(self.z, left_out, axis=1)
            _, own = np.unique(np.round(others, 9), axis=0, return_inverse=True)
            if _FEWEST_BLOCKS <= own.max() + 1 <= found.max():
                found = own
        return found

    @cached_property
    def members(self) -> list[np.ndarray]:
        """The groups of each block."""
        return [np.flatnonzero(self.blocks == one) for one in range(int(self.blocks.max()) + 1)]

    def rows(self, z: np.ndarray) -> np.ndarray:
        """What the coefficients are multiplied with at z: 1, first order, every second order."""
        at = z - self.middle
        inside = np.clip(z, *self.ends) - self.middle
        second = [
            at[:, i] * inside[:, j] + inside[:, i] * at[:, j] - inside[:, i] * inside[:, j]
            for i, j in self.bends
        ]
        return np.stack([np.ones(len(z)), *at.T, *second], axis=1)

    def slopes(self, z: np.ndarray, factor: int) -> np.ndarray:
        """The same for the exponent of a factor at one z, shape (coefficients,)."""
        inside = np.clip(z, *self.ends) - self.middle
        first = [float(factor == i) for i in range(len(z))]
        second = [
            float(i == factor) * inside[j] + float(j == factor) * inside[i] for i, j in self.bends
        ]
        return np.array([0.0, *first, *second])


@dataclass(frozen=True)
class Law:
    """A fitted law.

    Attributes:
        points: what it was fitted to.
        terms: which second-order terms it has, as positions in `points.bends`.
        coefficients: one for each column of `points.rows`; 0 where not chosen.
        covariance: theirs, given the terms.
        scatter: standard deviation of a group's ln lr* about the law, beyond its own error.
        spare: groups beyond coefficients, at least 0.
        draws: coefficients of resampled tables with terms chosen anew, shape (resamples, ...).
    """

    points: Points
    terms: tuple[int, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    scatter: float
    spare: int
    draws: np.ndarray

    def value(self, row: np.ndarray) -> tuple[float, float]:
        """A linear function of the coefficients, and its standard error."""
        variance = float(row @ self.covariance @ row)
        if len(self.draws):
            variance = max(variance, float(np.var(self.draws @ row)))
        return float(row @ self.coefficients), float(np.sqrt(variance))


@dataclass(frozen=True)
class _Solved:
    coefficients: np.ndarray
    inverse: np.ndarray


def fit_law(points: Points, resamples: int, observe: Callable[[int], None]) -> Law:
    """Fit the law, choose its second-order terms, and resample it over blocks of groups.

    A term is taken if it lowers the squared error on blocks left out by 5 %, the best one first.
    Groups far off the law count less (Huber), and so do those whose best rate is poorly known. The
    scatter about the law is estimated with it. An exponent that the table says nothing about stays
    at 0 with a standard error of 0.5.

    Args:
        points: the best rates.
        resamples: how many tables are drawn.
        observe: told how many are done.
    """
    rows = points.rows(points.z)
    weights = 1.0 / (points.sd**2 + _SCATTER**2)
    terms = _chosen(points, rows, weights)
    for _ in range(2):
        _, weights, _ = _robust(points, rows, terms, weights)
        terms = _chosen(points, rows, weights)
    solved, weights, scatter = _robust(points, rows, terms, weights)
    own = _columns(points, terms)
    covariance = np.zeros((rows.shape[1],) * 2)
    covariance[np.ix_(own, own)] = solved.inverse
    return Law(
        points,
        tuple(terms),
        _spread(solved.coefficients, own, rows.shape[1]),
        covariance,
        scatter,
        max(0, len(points.y) - len(own)),
        _resampled(points, rows, weights, resamples, observe),
    )


def _robust(
    points: Points, rows: np.ndarray, terms: list[int], weights: np.ndarray
) -> tuple[_Solved, np.ndarray, float]:
    """The coefficients, the weight of each group, and the scatter, each given the others."""
    own = _columns(points, terms)
    spare = max(0, len(points.y) - len(own))
    for _ in range(12):
        solved = _solve(points, rows[:, own], points.y, weights)
        off = points.y - rows[:, own] @ solved.coefficients
        scale = max(1.4826 * float(np.median(np.abs(off))), _NEVER_FAR)
        trust = 1.0 / np.maximum(1.0, np.abs(off) / (_HUBER * scale))
        mean = float(np.sum(trust * (off**2 - points.sd**2)) / np.sum(trust))
        excess = max(0.0, mean) * len(off)  # of spare groups: a fit takes up its share of scatter
        variance = (excess * bool(spare) + 3 * _SCATTER**2) / (spare + 3)
        weights = trust / (points.sd**2 + variance)
    return solved, weights, float(np.sqrt(variance))


def _columns(points: Points, terms: list[int]) -> list[int]:
    first = 1 + points.z.shape[1]
    return [*range(first), *(first + term for term in terms)]


def _spread(values: np.ndarray, own: list[int], count: int) -> np.ndarray:
    whole = np.zeros(count)
    whole[own] = values
    return whole


def _solve(points: Points, rows: np.ndarray, y: np.ndarray, weights: np.ndarray) -> _Solved:
    inverse = np.linalg.inv(rows.T @ (rows * weights[:, None]) + _prior(points, rows.shape[1]))
    return _Solved(inverse @ (rows.T @ (weights * y)), inverse)


def _prior(points: Points, count: int) -> np.ndarray:
    """The precision of the first `count` coefficients before anything is seen."""
    first = points.z.shape[1]
    return np.diag([1e-9, *[_EXPONENT**-2] * first, *[_BEND**-2] * (count - 1 - first)])


def _chosen(points: Points, rows: np.ndarray, weights: np.ndarray) -> list[int]:
    """The second-order terms that predict blocks left out better, the best first."""
    heavy = rows * weights[:, None]
    products = np.array([rows[own].T @ heavy[own] for own in points.members])
    moments = np.array([heavy[own].T @ points.y[own] for own in points.members])

    def error(terms: list[int]) -> float:
        """The weighted squared error on each block, predicted from the others."""
        own = _columns(points, terms)
        each, sums = products[:, own][:, :, own], moments[:, own]
        others = each.sum(axis=0) + _prior(points, len(own)) - each
        solved = np.linalg.solve(others, (sums.sum(axis=0) - sums)[..., None])[..., 0]
        off = points.y - np.sum(rows[:, own] * solved[points.blocks], axis=1)
        return float(np.sum(weights * off**2))

    terms: list[int] = []
    if sum(bool(weights[own].any()) for own in points.members) < _FEWEST_BLOCKS:
        return terms
    lowest = error(terms)
    while len(_columns(points, terms)) + 3 < len(points.y):
        left = [term for term in range(len(points.bends)) if term not in terms]
        found, term = min(((error([*terms, one]), one) for one in left), default=(np.inf, -1))
        if found > (1 - _WORTH) * lowest:
            break
        lowest, terms = found, [*terms, term]
    return terms


def _resampled(
    points: Points,
    rows: np.ndarray,
    weights: np.ndarray,
    resamples: int,
    observe: Callable[[int], None],
) -> np.ndarray:
    """Coefficients over tables whose blocks are drawn with replacement."""
    count = len(points.members)
    if count < _FEWEST_BLOCKS or not resamples:
        return np.empty((0, rows.shape[1]))
    random = np.random.default_rng(0)
    found = []
    for done in range(resamples):
        times = np.bincount(random.integers(count, size=count), minlength=count)
        drawn = weights * times[points.blocks]
        terms = _chosen(points, rows, drawn)
        own = _columns(points, terms)
        solved = _solve(points, rows[:, own], points.y, drawn)
        found.append(_spread(solved.coefficients, own, rows.shape[1]))
        observe(done + 1)
    return np.array(found)
