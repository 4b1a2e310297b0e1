"""The plain grid: five rates half a decade apart around a range test's answer; the lowest loss wins.

The middle rate is a tenth of the rate with fastai's lowest loss. Each rate has one trial with the
complete schedule over its length. A plan is useful only if it beats this grid at equal cost.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .fastai import fastai_test
from .methods import Method, Pick
from .trial_budget import WORST_LOSS, TrialBudget, trial_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell

__all__ = ["METHODS", "grid_around"]

_HALF_DECADES = (-2, -1, 0, 1, 2)


def grid_around(rate: float) -> list[float]:
    """Five rates half a decade apart, the given one in the middle."""
    return [rate * 10 ** (half / 2) for half in _HALF_DECADES]


def _grid(share: int) -> Callable[[Cell, Task, int], Pick]:
    def pick(cell: Cell, task: Task, seed: int) -> Pick:
        test = fastai_test(cell, seed)
        middle, updates = test.rules["minimum"], int(test.reached[0])
        if middle is None:
            return Pick(None, updates / cell.total_steps, "the curve is too short")
        budget = TrialBudget(task, seed, allowed=math.inf, spent=updates)
        steps = trial_steps(cell.total_steps, share)
        losses = {rate: budget.loss(rate, steps) for rate in grid_around(middle)}
        best = min(losses, key=losses.__getitem__)
        if losses[best] >= WORST_LOSS:
            return Pick(None, budget.spent / cell.total_steps, "every trial diverged")
        return Pick(best, budget.spent / cell.total_steps)

    return pick


METHODS = [
    Method(name=f"plain grid, 5 of T/{share}", version="1", pick=_grid(share)) for share in (10, 5)
]
