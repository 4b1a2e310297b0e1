"""The effect of weight decay on a network with too few examples."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._data import digits, fashion
from learnrate.claims._loss_history import LossHistory, loss_histories
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_rows_of_others
from learnrate.claims._tasks import mlp, task_on
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

# The optimizer, its rate, and coefficients from almost no effect to too large ones.
OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], float, tuple[float, ...]]] = {
    "SGD momentum": (partial(torch.optim.SGD, lr=0.1, momentum=0.9), 0.05, (3e-3, 1e-2, 3e-2)),
    "AdamW": (torch.optim.AdamW, 3e-3, (0.1, 0.3, 1.0)),
}


def _task(optimizer: Callable[..., torch.optim.Optimizer], full: bool) -> Task:
    """A network with few examples."""
    examples = fashion().first(1000) if full else digits().first(100)
    network = partial(mlp, 784, 64) if full else partial(mlp, 64, 32)
    return task_on(examples, network, optimizer, batch=50, steps=3000 if full else 600)


def _gap(run: LossHistory) -> float:
    """The validation loss less the training loss at the end."""
    return float(run.validation[-1] - run.training[-1])


def _rise(run: LossHistory) -> float:
    """The validation loss at the end over the lowest one."""
    return float(run.validation[-1] / run.validation.min())


def _lowest(run: LossHistory) -> float:
    """The lowest validation loss."""
    return float(run.validation.min())


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """Every optimizer with weight decay, compared with none."""
    return ClaimMeasurement.joined(
        _measured(trials, name, *OPTIMIZERS[name]) for name in OPTIMIZERS
    )


def _measured(
    trials: ClaimTrials,
    name: str,
    factory: Callable[..., torch.optim.Optimizer],
    rate: float,
    decays: Sequence[float],
) -> ClaimMeasurement:
    """An optimizer without weight decay, and with the coefficient chosen on the other seeds."""
    tasks = [_task(partial(factory, weight_decay=decay), trials.full) for decay in (0, *decays)]
    runs = [(task, (rate * Constant()).over(task.run_length())) for task in tasks]
    without, *decayed = loss_histories(trials, runs)
    ends = np.array([[run.validation[-1] for run in row] for row in decayed])
    chosen = [decayed[row][column] for column, row in enumerate(best_rows_of_others(ends))]
    pairs = list(zip(chosen, without, strict=True))

    def ratios(measure: Callable[[LossHistory], float]) -> list[float]:
        return [measure(run) / measure(plain) for run, plain in pairs]

    lines = []
    for label, row in (("without", without), ("with decay", chosen)):
        mean = np.mean([run.validation for run in row], axis=0)
        lines.append(ClaimLine.of(f"{name}, {label}", row[0].steps, mean))
    return ClaimMeasurement.of(
        name,
        {
            "gap": ratios(_gap),
            "rise": ratios(_rise),
            "rise without": [_rise(plain) for plain in without],
            "lowest": ratios(_lowest),
        },
        *lines,
    )


CLAIM = Claim(
    topic="weight decay",
    statement="Weight decay slows or prevents overfitting.",
    source="Krogh and Hertz, A simple weight decay can improve generalization, NIPS 1991",
    design="""
        A network learns 100 digits (in the full test 1,000 images of Fashion-MNIST) at a constant
        rate until it has memorised them, without weight decay and with the best of three
        coefficients, chosen by the last validation loss of the other seeds. torch's SGD
        implements weight decay as a penalty, AdamW decoupled.
    """,
    figures=(
        factor(
            "gap",
            "validation loss minus training loss at the end: with decay divided by without",
            high=1.0,
        ),
        factor(
            "rise",
            "last validation loss divided by the lowest: with decay divided by without",
            high=1.0,
        ),
        factor("rise without", "last validation loss divided by the lowest, without decay"),
        factor("lowest", "lowest validation loss with decay divided by that without"),
    ),
    measure=_measure,
    seeds=(4, 6),
    remark="""
        A smaller gap does not make a better network: too much decay closes it because the network
        learns less. Early stopping gives the lowest loss of either run, which is reported too.
    """,
    axes=ClaimAxes("step", "validation loss", log=""),
)
