"""The range of the best rates of many tasks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims import _data as data
from learnrate.claims._claim import Claim
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_rates, geometric_grid
from learnrate.claims._tasks import mlp, task_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._data import Examples
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_LAYERS = {0: "softmax", 1: "1 hidden layer", 4: "4 hidden layers"}
_OPTIMIZERS = ("SGD", "SGD momentum", "Adam", "RMSprop")
_RAW = "x 1000"


def _tasks(full: bool) -> Sequence[Task]:
    """Digits with several networks and optimizers, and digits times a thousand."""
    tasks = [
        _task(examples, layers, optimizer)
        for examples in ([data.digits(), data.fashion()] if full else [data.digits()])
        for layers in _LAYERS
        for optimizer in _OPTIMIZERS
    ]
    raw = replace(data.digits(), name=f"digits {_RAW},")
    raw = replace(raw, x=1000.0 * raw.x, held_x=1000.0 * raw.held_x)
    return [*tasks, *(_task(raw, 0, optimizer) for optimizer in ("SGD", "Adam"))]


def _task(examples: Examples, layers: int, optimizer: str) -> Task:
    """A network of this many hidden layers on these examples."""
    inputs = examples.x[0].numel()
    model = partial(mlp, inputs, 32 if layers else inputs, layers=layers)
    return task_on(examples, model, optimizer, batch=32, steps=100, label=_LAYERS[layers])


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The best rate of every task."""
    rates = geometric_grid(1e-9, 1e3, 1)
    cases, lines = [], []
    for task in trials.tasks:
        losses = trials.sweep(task, rates)
        figure = "best, unscaled" if _RAW in task.name else "best"
        cases.append(Case(figure, task.name, best_rates(np.array(rates), losses).tolist()))
        lines.append(ClaimLine.of_means(task.name, rates, losses))
    return ClaimMeasurement(cases, lines[:: max(1, len(lines) // 5)][:6])


CLAIM = Claim(
    topic="defaults",
    statement="The sensible range of learning rates is 1e-6 to 10.",
    source="""
        Common advice; Bengio, 2012, arXiv:1206.5533: below 1 and above 1e-6 for a network with
        standardised inputs
    """,
    design="""
        Networks with no, one and four hidden layers train for 100 updates with each of four
        optimizers, at rates from 1e-9 to 1000, one a decade, with 5 % warm-up and a linear decay to
        0. The best rate has the lowest validation loss. Two of the networks also train on inputs
        that are a thousand times too large.
    """,
    figures=(
        factor("best", "the best rate", low=1e-6, high=10.0),
        factor("best, unscaled", "the best rate, inputs not standardised"),
    ),
    measure=_measure,
    tasks=_tasks,
    seeds=(3, 5),
    remark="""
        The claim holds for inputs and weights of size about 1. If the inputs get larger, the best
        rate of SGD falls in proportion, or with the square for a squared loss; the best rate of
        Adam hardly changes.
    """,
)
