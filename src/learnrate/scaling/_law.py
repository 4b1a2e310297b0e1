"""A law ln lr* = a + sum of b_i z_i + chosen second-order terms, fitted robustly. Pure arithmetic.

z_i is the logarithm of a factor over its mean in the table. Within the table, second-order terms
may bend the law; beyond it the law is straight, with the exponents that it has at the edge.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from learnrate._statistics import STD_OF_DEVIATION

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Law", "RatePoints", "fit_law"]

_EXPONENT_STD = 0.5  # prior of an exponent: published ones lie in -0.8 .. 1
_BEND_STD = 0.25  # prior of how much an exponent changes over a factor e
_LOG_STD = 0.15  # first guess of the groups' deviation from the law, with the weight of 3 groups
_MIN_GAIN = 0.05  # share by which a term must lower the error on blocks left out
_HUBER = 1.345  # in standard deviations: 95 % efficient without outliers
_MIN_SCALE = 0.02  # if most groups fit exactly, a deviation of 2 % is still not an outlier
_MIN_BLOCKS = 5


@dataclass(frozen=True)
class RatePoints:
    """The best rates that a law is fitted to.

    Attributes:
        log_factors: logarithms of the factors, shape (groups, factors).
        log_lr: logarithms of the best rates, shape (groups,).
        log_std: standard errors of `log_lr`.
    """

    log_factors: np.ndarray
    log_lr: np.ndarray
    log_std: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """The mean of each factor's logarithm."""
        return np.asarray(self.log_factors.mean(axis=0))

    @cached_property
    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest logarithm of each factor."""
        return self.log_factors.min(axis=0), self.log_factors.max(axis=0)

    @cached_property
    def bends(self) -> list[tuple[int, int]]:
        """The second-order terms for which the table has enough levels of both factors."""
        levels = [len(np.unique(column)) for column in self.log_factors.T]
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
        factor is the one that gives the fewest blocks, but at least five; without such a factor
        each group is a block.
        """
        blocks = np.arange(len(self.log_lr))
        for factor in range(self.log_factors.shape[1]):
            others = np.round(np.delete(self.log_factors, factor, axis=1), 9)
            _, numbers = np.unique(others, axis=0, return_inverse=True)
            if _MIN_BLOCKS <= numbers.max() + 1 <= blocks.max():
                blocks = numbers
        return blocks

    @cached_property
    def members(self) -> list[np.ndarray]:
        """The indices of the groups that each block of the law has."""
        count = int(self.blocks.max()) + 1
        return [np.flatnonzero(self.blocks == number) for number in range(count)]

    def design(self, log_factors: np.ndarray) -> np.ndarray:
        """The regressors of the coefficients: 1, first order, every second-order term."""
        z = log_factors - self.mean
        inside = np.clip(log_factors, *self.limits) - self.mean
        second = [
            z[:, i] * inside[:, j] + inside[:, i] * z[:, j] - inside[:, i] * inside[:, j]
            for i, j in self.bends
        ]
        return np.stack([np.ones(len(z)), *z.T, *second], axis=1)

    def exponent_row(self, log_factors: np.ndarray, factor: int) -> np.ndarray:
        """The derivatives of the regressors, for the exponent of one factor."""
        inside = np.clip(log_factors, *self.limits) - self.mean
        first = [float(factor == i) for i in range(len(log_factors))]
        second = [
            float(i == factor) * inside[j] + float(j == factor) * inside[i] for i, j in self.bends
        ]
        return np.array([0.0, *first, *second])


@dataclass(frozen=True)
class Law:
    """A fitted law.

    Attributes:
        points: what it was fitted to.
        terms: the second-order terms that it has, as positions in `points.bends`.
        coefficients: one for each column of `points.design`; 0 for terms that were not chosen.
        covariance: the covariance of the coefficients, given the terms.
        log_std: standard deviation of a group's ln lr* about the law, beyond its own error.
        freedom: groups minus coefficients, at least 0.
        draws: coefficients of resampled tables with terms chosen anew, shape (resamples, ...).
    """

    points: RatePoints
    terms: tuple[int, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    log_std: float
    freedom: int
    draws: np.ndarray

    def value(self, row: np.ndarray) -> tuple[float, float]:
        """The product of `row` and the coefficients, and its standard error."""
        variance = float(row @ self.covariance @ row)
        if len(self.draws):
            variance = max(variance, float(np.var(self.draws @ row)))
        return float(row @ self.coefficients), float(np.sqrt(variance))


@dataclass(frozen=True)
class _Solution:
    coefficients: np.ndarray
    inverse: np.ndarray


def fit_law(points: RatePoints, resamples: int, observe: Callable[[int], None]) -> Law:
    """Fit the law, choose its second-order terms, and resample it over blocks of groups.

    A term is added if it lowers the squared error on blocks left out by 5 %, the best one first. Groups
    far from the law have less weight (Huber), and so have those whose best rate is poorly known. The
    deviation from the law is estimated with it. An exponent that the table does not determine stays at 0,
    with a standard error of 0.5.

    Args:
        points: the best rates.
        resamples: how many tables are drawn, at least 0.
        observe: called with the number of tables done.
    """
    design = points.design(points.log_factors)
    weights = 1.0 / (points.log_std**2 + _LOG_STD**2)
    terms = _choose_terms(points, design, weights)
    for _ in range(2):
        _, weights, _ = _fit_robustly(points, design, terms, weights)
        terms = _choose_terms(points, design, weights)
    solution, weights, log_std = _fit_robustly(points, design, terms, weights)
    columns = _columns(points, terms)
    covariance = np.zeros((design.shape[1],) * 2)
    covariance[np.ix_(columns, columns)] = solution.inverse
    return Law(
        points,
        tuple(terms),
        _padded(solution.coefficients, columns, design.shape[1]),
        covariance,
        log_std,
        max(0, len(points.log_lr) - len(columns)),
        _resampled(points, design, weights, resamples, observe),
    )


def _fit_robustly(
    points: RatePoints, design: np.ndarray, terms: list[int], weights: np.ndarray
) -> tuple[_Solution, np.ndarray, float]:
    """The coefficients, the weight of each group, and the deviation, each given the others."""
    design = design[:, _columns(points, terms)]
    freedom = max(0, len(points.log_lr) - design.shape[1])
    for _ in range(12):
        solution = _solve(points, design, points.log_lr, weights)
        residuals = points.log_lr - design @ solution.coefficients
        scale = max(STD_OF_DEVIATION * float(np.median(np.abs(residuals))), _MIN_SCALE)
        trust = 1.0 / np.maximum(1.0, np.abs(residuals) / (_HUBER * scale))
        mean = float(np.sum(trust * (residuals**2 - points.log_std**2)) / np.sum(trust))
        excess = max(0.0, mean) * len(residuals)  # over `freedom`: the fit absorbs a part of it
        variance = (excess * bool(freedom) + 3 * _LOG_STD**2) / (freedom + 3)
        weights = trust / (points.log_std**2 + variance)
    return solution, weights, float(np.sqrt(variance))


def _columns(points: RatePoints, terms: list[int]) -> list[int]:
    """The columns of the design matrix that belong to a law with these terms."""
    first = 1 + points.log_factors.shape[1]
    return [*range(first), *(first + term for term in terms)]


def _padded(values: np.ndarray, columns: list[int], count: int) -> np.ndarray:
    padded = np.zeros(count)
    padded[columns] = values
    return padded


def _solve(
    points: RatePoints, design: np.ndarray, log_lr: np.ndarray, weights: np.ndarray
) -> _Solution:
    precision = design.T @ (design * weights[:, None]) + _prior(points, design.shape[1])
    inverse = np.linalg.inv(precision)
    return _Solution(inverse @ (design.T @ (weights * log_lr)), inverse)


def _prior(points: RatePoints, count: int) -> np.ndarray:
    """The precision of the first `count` coefficients before any data."""
    first = points.log_factors.shape[1]
    second = count - 1 - first
    return np.diag([1e-9, *[_EXPONENT_STD**-2] * first, *[_BEND_STD**-2] * second])


def _choose_terms(points: RatePoints, design: np.ndarray, weights: np.ndarray) -> list[int]:
    """The second-order terms that improve predictions of blocks left out, the best first."""
    weighted = design * weights[:, None]
    products = np.array([design[block].T @ weighted[block] for block in points.members])
    moments = np.array([weighted[block].T @ points.log_lr[block] for block in points.members])

    def error(terms: list[int]) -> float:
        """The weighted squared error on each block, predicted from the others."""
        columns = _columns(points, terms)
        squares, sums = products[:, columns][:, :, columns], moments[:, columns]
        others = squares.sum(axis=0) + _prior(points, len(columns)) - squares
        solved = np.linalg.solve(others, (sums.sum(axis=0) - sums)[..., None])[..., 0]
        predicted = np.sum(design[:, columns] * solved[points.blocks], axis=1)
        return float(np.sum(weights * (points.log_lr - predicted) ** 2))

    terms: list[int] = []
    if sum(bool(weights[block].any()) for block in points.members) < _MIN_BLOCKS:
        return terms
    lowest = error(terms)
    while len(_columns(points, terms)) + 3 < len(points.log_lr):
        unused = [term for term in range(len(points.bends)) if term not in terms]
        errors = ((error([*terms, term]), term) for term in unused)
        next_error, next_term = min(errors, default=(np.inf, -1))
        if next_error > (1 - _MIN_GAIN) * lowest:
            break
        lowest, terms = next_error, [*terms, next_term]
    return terms


def _resampled(
    points: RatePoints,
    design: np.ndarray,
    weights: np.ndarray,
    resamples: int,
    observe: Callable[[int], None],
) -> np.ndarray:
    """Coefficients over tables whose blocks are drawn with replacement."""
    count = len(points.members)
    if count < _MIN_BLOCKS or not resamples:
        return np.empty((0, design.shape[1]))
    random = np.random.default_rng(0)
    draws = []
    for done in range(resamples):
        times = np.bincount(random.integers(count, size=count), minlength=count)
        drawn = weights * times[points.blocks]
        columns = _columns(points, _choose_terms(points, design, drawn))
        solution = _solve(points, design[:, columns], points.log_lr, drawn)
        draws.append(_padded(solution.coefficients, columns, design.shape[1]))
        observe(done + 1)
    return np.array(draws)
