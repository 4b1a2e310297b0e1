"""The examples that a lower rate needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._loss_history import LossHistory, loss_histories
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_rate, geometric_grid
from learnrate.claims._tasks import noisy_digits_mlp
from learnrate.claims._trials import ClaimTrials, for_each_task
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from learnrate.task import Task

_DIVISORS = {"a third": 3.0, "a tenth": 10.0}
_PART = 10  # of the run, after which the best rate sets the goal


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The examples to a validation loss at a lower rate, divided by those at the best rate."""
    total_steps = task.run_length()
    rates = geometric_grid(1e-3, 1.0, 3)
    short = replace(task, total_steps=total_steps // _PART)
    best = best_rate(rates, trials.sweep(short, rates, "constant()"))
    runs = [(best * Constant()).over(total_steps)]
    runs += [(best / divisor * Constant()).over(total_steps) for divisor in _DIVISORS.values()]
    fast, *slower = loss_histories(trials, [(task, run) for run in runs], marks=100)
    goals = [float(run.validation[run.steps <= total_steps // _PART].min()) for run in fast]
    needed = [_first_below(run, goal) for run, goal in zip(fast, goals, strict=True)]
    cases = [
        Case(
            "examples",
            f"{task.name}, {name}",
            [
                _first_below(run, goal) / base
                for run, goal, base in zip(histories, goals, needed, strict=True)
            ],
        )
        for name, histories in zip(_DIVISORS, slower, strict=True)
    ]
    lines = [
        ClaimLine.of(f"{task.name}, {name}", run.steps, run.validation)
        for name, (run, *_) in zip(("best", *_DIVISORS), (fast, *slower), strict=True)
    ]
    return ClaimMeasurement(cases, lines)


def _first_below(run: LossHistory, goal: float) -> float:
    """Updates to the goal; the whole run if it is not reached, which is a lower bound."""
    reached = np.flatnonzero(run.validation <= goal)
    return float(run.steps[reached[0]] if len(reached) else run.steps[-1])


CLAIM = Claim(
    topic="extremes",
    statement="A low learning rate needs more data.",
    source="common advice; each example moves the weights by less",
    design="""
        Networks with two hidden layers learn digits with new noise in every batch, so no example is
        used twice. The constant rate that is best after a tenth of the run sets the validation loss
        to reach. The figure compares how many examples a third and a tenth of this rate need to
        reach it.
    """,
    figures=(
        factor(
            "examples",
            "examples to the same loss at the lower rate, divided by those at the best rate",
            low=1.0,
        ),
    ),
    measure=for_each_task(_measure),
    tasks=lambda full: [
        noisy_digits_mlp(optimizer, steps=1000 if full else 400)
        for optimizer in ("SGD momentum", "Adam")
    ],
    seeds=(4, 8),
    axes=ClaimAxes("update", "validation loss", log="xy"),
    remark="""
        A run can show a factor of at most ten. The claim is about a single pass over the data; with
        several passes, the same examples are used again. At the end of the whole run, the lower of
        two constant rates has the lower loss.
    """,
)
