"""What claims measure on tables of losses, one column a seed."""

from __future__ import annotations

import numpy as np

__all__ = ["best_of_others", "best_rates", "excess", "geometric_grid", "highest_usable"]


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
        >>> best_of_others(np.array([[1.0, 1.2, 1.1], [0.9, 1.3, 1.2]]))
        array([1. , 1.3, 1.1])
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


def highest_usable(rates: np.ndarray, losses: np.ndarray, start: float) -> np.ndarray:
    """Up to which rate each seed learns: its loss is at most half of `start`, the loss of a guess.

    From the seed's best rate upwards it is where the loss first crosses the half, between two rates
    in log lr. A seed that crosses nowhere gets the highest rate, one that learns at none the lowest.

    Args:
        rates: increasing, shape (rates,).
        losses: shape (rates, seeds).
        start: such as ln 10 for ten classes.

    Examples:
        >>> rates = np.array([0.01, 0.1, 1.0])
        >>> highest_usable(rates, np.array([[0.5], [0.4], [1.6]]), 2.0).round(4)
        array([0.3162])
    """
    half, logs = 0.5 * start, np.log(rates)
    found = []
    for column in losses.T:
        best = int(column.argmin())
        above = best + np.flatnonzero(column[best:] > half)
        if not len(above):
            found.append(rates[-1])
        elif above[0] == best:
            found.append(rates[0])
        else:
            ends = slice(above[0] - 1, above[0] + 1)
            found.append(np.exp(np.interp(half, column[ends], logs[ends])))
    return np.array(found)
