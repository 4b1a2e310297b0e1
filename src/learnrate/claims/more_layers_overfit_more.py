"""Depth and overfitting."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._data import digits, fashion
from learnrate.claims._loss_history import (
    LossHistory,
    loss_histories,
    ratio_at_equal_training_loss,
)
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, Figure, factor
from learnrate.claims._measures import best_rate, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.schedules import schedule

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

OPTIMIZER = "AdamW"
_LEARNED = 0.1  # the share of its first training loss that a network reaches which has learned


def _task(layers: int, full: bool) -> Task:
    if full:
        examples, network = fashion().first(500), partial(mlp, 784, 64, layers=layers)
    else:
        examples, network = digits().first(200), partial(mlp, 64, 32, layers=layers)
    task = task_on(examples, network, OPTIMIZER, batch=50, steps=800 if full else 500)
    return replace(task, name=f"{layers} hidden")


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """Each deeper network compared with the shallowest one, at equal training loss."""
    depths = (1, 3, 6)
    examples = "500 of Fashion-MNIST" if trials.full else "200 digits"
    histories = {depth: _histories(trials, _task(depth, trials.full)) for depth in depths}
    shallowest = histories[depths[0]]
    cases = []
    for depth, runs in histories.items():
        where = f"{examples}, {depth} hidden"
        if depth > depths[0]:
            ratios = [
                ratio_at_equal_training_loss(run, base)
                for run, base in zip(runs, shallowest, strict=True)
            ]
            learned = all(map(_has_learned, (*runs, *shallowest)))
            cases.append(Case("test loss", f"{where} over {depths[0]}", ratios, judged=learned))
        cases.append(Case("training loss", where, [float(run.training.min()) for run in runs]))
    lines = []
    for depth, (run, *_) in histories.items():
        lines.append(ClaimLine.of(f"{depth} hidden", run.training, run.validation))
    return ClaimMeasurement(sorted(cases, key=lambda case: case.figure), lines)


def _histories(trials: ClaimTrials, task: Task) -> list[LossHistory]:
    """The losses of each seed's training at the rate that is best for the task."""
    shape = "warmup(5%) >> linear()"
    rates = geometric_grid(1e-3, 0.03, 2)
    best = best_rate(rates, trials.sweep(task, rates, shape))
    rated = (best * schedule(shape)).over(task.run_length())
    (histories,) = loss_histories(trials, [(task, rated)])
    return histories


def _has_learned(run: LossHistory) -> bool:
    """Whether the training loss fell to a tenth."""
    return bool(run.training.min() <= _LEARNED * run.training[0])


CLAIM = Claim(
    topic="overfitting",
    statement="The more layers a network has, the more it overfits.",
    source="""
        common advice: make an overfitting network smaller (bias and variance); Nakkiran et al.
        2019, arXiv:1912.02292, show where it ends
    """,
    design="""
        Networks with 1, 3 and 6 hidden layers of equal width learn few examples with AdamW, 5 %
        warm-up and a linear decay to 0, each at the best of four rates. The validation losses of a
        deeper network and of the shallowest one are compared at five equal training losses, from
        halfway down to the lowest one that both reach. If the training loss of a network does not
        fall to a tenth, the network has not learned and its case is open.
    """,
    figures=(
        factor(
            "test loss",
            "validation loss at equal training loss, divided by that of the shallowest network",
            low=1.0,
        ),
        Figure("training loss", "the lowest"),
    ),
    measure=_measure,
    seeds=(4, 5),
    remark="""
        A deep network needs longer to reach a training loss near 0. Before that, it is merely
        worse, so only equal training losses are compared. At a common rate, the deeper network
        would be judged at a rate that does not suit it. Loss and accuracy may differ, because an
        overfitted network is more confident when it is wrong.
    """,
    axes=ClaimAxes("training loss, first seed", "validation loss", log="xy"),
)
