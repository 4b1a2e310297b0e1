"""The usual rate of the weights, with a constant from the other domains, and what that constant is."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from _page import table

from learnrate._usual_rate import known_usual_rate
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
_LIKE_ADAM = ("adam", "adamw", "adamax", "nadam", "radam", "rmsprop", "sparseadam")


def _is_like_adam(cell: Cell) -> bool:
    return cell.optimizer in _LIKE_ADAM


def _usual_lr(task: Task) -> float:
    with preserved(task):
        usual = known_usual_rate(Training(task, 0).optimizers)
    assert usual is not None
    return usual.lr


@cache
def _log_factors() -> dict[str, dict[str, float]]:
    """The log of the best rate over the usual one, of each cell of each domain."""
    best = bests(CELLS)
    factors: dict[str, dict[str, float]] = {}
    for cell in filter(_is_like_adam, CELLS):
        if cell.name in best:
            factor = math.log(best[cell.name].rate / _usual_lr(cell.task()))
            factors.setdefault(cell.domain, {})[cell.name] = factor
    return factors


def _quantiles(without: str) -> np.ndarray:
    """Of the log factors of all domains but one."""
    factors = [
        factor
        for domain, of_cells in _log_factors().items()
        if domain != without
        for factor in of_cells.values()
    ]
    return np.quantile(factors, _QUANTILES)


def _usual(cell: Cell, task: Task, _seed: int) -> Pick:
    low, rate, high = (_usual_lr(task) * np.exp(_quantiles(cell.domain))).tolist()
    return Pick(rate, 0.0, low=low, high=high)


def show() -> None:
    """Print the constant and its spread, with all domains and with each one left out."""
    rows = []
    for without in ("", *sorted(_log_factors())):
        low, median, high = _quantiles(without)
        rows.append(
            [
                without or "none",
                str(
                    sum(
                        len(cells) for domain, cells in _log_factors().items() if domain != without
                    )
                ),
                f"{median:+.2f}",
                f"{(high - low) / _80_PERCENT:.2f}",
            ]
        )
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
