"""Depth and overfitting."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._bench import start_loss
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._data import digits, fashion
from learnrate.claims._measures import best_of_others, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.schedules import schedule

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench
    from learnrate.task import Task

OPTIMIZER = "AdamW"


def _task(layers: int, full: bool) -> Task:
    if full:
        examples, network = fashion().first(1000), partial(mlp, 784, 64, layers=layers)
    else:
        examples, network = digits().first(200), partial(mlp, 64, 32, layers=layers)
    made = task_on(examples, network, OPTIMIZER, batch=50, steps=2000 if full else 500)
    return replace(made, name=f"{layers} hidden")


def _measure(bench: Bench) -> Measured:
    """Each depth at the rate that is best for the other seeds: the deepest over the shallowest."""
    rates = geometric_grid(1e-3, 0.03, 2)
    depths = (1, 2, 3, 4, 5, 6) if bench.full else (1, 3, 6)
    held, gaps, trained = [], [], []
    for depth in depths:
        task = _task(depth, bench.full)
        shaped = [
            (rate * schedule("warmup(5%) >> linear()")).over(task.run_length()) for rate in rates
        ]
        curves = bench.curves(task, shaped)
        losses = np.array([[start_loss(curve) for curve in row] for row in curves])
        learned = np.array([[curve.loss[-20:].mean() for curve in row] for row in curves])
        own = best_of_others(losses)
        at = [int(np.argmax(column == end)) for column, end in zip(losses.T, own, strict=True)]
        training = learned[at, range(len(own))]
        held.append(own)
        gaps.append(own - training)
        trained.append(training)
    name = "Fashion-MNIST" if bench.full else "digits"
    where = f"{name}, {depths[-1]} hidden against 1"
    cases = [
        Case("gap", where, (gaps[-1] / gaps[0]).tolist()),
        Case("test loss", where, (held[-1] / held[0]).tolist()),
        *(
            Case("training loss", f"{name}, {depth} hidden", row.tolist())
            for depth, row in zip(depths, trained, strict=True)
        ),
    ]
    lines = [
        Line(label, depths, [float(row.mean()) for row in rows])
        for label, rows in (("validation loss", held), ("training loss", trained))
    ]
    return Measured(cases, lines)


CLAIM = Claim(
    name="more-layers-overfit-more",
    topic="overfitting",
    statement="The more layers a network has, the more it overfits.",
    source=(
        "common advice: make an overfitting network smaller (bias and variance); Nakkiran et al. 2019, "
        "arXiv:1912.02292, show where it ends"
    ),
    design=(
        "Networks of 1 to 6 hidden layers of one width learn few examples with AdamW, 5 % warm-up, "
        "linear to 0, each at its own best rate of four, as chosen on the other seeds."
    ),
    figures=(
        Figure(
            name="gap",
            says="validation less training loss at the end, deepest over shallowest",
            low=1.1,
            unit="x",
        ),
        Figure(
            name="test loss",
            says="validation loss at the end, deepest over shallowest",
            low=1.0,
            unit="x",
        ),
        Figure(name="training loss", says="over the last 20 updates"),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=6,
    remark=(
        "Overfitting is meant where the training loss is near 0, which a deep network reaches late: "
        "cut short it is merely worse. At one shared rate the deeper network would be judged by a "
        "rate that does not suit it. Loss and accuracy may part: an overfitted network is wrong with "
        "more confidence."
    ),
    axes=("hidden layers", "loss at the own best rate"),
    log="",
)
