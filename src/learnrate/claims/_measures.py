"""Measures on tables of losses with a row for each rate and a column for each seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "best_of_others",
    "best_rate",
    "best_rates",
    "best_rows_of_others",
    "excess",
    "geometric_grid",
    "geometric_mean",
    "highest_below",
    "rank_agreement",
]


def geometric_grid(low: float, high: float, per_decade: int = 3) -> list[float]:
    """Rates from `low` to at least `high`, equal factors apart, with four digits.

    Args:
        low: the lowest rate.
        high: the highest rate, or a little less.
        per_decade: rates in a factor of ten.

    Examples:
        >>> geometric_grid(0.01, 0.1, 3)
        [0.01, 0.02154, 0.04642, 0.1]
    """
    count = int(np.ceil(np.log10(high / low) * per_decade - 1e-9))
    return [float(f"{low * 10 ** (index / per_decade):.4g}") for index in range(count + 1)]


def geometric_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The exponential of the mean logarithm along an axis."""
    return np.asarray(np.exp(np.log(values).mean(axis=axis)))


def best_rows_of_others(losses: np.ndarray) -> np.ndarray:
    """For each seed the row with the lowest total loss of the other seeds, shape (seeds,)."""
    return np.asarray((losses.sum(axis=1, keepdims=True) - losses).argmin(axis=0))


def best_of_others(losses: np.ndarray) -> np.ndarray:
    """For each seed its loss at the rate that is best for the other seeds, shape (seeds,).

    The best rate over all seeds would be chosen by the same loss that it is judged by.

    Args:
        losses: shape (rates, seeds), at least two seeds.

    Examples:
        >>> best_of_others(np.array([[1.0, 1.2, 1.1], [0.8, 1.3, 1.2]]))
        array([1. , 1.3, 1.2])
    """
    return np.asarray(losses[best_rows_of_others(losses), np.arange(losses.shape[1])])


def excess(losses: np.ndarray, row: int) -> np.ndarray:
    """The share by which the loss in one row exceeds the loss at the best rate, for each seed.

    Args:
        losses: shape (rates, seeds).
        row: the row of the rate in question.

    Examples:
        >>> excess(np.array([[1.0, 1.0], [1.5, 1.2]]), 1).round(3)
        array([0.5, 0.2])
    """
    return np.asarray(losses[row] / best_of_others(losses) - 1.0)


def best_rate(rates: Sequence[float], losses: np.ndarray) -> float:
    """The rate with the lowest mean loss over the seeds."""
    return rates[int(losses.mean(axis=1).argmin())]


def best_rates(rates: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The best rate of each seed: the vertex of a parabola in log lr.

    The parabola passes through the lowest loss and its two neighbours. If the lowest loss is at an
    edge of the grid, the best rate is that edge.

    Args:
        rates: equal factors apart, shape (rates,).
        losses: shape (rates, seeds).

    Examples:
        >>> rates = np.array([0.001, 0.01, 0.1])
        >>> best_rates(rates, np.array([[1.0], [0.0], [1.0]])).round(6)
        array([0.01])
    """
    logs = np.log(rates)
    gap = logs[1] - logs[0]
    best = []
    for column in losses.T:
        row = int(column.argmin())
        shift = 0.0
        if 0 < row < len(rates) - 1:
            before, lowest, after = column[row - 1 : row + 2]
            bend = before - 2.0 * lowest + after
            shift = 0.5 * (before - after) / bend if bend > 0 else 0.0
        best.append(np.exp(logs[row] + gap * shift))
    return np.array(best)


def rank_agreement(losses: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """For each seed Spearman's correlation of its ranking with that of the other seeds.

    Args:
        losses: what each seed ranks, shape (candidates, seeds).
        reference: losses of the same candidates. The other seeds' mean is taken from these.

    Examples:
        >>> losses = np.array([[1.0, 1.1], [2.0, 2.1], [3.0, 1.9]])
        >>> rank_agreement(losses, losses)
        array([0.5, 0.5])
    """
    others = reference.sum(axis=1, keepdims=True) - reference
    columns = zip(losses.T, others.T, strict=True)
    return np.array(
        [np.corrcoef(_ranks(column), _ranks(other))[0, 1] for column, other in columns]
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks in rising order; equal values share the mean of their ranks."""
    below = (values[:, None] > values[None, :]).sum(axis=1)
    same = (values[:, None] == values[None, :]).sum(axis=1)
    return np.asarray(below + 0.5 * (same - 1))


def highest_below(rates: np.ndarray, losses: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The highest rate up to which each seed's loss stays below its level.

    The search starts at the rate with the lowest loss. Between two rates the loss is interpolated
    linearly in log lr. If the loss stays below the level, the result is the end of the grid.

    Args:
        rates: rising, shape (rates,).
        losses: shape (rates, seeds).
        levels: shape (seeds,).

    Examples:
        >>> rates = np.array([0.01, 0.1, 1.0])
        >>> highest_below(rates, np.array([[1.0], [0.5], [2.5]]), np.array([1.5])).round(3)
        array([0.316])
    """
    highest = []
    logs = np.log(rates)
    for column, level in zip(losses.T, levels, strict=True):
        row = int(column.argmin())
        while row + 1 < len(rates) and column[row + 1] < level:
            row += 1
        end = min(row + 1, len(rates) - 1)
        inside, outside = column[row], column[end]
        share = (level - inside) / (outside - inside) if inside < level <= outside else 0.0
        highest.append(np.exp(logs[row] + share * (logs[end] - logs[row])))
    return np.array(highest)
