"""Strides of a convolutional network."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._data import digits, fashion_at_half_size
from learnrate.claims._loss_history import loss_histories, ratio_at_equal_training_loss
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_rate, geometric_grid
from learnrate.claims._tasks import task_on
from learnrate.schedules import schedule

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_SHAPE = "warmup(5%) >> linear()"
_WIDTH = 8
_MARKS = 20  # validations of a run


def _network(side: int, stride: int) -> nn.Sequential:
    """Two convolutions with this stride, and an output layer that reads all their outputs."""
    rest = math.ceil(math.ceil(side / stride) / stride)
    return nn.Sequential(
        nn.Unflatten(1, (1, side, side)),
        nn.Conv2d(1, _WIDTH, 3, stride=stride, padding=1),
        nn.ReLU(),
        nn.Conv2d(_WIDTH, _WIDTH, 3, stride=stride, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(_WIDTH * rest * rest, 10),
    )


def _task(stride: int, full: bool) -> Task:
    examples = fashion_at_half_size().first(500) if full else digits().first(200)
    network = partial(_network, 14 if full else 8, stride)
    steps = 400 if full else 300
    return task_on(examples, network, "AdamW", batch=50, steps=steps, label=f"stride {stride}")


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The parameters, and the validation loss at equal training loss, without subsampling and with it."""
    tasks = [_task(stride, trials.full) for stride in (2, 1)]
    rates = geometric_grid(1e-3, 0.03, 2)
    runs = []
    for task in tasks:
        best = best_rate(rates, trials.sweep(task, rates, _SHAPE))
        runs.append((task, (best * schedule(_SHAPE)).over(task.run_length())))
    histories = loss_histories(trials, runs, _MARKS)
    sizes = [sum(value.numel() for value in task.model().parameters()) for task in tasks]
    ratios = [
        ratio_at_equal_training_loss(plain, strided)
        for strided, plain in zip(*histories, strict=True)
    ]
    lines = [
        ClaimLine.of(task.name, runs_of[0].training, runs_of[0].validation)
        for task, runs_of in zip(tasks, histories, strict=True)
    ]
    where = "500 of Fashion-MNIST" if trials.full else "200 digits"
    values = {"validation loss": ratios, "parameters": [sizes[1] / sizes[0]] * len(ratios)}
    return ClaimMeasurement.of(where, values, *lines)


CLAIM = Claim(
    topic="overfitting",
    statement="Removing subsampling adds parameters, and the network overfits more.",
    source="common advice on convolutional networks; the count follows from the flattened layer",
    design="""
        Two convolutions with stride 2 each, and the same with stride 1, learn few examples (200
        digits, in the full test 500 images of Fashion-MNIST at 14 x 14 pixels) with AdamW, 5 % warm-up, then linear to 0, each at its best rate of four. An output layer reads
        all that the convolutions leave. Validation losses are compared at five training losses
        that both reach.
    """,
    figures=(
        factor(
            "validation loss",
            "validation loss at equal training loss, without subsampling divided by with it",
            low=1.0,
        ),
        factor("parameters", "without subsampling over with it", low=1.0),
    ),
    measure=_measure,
    seeds=(4, 5),
    remark="""
        The number of parameters grows because the output layer reads every pixel. A network that
        averages over all pixels before its output layer has the same number of parameters with and
        without subsampling.
    """,
    axes=ClaimAxes("training loss, first seed", "validation loss", log="xy"),
)
