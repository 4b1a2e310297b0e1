"""Successive halving of a grid of rates: the lengths, and which rates remain. Pure arithmetic."""

from __future__ import annotations

import math

import numpy as np

from learnrate.sweeping._estimate import mean_losses

__all__ = ["missing_neighbour", "remaining_rates", "rungs"]

_FEWEST_RATES = 3  # the best rate and its two neighbours
_SHORTEST = 20  # updates; in shorter trials a warm-up of 5 % is less than one update


def rungs(total_steps: int, rates: int, factor: int) -> list[int]:
    """The lengths of the trials, increasing; the last is `total_steps`.

    Each is `factor` times as long as the one before and keeps one rate in `factor`, so every rung costs
    about the same. There are as many rungs as it takes to get down to three rates, and none is shorter
    than 20 updates.

    Args:
        total_steps: updates of a whole trial.
        rates: how many rates the first rung has.
        factor: at least 2.

    Examples:
        >>> rungs(900, 13, 3)
        [100, 300, 900]
        >>> rungs(900, 3, 3)
        [900]
    """
    lengths = [total_steps]
    while rates > _FEWEST_RATES and lengths[0] // factor >= _SHORTEST:
        rates = math.ceil(rates / factor)
        lengths.insert(0, lengths[0] // factor)
    return lengths


def remaining_rates(losses: np.ndarray, factor: int) -> list[int]:
    """The positions of the rates for the next rung: one rate in `factor`, and the best's neighbours.

    The neighbours remain because the best rate of a longer run is near that of a shorter run, not
    equal to it.

    Args:
        losses: the losses of each rate and seed, shape (rates, seeds); infinite unless finished.
        factor: at least 2.

    Examples:
        >>> remaining_rates(np.array([[5.0], [4.0], [1.0], [2.0], [3.0], [9.0]]), 3)
        [1, 2, 3]
    """
    mean = mean_losses(losses)
    best = int(np.argmin(mean))
    chosen = set(np.argsort(mean, kind="stable")[: math.ceil(len(mean) / factor)].tolist())
    chosen |= {rate for rate in (best - 1, best, best + 1) if 0 <= rate < len(mean)}
    return sorted(chosen)


def missing_neighbour(tried: list[int], losses: np.ndarray, rates: int) -> int | None:
    """The position of a rate that must be tried at full length too; None if the best is enclosed.

    If the best rate has no tried neighbour on one side, that neighbour was dropped too early.

    Args:
        tried: the positions of the rates tried at full length, increasing.
        losses: the losses of these rates, shape (len(tried), seeds); infinite unless finished.
        rates: how many rates the grid has.

    Examples:
        >>> missing_neighbour([4, 5, 6], np.array([[1.0], [2.0], [3.0]]), 10)
        3
        >>> missing_neighbour([4, 5, 6], np.array([[2.0], [1.0], [3.0]]), 10) is None
        True
    """
    best = tried[int(np.argmin(mean_losses(losses)))]
    for neighbour in (best - 1, best + 1):
        if 0 <= neighbour < rates and neighbour not in tried:
            return neighbour
    return None
