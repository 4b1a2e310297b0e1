"""Optimizers that need no learning rate, each at its defaults, as `learnrate compare` makes them.

Prodigy decays linearly to 0 without warm-up (its authors advise against warm-up unless a safeguard is
set). D-Adaptation keeps the schedule of the cell, as its authors recommend. DoG is judged by its
averaged weights, which its authors call crucial, and schedule-free by its evaluation weights, after
5 % warm-up. Cells with SGD use the versions for SGD.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from learnrate import schedule
from learnrate.comparing import TUNING_FREE
from learnrate.trials import DivergenceTest, Training, preserved

from .methods import Method, TrainedRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task
    from learnrate.comparing import TuningFree

    from .cells import Cell

__all__ = ["METHODS"]

_NAMES = ("Prodigy", "D-Adaptation", "DoG", "schedule-free")


def _run(tuning_free: TuningFree) -> Callable[[Cell, Task, int], TrainedRun]:
    """A whole run; the rate is the optimizer's default times the shape of its authors."""

    def train(cell: Cell, task: Task, seed: int) -> TrainedRun:
        sgd, total_steps = cell.optimizer == "sgd", cell.total_steps
        changed = replace(
            task,
            optimizer=lambda model: tuning_free.make(model, sgd=sgd, total_steps=total_steps),
        )
        with preserved(changed):
            training = Training(changed, seed)
            default = tuning_free.lr[tuning_free.class_name(sgd=sgd)]
            test = DivergenceTest()
            for factor in schedule(tuning_free.shape).over(total_steps).table().tolist():
                if test.diverged(training.update(default * factor)):
                    return TrainedRun(math.inf)
            loss = training.validate()
        assert loss is not None
        return TrainedRun(loss if math.isfinite(loss) else math.inf)

    return train


METHODS = [
    Method(
        name=name,
        version=TUNING_FREE[name].installed_version or "",
        train=_run(TUNING_FREE[name]),
    )
    for name in _NAMES
]
