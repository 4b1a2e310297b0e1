"""Successive halving of a grid of rates: which lengths, which rates go on. Pure arithmetic."""

from __future__ import annotations

import math

import numpy as np

from learnrate.sweeping._estimate import mean_losses

__all__ = ["added", "kept", "rungs"]

_FEWEST_RATES = 3  # the best and a neighbour on either side, which enclose it
_SHORTEST = 20  # updates; below, a warm-up of 5 % is less than one


def rungs(total_steps: int, rates: int, factor: int) -> list[int]:
    """The lengths of the trials, increasing; the last is `total_steps`.

    Each is `factor` times the one before, and leaves a `factor`-th of the rates, so that every
    rung costs about the same. There are no more than it takes to come down to three rates, and
    none is shorter than 20 updates.

    Args:
        total_steps: updates of a whole trial.
        rates: how many there are at first.
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


def kept(losses: np.ndarray, factor: int) -> list[int]:
    """The positions of the rates that go on: the best `1 / factor` and the best one's neighbours.

    The neighbours are kept because the best rate of a longer run is near the one of a shorter run,
    not equal to it.

    Args:
        losses: of each rate and seed, shape (rates, seeds), infinite where not finished.
        factor: at least 2.

    Examples:
        >>> kept(np.array([[5.0], [4.0], [1.0], [2.0], [3.0], [9.0]]), 3)
        [1, 2, 3]
    """
    mean = mean_losses(losses)
    best = int(np.argmin(mean))
    chosen = set(np.argsort(mean, kind="stable")[: math.ceil(len(mean) / factor)].tolist())
    chosen |= {at for at in (best - 1, best, best + 1) if 0 <= at < len(mean)}
    return sorted(chosen)


def added(tried: list[int], losses: np.ndarray, rates: int) -> int | None:
    """The position of a rate to try at full length after all; None when the best is enclosed.

    When the best of those that were kept is the lowest or the highest of them, the next one of the
    grid beyond it was dropped too early.

    Args:
        tried: the positions kept until the end, increasing.
        losses: theirs, shape (len(tried), seeds), infinite where not finished.
        rates: how many the grid has.

    Examples:
        >>> added([4, 5, 6], np.array([[1.0], [2.0], [3.0]]), 10)
        3
        >>> added([4, 5, 6], np.array([[2.0], [1.0], [3.0]]), 10) is None
        True
    """
    best = tried[int(np.argmin(mean_losses(losses)))]
    for beside in (best - 1, best + 1):
        if 0 <= beside < rates and beside not in tried:
            return beside
    return None
