"""BatchNorm and the highest rate."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from learnrate.claims._claim import Claim
from learnrate.claims._data import digits, fashion
from learnrate.claims._tasks import OPTIMIZERS, task_on
from learnrate.claims._usable import USABLE_DESIGN, measure_usable, usable_figures

if TYPE_CHECKING:
    from learnrate.task import Task


def _network(inputs: int, width: int, layers: int, *, normed: bool) -> nn.Sequential:
    """Hidden layers with ReLU, normed before it or not."""
    made: list[nn.Module] = []
    for _ in range(layers):
        made.append(nn.Linear(inputs, width))
        if normed:
            made.append(nn.BatchNorm1d(width))
        made.append(nn.ReLU())
        inputs = width
    return nn.Sequential(*made, nn.Linear(width, 10))


def _pairs(full: bool) -> list[tuple[Task, Task]]:
    examples, inputs = (fashion(), 784) if full else (digits(), 64)
    steps, width = (600, 64) if full else (250, 32)

    def task(layers: int, *, normed: bool) -> Task:
        network = partial(_network, inputs, width, layers, normed=normed)
        called = f"MLP of {layers} layers"
        return task_on(examples, network, OPTIMIZERS["SGD"], batch=100, steps=steps, called=called)

    return [(task(layers, normed=False), task(layers, normed=True)) for layers in (2, 4)]


CLAIM = Claim(
    name="batchnorm-allows-higher-rates",
    topic="extremes",
    statement="Batch normalization allows much higher learning rates.",
    source="Ioffe and Szegedy 2015, arXiv:1502.03167; Bjorck et al. 2018, arXiv:1806.02375",
    design=USABLE_DESIGN.format(what="BatchNorm before every ReLU (SGD, batch 100)"),
    figures=usable_figures("BatchNorm", low=3.0),
    measure=measure_usable(_pairs, 0.03, 30.0),
    seeds=4,
    full_seeds=5,
    remark=(
        "Weights before a BatchNorm have no scale of their own: a large step makes them long, and the "
        "steps after it short, so that a high rate lowers itself."
    ),
)
