"""fastai's four rules of picking a rate, on a range test made as fastai makes it.

100 rates from 1e-7 to 10, an exponential mean with memory 0.98, stopped when the mean is above four
times its lowest value. The rules are learnrate's implementations, so fastai is not needed.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from learnrate.range_test import RangeTest
from learnrate.trials import Training, preserved

from .methods import Method, Pick

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell

__all__ = ["METHODS", "fastai_test"]

_ITERS = 100


@lru_cache(maxsize=8)  # four rules use the same test
def fastai_test(cell: Cell, seed: int) -> RangeTest:
    """The range test as fastai makes it."""
    lrs = np.geomspace(1e-7, 10, _ITERS)
    losses = np.full(_ITERS, math.nan)
    memory, weighted_sum, weight, lowest = 0.98, 0.0, 0.0, math.inf
    task = cell.task()
    with preserved(task):
        training = Training(task, seed)
        for step, lr in enumerate(lrs.tolist()):
            loss = training.update(lr)
            if not math.isfinite(loss):
                break
            losses[step] = loss
            weighted_sum, weight = memory * weighted_sum + loss, memory * weight + 1
            lowest = min(lowest, weighted_sum / weight)
            if weighted_sum / weight > 4 * lowest:
                break
    return RangeTest(lr=lrs, loss=losses[None], mode="exponential", seed=seed, memory=memory)


def _fastai(rule: str) -> Callable[[Cell, Task, int], Pick]:
    def pick(cell: Cell, _: Task, seed: int) -> Pick:
        test = fastai_test(cell, seed)
        rate = test.rules[rule]
        return Pick(
            rate, int(test.reached[0]) / cell.total_steps, "" if rate else "the curve is too short"
        )

    return pick


METHODS = [
    Method(name=f"fastai {name}", version="1", pick=_fastai(rule))
    for name, rule in (
        ("valley", "valley"),
        ("slide", "slide"),
        ("steep", "steepest"),
        ("minimum/10", "minimum"),
    )
]
