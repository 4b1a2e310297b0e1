"""Depth and overfitting."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim
from learnrate.claims._data import digits, fashion
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, Figure, factor
from learnrate.claims._measures import best_of_others, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.claims._trials import ClaimTrials, final_losses
from learnrate.schedules import schedule

if TYPE_CHECKING:
    from learnrate.task import Task

OPTIMIZER = "AdamW"


def _task(layers: int, full: bool) -> Task:
    if full:
        examples, network = fashion().first(1000), partial(mlp, 784, 64, layers=layers)
    else:
        examples, network = digits().first(200), partial(mlp, 64, 32, layers=layers)
    task = task_on(examples, network, OPTIMIZER, batch=50, steps=2000 if full else 500)
    return replace(task, name=f"{layers} hidden")


def _losses(trials: ClaimTrials, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """The validation and the training loss of each seed at the rate that is best for the others."""
    task, shape = _task(depth, trials.full), schedule("warmup(5%) >> linear()")
    rates = geometric_grid(1e-3, 0.03, 2)
    curves = trials.curves(task, [(rate * shape).over(task.run_length()) for rate in rates])
    losses = final_losses(curves)
    training = np.array([[curve.loss[-20:].mean() for curve in row] for row in curves])
    validation = best_of_others(losses)
    rows = [
        int(np.argmax(column == end)) for column, end in zip(losses.T, validation, strict=True)
    ]
    return validation, training[rows, range(len(rows))]


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The deepest network over the shallowest, each at its best rate."""
    depths = (1, 2, 3, 4, 5, 6) if trials.full else (1, 3, 6)
    pairs = [_losses(trials, depth) for depth in depths]
    validation, training = (np.array(rows) for rows in zip(*pairs, strict=True))
    gaps = validation - training
    name = "Fashion-MNIST" if trials.full else "digits"
    ends = ClaimMeasurement.of(
        f"{name}, {depths[-1]} hidden against 1",
        {"gap": gaps[-1] / gaps[0], "test loss": validation[-1] / validation[0]},
    )
    by_depth = [
        Case("training loss", f"{name}, {depth} hidden", row.tolist())
        for depth, row in zip(depths, training, strict=True)
    ]
    lines = [
        ClaimLine.of_means("validation loss", depths, validation),
        ClaimLine.of_means("training loss", depths, training),
    ]
    return ClaimMeasurement([*ends.cases, *by_depth], lines)


CLAIM = Claim(
    name="more-layers-overfit-more",
    topic="overfitting",
    statement="The more layers a network has, the more it overfits.",
    source="""
        common advice: make an overfitting network smaller (bias and variance); Nakkiran et al.
        2019, arXiv:1912.02292, show where it ends
    """,
    design="""
        Networks of 1 to 6 hidden layers of equal width learn few examples with AdamW, 5 %
        warm-up, then linear to 0, each at its best rate of four, chosen on the other seeds.
    """,
    figures=(
        factor(
            "gap", "validation less training loss at the end, deepest over shallowest", low=1.0
        ),
        factor("test loss", "validation loss at the end, deepest over shallowest", low=1.0),
        Figure("training loss", "over the last 20 updates"),
    ),
    measure=_measure,
    seeds=(4, 6),
    remark="""
        Overfitting means a training loss near 0, which a deep network reaches late; if it is
        stopped before that, it is merely worse. At a common rate the deeper network would be
        judged by a rate that does not suit it. Loss and accuracy may differ: an overfitted
        network is wrong with more confidence.
    """,
    axes=("hidden layers", "loss at the own best rate"),
    log="",
)
