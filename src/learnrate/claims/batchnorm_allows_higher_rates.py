"""BatchNorm and the highest rate."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from learnrate.claims._data import digits, fashion
from learnrate.claims._measurement import MUCH
from learnrate.claims._tasks import OPTIMIZERS, mlp, task_on
from learnrate.claims._usable import usable_claim

if TYPE_CHECKING:
    from learnrate.task import Task


def _pairs(full: bool) -> list[tuple[Task, Task]]:
    """Networks of two and of four layers, without and with BatchNorm."""
    examples, inputs = (fashion(), 784) if full else (digits(), 64)
    steps, width = (600, 64) if full else (250, 32)

    def task(layers: int, *, batch_norm: bool) -> Task:
        network = partial(mlp, inputs, width, layers=layers, batch_norm=batch_norm)
        label = f"MLP of {layers} layers"
        return task_on(examples, network, OPTIMIZERS["SGD"], batch=100, steps=steps, label=label)

    return [(task(layers, batch_norm=False), task(layers, batch_norm=True)) for layers in (2, 4)]


CLAIM = usable_claim(
    statement="Batch normalization allows much higher learning rates.",
    source="Ioffe and Szegedy 2015, arXiv:1502.03167; Bjorck et al. 2018, arXiv:1806.02375",
    technique="BatchNorm before every ReLU (SGD, batch 100)",
    short="BatchNorm",
    low=MUCH,
    pairs=_pairs,
    lowest=0.03,
    highest=30.0,
    seeds=(4, 5),
    remark="""
        The output does not depend on the scale of weights before a BatchNorm layer. A large update
        increases the norm of these weights. Later updates are then small relative to the weights,
        which acts like a lower rate.
    """,
)
