"""What claims measure on tables of losses, one column a seed."""

from __future__ import annotations

import numpy as np

__all__ = [
    "best_of_others",
    "best_rates",
    "excess",
    "geometric_grid",
    "highest_below",
    "rank_agreement",
]


def geometric_grid(low: float, high: float, per_decade: int = 3) -> list[float]:
    """Rates from `low` to at least `high`, equal factors apart, of four digits.

    Examples:
        >>> geometric_grid(0.01, 0.1, 3)
        [0.01, 0.02154, 0.04642, 0.1]
    """
    count = int(np.ceil(np.log10(high / low) * per_decade - 1e-9))
    return [float(f"{low * 10 ** (at / per_decade):.4g}") for at in range(count + 1)]


def best_of_others(losses: np.ndarray) -> np.ndarray:
    """For each seed its loss at the rate that is best for the other seeds, shape (seeds,).

    The best rate of all seeds together would have been chosen by the very loss it is judged by.

    Args:
        losses: shape (rates, seeds), at least two seeds.

    Examples:
        >>> best_of_others(np.array([[1.0, 1.2, 1.1], [0.8, 1.3, 1.2]]))
        array([1. , 1.3, 1.2])
    """
    others = losses.sum(axis=1, keepdims=True) - losses
    columns = np.arange(losses.shape[1])
    return np.asarray(losses[others.argmin(axis=0), columns])


def excess(losses: np.ndarray, at: int) -> np.ndarray:
    """By what share the loss in row `at` lies above the best rate's, for each seed.

    Args:
        losses: shape (rates, seeds).
        at: the row of the rate in question.

    Examples:
        >>> excess(np.array([[1.0, 1.0], [1.5, 1.2]]), 1).round(3)
        array([0.5, 0.2])
    """
    return np.asarray(losses[at] / best_of_others(losses) - 1.0)


def best_rates(rates: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The best rate of each seed, by a parabola in log lr through the lowest loss and its neighbours.

    At the edge of the grid it is the edge.

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
    found = []
    for column in losses.T:
        at = int(column.argmin())
        shift = 0.0
        if 0 < at < len(rates) - 1:
            before, lowest, after = column[at - 1 : at + 2]
            bend = before - 2.0 * lowest + after
            shift = 0.5 * (before - after) / bend if bend > 0 else 0.0
        found.append(np.exp(logs[at] + gap * shift))
    return np.array(found)


def rank_agreement(seen: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """For each seed Spearman's correlation of what it ranks with what the other seeds rank.

    Args:
        seen: losses, shape (things, seeds).
        reference: losses of the same things, of which the other seeds' mean is taken.

    Examples:
        >>> losses = np.array([[1.0, 1.1], [2.0, 2.1], [3.0, 1.9]])
        >>> rank_agreement(losses, losses)
        array([0.5, 0.5])
    """
    others = reference.sum(axis=1, keepdims=True) - reference
    columns = zip(seen.T, others.T, strict=True)
    return np.array([np.corrcoef(_ranks(one), _ranks(other))[0, 1] for one, other in columns])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Places in rising order; equal values share the mean of theirs."""
    below = (values[:, None] > values[None, :]).sum(axis=1)
    same = (values[:, None] == values[None, :]).sum(axis=1)
    return np.asarray(below + 0.5 * (same - 1))


def highest_below(rates: np.ndarray, losses: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The highest rate up to which each seed's loss stays below its level, from its lowest loss on.

    Between two rates it is taken from the straight line in log lr; past the grid it is its end.

    Args:
        rates: rising, shape (rates,).
        losses: shape (rates, seeds).
        levels: shape (seeds,).

    Examples:
        >>> rates = np.array([0.01, 0.1, 1.0])
        >>> highest_below(rates, np.array([[1.0], [0.5], [2.5]]), np.array([1.5])).round(3)
        array([0.316])
    """
    found = []
    logs = np.log(rates)
    for column, level in zip(losses.T, levels, strict=True):
        at = int(column.argmin())
        while at + 1 < len(rates) and column[at + 1] < level:
            at += 1
        end = min(at + 1, len(rates) - 1)
        here, there = column[at], column[end]
        share = (level - here) / (there - here) if here < level <= there else 0.0
        found.append(np.exp(logs[at] + share * (logs[end] - logs[at])))
    return np.array(found)
