"""Rates above 1."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims import _data as data
from learnrate.claims._claim import Claim
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_rates, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.claims._trials import ClaimTrials, for_each_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from learnrate.claims._data import Examples
    from learnrate.task import Task

_RATES = geometric_grid(1e-3, 1e3, 2)
_LAYERS = {0: "softmax", 2: "two hidden"}


def _pixels(examples: Examples) -> Examples:
    """The same digits, from 0 to 1."""

    def scaled(x: torch.Tensor) -> torch.Tensor:
        return (x * 6.02 + 4.88) / 16

    return replace(
        examples,
        x=scaled(examples.x),
        held_x=scaled(examples.held_x),
        name="digits from 0 to 1,",
    )


def _tasks(full: bool) -> Sequence[Task]:
    return [
        task_on(
            examples,
            partial(mlp, 64, 32 if layers else 64, layers=layers),
            optimizer,
            steps=200 if full else 100,
            label=label,
        )
        for examples in (data.digits(), _pixels(data.digits()))
        for layers, label in _LAYERS.items()
        for optimizer in ("SGD", "Adam")
    ]


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The rate of the lowest validation loss."""
    losses = trials.sweep(task, _RATES)
    return ClaimMeasurement.of(
        task.name,
        {"best rate": best_rates(np.array(_RATES), losses)},
        ClaimLine.of_means(task.name, _RATES, losses),
    )


CLAIM = Claim(
    topic="extremes",
    statement="A learning rate lies between 0 and 1.",
    source="""
        common advice, for example J. Brownlee, Understand the impact of learning rate on neural
        network performance, 2019: often in the range between 0.0 and 1.0
    """,
    design="""
        A softmax regression and a network with two hidden layers learn digits with SGD and Adam, on
        inputs of variance 1 and on pixels from 0 to 1. They train at rates from 1e-3 to 1000, two a
        decade, with 5 % warm-up and a linear decay to 0. The best rate has the lowest validation
        loss.
    """,
    figures=(factor("best rate", "the rate of the lowest loss", high=1.0),),
    measure=for_each_task(_measure),
    tasks=_tasks,
    seeds=(4, 4),
    remark="""
        The number means nothing without the scale of the loss and of the inputs: for inputs that
        are ten times smaller, SGD can use a rate that is a hundred times higher. Adadelta's default
        is 1.
    """,
)
