"""Rates and overfitting, at equal training loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from learnrate._errors import TaskError
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._loss_history import loss_histories, ratio_at_equal_training_loss
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_rate, geometric_grid
from learnrate.claims._overfitting import few_examples
from learnrate.schedules import schedule

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_BEST = "best rate"
# The share of the best constant rate, the shape, and the length as a multiple of the run.
KINDS = {
    _BEST: (1.0, "constant()", 1),
    "a tenth": (0.1, "constant()", 4),
    "linear to 0": (1.0, "linear()", 1),
}


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """Every task at shares of its best rate."""
    parts = [_measured(trials, task, first=task is trials.tasks[0]) for task in trials.tasks]
    return ClaimMeasurement.joined(parts)


def _measured(trials: ClaimTrials, task: Task, *, first: bool) -> ClaimMeasurement:
    """Validation loss at equal training loss, over that of the best constant rate."""
    total_steps = task.run_length()
    rates = geometric_grid(1e-4, 1.0, 2)
    best = best_rate(rates, trials.sweep(task, rates, "constant()"))
    runs = [
        (task, (best * share * schedule(shape)).over(times * total_steps))
        for share, shape, times in KINDS.values()
    ]
    histories = dict(zip(KINDS, loss_histories(trials, runs), strict=True))
    parts = []
    for name in KINDS:
        if name == _BEST:
            continue
        pairs = zip(histories[name], histories[_BEST], strict=True)
        ratios = [ratio_at_equal_training_loss(run, base) for run, base in pairs]
        if not all(map(math.isfinite, ratios)):
            raise TaskError(
                f"{task.name}: {name} and the best rate, {best:g}, never reach the same training loss. "
                "Train longer: Task(total_steps=...)."
            )
        parts.append(ClaimMeasurement.of(f"{task.name}: {name}", {"loss": ratios}))
    lines = []
    for name, (history, *_) in histories.items() if first else ():
        marks = slice(None, None, max(1, len(history.steps) // 40))
        lines.append(ClaimLine.of(name, history.training[marks], history.validation[marks]))
    return ClaimMeasurement(ClaimMeasurement.joined(parts).cases, lines)


CLAIM = Claim(
    topic="overfitting",
    statement=(
        "A smaller or decayed learning rate overfits less: lower test loss at equal training loss."
    ),
    source="""
        common advice for overfitting networks; Li, Wei and Ma 2019, arXiv:1907.04595, argue the
        opposite for the first rate
    """,
    design="""
        There are few examples, and no weight decay except the optimizer's default. The best
        constant rate is compared with a tenth of this rate for four times as many steps, and with a
        decay from this rate to 0. The validation losses are compared at five equal training losses,
        from halfway down to the lowest one that both runs reach.
    """,
    figures=(
        factor(
            "loss",
            "validation loss at equal training loss, divided by that of the best rate",
            high=1.0,
        ),
    ),
    measure=_measure,
    seeds=(4, 6),
    tasks=few_examples,
    remark="""
        At equal steps, a smaller rate seems to overfit less because it has learned less. The
        training loss is that of each batch before its update, so it includes the noise of a large
        rate. Where the smaller rate is better, it is better by at most 2 %.
    """,
    axes=ClaimAxes("training loss, first seed", "validation loss", log="xy"),
)
