"""What weight decay does to a network that has too few examples."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._data import digits, fashion
from learnrate.claims._measures import best_of_others
from learnrate.claims._tasks import mlp, task_on
from learnrate.claims._watched import Watched, watched
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

# Of each optimizer: its rate, and coefficients from barely noticed to too much.
OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], float, tuple[float, ...]]] = {
    "SGD momentum": (partial(torch.optim.SGD, lr=0.1, momentum=0.9), 0.05, (3e-3, 1e-2, 3e-2)),
    "AdamW": (torch.optim.AdamW, 3e-3, (0.1, 0.3, 1.0)),
}


def _task(optimizer: Callable[..., torch.optim.Optimizer], full: bool) -> Task:
    examples = fashion().first(1000) if full else digits().first(100)
    network = partial(mlp, 784, 64) if full else partial(mlp, 64, 32)
    return task_on(examples, network, optimizer, batch=50, steps=3000 if full else 600)


def _gap(run: Watched) -> float:
    return float(run.validation[-1] - run.training[-1])


def _rise(run: Watched) -> float:
    return float(run.validation[-1] / run.validation.min())


def _measure(bench: Bench) -> Measured:
    """Each optimizer without decay, and with the coefficient that is best for the other seeds."""
    cases, lines = [], []
    for name, (factory, rate, decays) in OPTIMIZERS.items():
        tasks = [_task(partial(factory, weight_decay=decay), bench.full) for decay in (0, *decays)]
        runs = [(task, (rate * Constant()).over(task.run_length())) for task in tasks]
        without, *decayed = watched(bench, runs)
        ends = np.array([[run.validation[-1] for run in row] for row in decayed])
        chosen = [
            next(row[at] for row, own in zip(decayed, ends, strict=True) if own[at] == end)
            for at, end in enumerate(best_of_others(ends))
        ]
        pairs = list(zip(chosen, without, strict=True))
        for figure, of in (("gap", _gap), ("rise", _rise)):
            cases.append(Case(figure, name, [of(own) / of(plain) for own, plain in pairs]))
        cases.append(Case("rise without", name, [_rise(plain) for plain in without]))
        lowest = [own.validation.min() / plain.validation.min() for own, plain in pairs]
        cases.append(Case("lowest", name, lowest))
        for label, row in (("without", without), ("with decay", chosen)):
            mean = np.mean([run.validation for run in row], axis=0)
            lines.append(Line(f"{name}, {label}", row[0].steps.tolist(), mean.tolist()))
    return Measured(cases, lines)


CLAIM = Claim(
    name="weight-decay-prevents-overfitting",
    topic="weight decay",
    statement="Weight decay slows or prevents overfitting.",
    source="Krogh and Hertz, A simple weight decay can improve generalization, NIPS 1991",
    design=(
        "A network learns 100 digits (in full 1,000 of Fashion-MNIST) at a constant rate until it "
        "knows them by heart, without weight decay and with the best of three coefficients, as "
        "chosen by the last validation loss of the other seeds. torch's SGD has it as a penalty, "
        "AdamW decoupled."
    ),
    figures=(
        Figure(
            name="gap",
            says="validation less training loss at the end, with decay over without",
            high=0.9,
            unit="x",
        ),
        Figure(
            name="rise",
            says="last over lowest validation loss, with decay over without",
            high=1.0,
            unit="x",
        ),
        Figure(name="rise without", says="last over lowest validation loss, no decay", unit="x"),
        Figure(
            name="lowest",
            says="lowest validation loss, with decay over without",
            unit="x",
        ),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=6,
    remark=(
        "A smaller gap is not a better network: too much decay closes it by learning less. Early "
        "stopping gets the lowest loss of either run, which stands beside."
    ),
    axes=("step", "validation loss"),
    log="",
)
