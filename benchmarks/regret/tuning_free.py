"""Optimizers that need no learning rate, each at its defaults.

Prodigy decays linearly to 0 without warm-up (its authors advise against warm-up unless a safeguard is
set). D-Adaptation keeps the schedule of the cell, as its authors recommend. DoG is judged by its
averaged weights, which its authors call crucial, and schedule-free by its evaluation weights, after
5 % warm-up. Cells with SGD use the versions for SGD.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from learnrate import schedule
from learnrate.trials import DivergenceTest, Training, preserved

from .methods import Method
from .truth import SHAPE

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from learnrate import Task

    from .cells import Cell

    Make = Callable[[Cell, list[torch.nn.Parameter]], torch.optim.Optimizer]

__all__ = ["METHODS"]


def _prodigy(_: Cell, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    from prodigyopt import Prodigy  # noqa: PLC0415 - a peer

    optimizer: torch.optim.Optimizer = Prodigy(parameters)
    return optimizer


def _d_adaptation(cell: Cell, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    from dadaptation import DAdaptAdam, DAdaptSGD  # noqa: PLC0415 - a peer

    sgd = cell.optimizer == "sgd"
    optimizer: torch.optim.Optimizer = (
        DAdaptSGD(parameters, momentum=0.9) if sgd else DAdaptAdam(parameters)
    )
    return optimizer


def _dog(_: Cell, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    from dog import DoG  # noqa: PLC0415 - a peer

    optimizer: torch.optim.Optimizer = DoG(parameters)
    return optimizer


def _schedule_free(cell: Cell, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    from schedulefree import AdamWScheduleFree, SGDScheduleFree  # noqa: PLC0415 - a peer

    form = SGDScheduleFree if cell.optimizer == "sgd" else AdamWScheduleFree
    optimizer: torch.optim.Optimizer = form(parameters, warmup_steps=cell.total_steps // 20)
    return optimizer


def _run(make: Make, shape: str | None) -> Callable[[Cell, Task, int], float]:
    """A whole run; the rate is the optimizer's default, times a shape if there is one."""

    def train(cell: Cell, task: Task, seed: int) -> float:
        changed = replace(task, optimizer=lambda model: make(cell, list(model.parameters())))
        with preserved(changed), contextlib.redirect_stdout(None):
            training = Training(changed, seed)
            default = float(training.optimizer.param_groups[0]["lr"])
            factors = [1.0] * cell.total_steps
            if shape is not None:
                factors = schedule(shape).over(cell.total_steps).table().tolist()
            averager = _averager(training)
            _set_mode(training.optimizer, "train")
            test = DivergenceTest()
            for factor in factors:
                if test.diverged(training.update(default * factor)):
                    return math.inf
                if averager is not None:
                    averager.step()
            _set_mode(training.optimizer, "eval")
            if averager is not None:
                training.model = averager.averaged_model
            loss = training.validate()
        assert loss is not None
        return loss if math.isfinite(loss) else math.inf

    return train


def _averager(training: Training) -> Any:
    """For DoG the average of the weights, by which it is judged; None for the others."""
    if type(training.optimizer).__name__ != "DoG":
        return None
    from dog import PolynomialDecayAverager  # noqa: PLC0415 - a peer

    return PolynomialDecayAverager(training.model)


def _set_mode(optimizer: torch.optim.Optimizer, name: str) -> None:
    """Select the weights of schedule-free, which keeps one set to train and one to evaluate."""
    change = getattr(optimizer, name, None)
    if change is not None:
        change()


METHODS = [
    Method(name="Prodigy", version=version("prodigyopt"), train=_run(_prodigy, "linear()")),
    Method(name="D-Adaptation", version=version("dadaptation"), train=_run(_d_adaptation, SHAPE)),
    Method(name="DoG", version=version("dog-optimizer"), train=_run(_dog, None)),
    Method(
        name="schedule-free", version=version("schedulefree"), train=_run(_schedule_free, None)
    ),
]
