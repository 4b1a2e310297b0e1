"""The usual rate of the weights, with a constant from the other domains, and what that constant is."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from _page import table

from learnrate._usual_rate import LIKE_ADAM, known_usual_rate
from learnrate.trials import Training, preserved

from .cells import CELLS
from .methods import Method, Pick
from .scores import bests

if TYPE_CHECKING:
    from learnrate import Task

    from .cells import Cell

__all__ = ["METHODS", "show"]

_QUANTILES = (0.1, 0.5, 0.9)
_80_PERCENT = 2 * 1.2816  # standard deviations between the outer two, of a normal distribution


def _is_like_adam(cell: Cell) -> bool:
    return cell.optimizer in map(str.lower, LIKE_ADAM)


def _usual_lr(task: Task) -> float:
    with preserved(task):
        usual = known_usual_rate(Training(task, 0).optimizers)
    assert usual is not None
    return usual.lr


@cache
def _log_factors() -> dict[str, list[float]]:
    """The logs of the best rates over the usual ones, by domain."""
    best = bests(CELLS)
    factors: dict[str, list[float]] = {}
    for cell in filter(_is_like_adam, CELLS):
        if cell.name in best:
            factor = math.log(best[cell.name].rate / _usual_lr(cell.task()))
            factors.setdefault(cell.domain, []).append(factor)
    return factors


def _of_others(left_out: str) -> list[float]:
    """The log factors of all domains but one."""
    by_domain = _log_factors().items()
    return [factor for domain, factors in by_domain if domain != left_out for factor in factors]


def _usual(cell: Cell, task: Task, _seed: int) -> Pick:
    quantiles = np.quantile(_of_others(cell.domain), _QUANTILES)
    low, rate, high = (_usual_lr(task) * np.exp(quantiles)).tolist()
    return Pick(rate, 0.0, low=low, high=high)


def show() -> None:
    """Print the constant and its spread, with all domains and with each one left out."""
    rows = []
    for left_out in ("", *sorted(_log_factors())):
        factors = _of_others(left_out)
        low, median, high = np.quantile(factors, _QUANTILES)
        spread = (high - low) / _80_PERCENT
        rows.append([left_out or "none", str(len(factors)), f"{median:+.2f}", f"{spread:.2f}"])
    print(table(["domain left out", "cells", "log of best over usual", "its spread"], rows))


METHODS = [
    Method(
        name="usual rate of the weights",
        version="1",
        pick=_usual,
        applies=_is_like_adam,
        seeds=1,
    )
]
