"""Where the best rates of many tasks lie."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims import _data as data
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._measures import best_rates, geometric_grid
from learnrate.claims._tasks import mlp, task_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._bench import Bench
    from learnrate.claims._data import Examples
    from learnrate.task import Task

_LAYERS = {0: "softmax", 1: "1 hidden layer", 4: "4 hidden layers"}
_OPTIMIZERS = ("SGD", "SGD momentum", "Adam", "RMSprop")
_RAW = "x 1000"


def _tasks(full: bool) -> Sequence[Task]:
    made = [
        _task(examples, layers, optimizer)
        for examples in ([data.digits(), data.fashion()] if full else [data.digits()])
        for layers in _LAYERS
        for optimizer in _OPTIMIZERS
    ]
    raw = replace(data.digits(), name=f"digits {_RAW},")
    raw = replace(raw, x=1000.0 * raw.x, held_x=1000.0 * raw.held_x)
    return [*made, *(_task(raw, 0, optimizer) for optimizer in ("SGD", "Adam"))]


def _task(examples: Examples, layers: int, optimizer: str) -> Task:
    inputs = examples.x[0].numel()
    model = partial(mlp, inputs, 32 if layers else inputs, layers=layers)
    return task_on(examples, model, optimizer, batch=32, steps=100, called=_LAYERS[layers])


def _measure(bench: Bench) -> Measured:
    rates = geometric_grid(1e-9, 1e3, 1)
    cases, lines = [], []
    for task in bench.tasks:
        losses = bench.sweep(task, rates)
        figure = "best, unscaled" if _RAW in task.name else "best"
        cases.append(Case(figure, task.name, best_rates(np.array(rates), losses).tolist()))
        lines.append(Line(task.name, rates, losses.mean(axis=1).tolist()))
    return Measured(cases, lines[:: max(1, len(lines) // 5)][:6])


CLAIM = Claim(
    name="rates-lie-between-1e-6-and-10",
    topic="defaults",
    statement="The sensible range of learning rates is 1e-6 to 10.",
    source=(
        "Common advice; Bengio, 2012, arXiv:1206.5533: below 1 and above 1e-6 for a network "
        "with standardised inputs"
    ),
    design=(
        "Networks of no, one and four hidden layers train 100 updates with each of four "
        "optimizers at rates from 1e-9 to 1000, one a decade: 5 % warm-up, linear to 0. The "
        "best rate is that of the lowest validation loss. Two of them also train on inputs a "
        "thousand times too large."
    ),
    figures=(
        Figure(name="best", says="the best rate", low=1e-6, high=10.0, unit="x"),
        Figure(name="best, unscaled", says="the best rate, inputs not standardised", unit="x"),
    ),
    measure=_measure,
    tasks=_tasks,
    seeds=3,
    full_seeds=5,
    remark=(
        "It holds for inputs and weights of size about 1. The best rate of SGD falls with the "
        "scale of the inputs, under a squared loss with its square; Adam's hardly does."
    ),
)
