"""Whole runs at several rates a decade apart, until the best one is enclosed. Pure.

The model of several rates has one minimum. But networks that died all end with the same loss, and such a
flat region hides the minimum from the fit. So whole runs enclose the best one first, and then only those
around it are fitted.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._rung_losses import LadderTrial

__all__ = ["around_best", "neighbours", "next_neighbour"]

_DECADE = math.log(10.0)
_SAME = 1e-3  # logs: rates this close are equal
_CLEAR = 0.01  # log loss by which a run must be lower, so that noise in a flat region does not lead away


def neighbours(count: int) -> np.ndarray:
    """The offsets to the neighbours of a run: each two rates together, their ratio, and each rate alone.

    Args:
        count: the number of rates.
    """
    axes = np.eye(count)
    pairs = [pair for a, b in combinations(axes, 2) for pair in (a + b, a - b)]
    return _DECADE * np.array([sign * row for row in [*pairs, *axes] for sign in (-1.0, 1.0)])


def next_neighbour(whole: Sequence[LadderTrial]) -> np.ndarray | None:
    """The log rates of a neighbour of the best run that was not tried; None if all were.

    Args:
        whole: the whole runs so far; those a number of decades from the first one count.
    """
    places = np.array([trial.log_lrs for trial in whole])
    decades = (places - places[0]) / _DECADE
    on_lattice = np.abs(decades - decades.round()).max(axis=1) < _SAME
    losses = np.where(on_lattice, [trial.log_loss for trial in whole], math.inf)
    first_of_best = np.argmax(losses <= losses.min() + _CLEAR)
    around = places[first_of_best] + neighbours(places.shape[1])
    is_new = np.abs(around[:, None, :] - places).max(axis=2).min(axis=1) > _SAME
    return np.asarray(around[np.argmax(is_new)]) if is_new.any() else None


def around_best(whole: Sequence[LadderTrial]) -> list[LadderTrial]:
    """The best whole run, and those at most a decade from it in every rate."""
    best = np.array(min(whole, key=lambda trial: trial.log_loss).log_lrs)
    return [t for t in whole if np.abs(np.array(t.log_lrs) - best).max() < _DECADE + _SAME]
