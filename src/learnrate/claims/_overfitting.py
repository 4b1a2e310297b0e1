"""Claims about rates and overfitting: few examples, and the losses during long runs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from learnrate._errors import TaskError
from learnrate.claims._claim import Claim, ClaimAxes, ClaimText
from learnrate.claims._data import digits, fashion_at_half_size
from learnrate.claims._loss_history import (
    LossHistory,
    loss_histories,
    ratio_at_equal_training_loss,
)
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_rate, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.claims._trials import for_each_task
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

__all__ = ["few_examples", "histories_at_shares", "other_rate_claim"]

_TIMES_LONGER = 4  # so that the best rate of the run's own length overfits


def few_examples(full: bool) -> Sequence[Task]:
    """150 digits; in the full test also 500 images of Fashion-MNIST."""
    few = digits().first(150)
    tasks = [
        task_on(few, partial(mlp, 64, 32), name, batch=50, steps=480, label="MLP")
        for name in ("SGD momentum", "AdamW")
    ]
    tasks = [replace(task, name=f"150 {task.name}") for task in tasks]
    if full:
        more = task_on(
            fashion_at_half_size().first(500), partial(mlp, 196, 32), "AdamW", batch=50, steps=300
        )
        tasks.append(replace(more, name="500 of Fashion-MNIST MLP, AdamW"))
    return tasks


def histories_at_shares(
    trials: ClaimTrials, task: Task, shares: Sequence[float], times_longer: int
) -> list[list[LossHistory]]:
    """The losses during long runs at shares of the best constant rate, by share and then by seed.

    Args:
        trials: the seeds.
        task: what to train.
        shares: the shares of the constant rate that is best in the task's own length.
        times_longer: the length of the runs, as a multiple of the task's own.

    Raises:
        TaskError: a run diverged before its first validation.
    """
    total_steps = task.run_length()
    rates = geometric_grid(1e-4, 1.0, 2)
    best = best_rate(rates, trials.sweep(task, rates, "constant()"))
    runs = [
        (task, (best * share * Constant()).over(times_longer * total_steps)) for share in shares
    ]
    histories = loss_histories(trials, runs)
    if not all(len(history.steps) for row in histories for history in row):
        highest = best * max(shares)
        raise TaskError(
            f"{task.name} diverges immediately at the rate {highest:g}; give another task."
        )
    return histories


def other_rate_claim(*, share: float, compared: str, **text: Unpack[ClaimText]) -> Claim:
    """A claim that another rate than the best one is a remedy for overfitting.

    Args:
        share: the other rate, as a share of the best one.
        compared: the other rate in words.
        text: statement, source and remark of the claim.
    """

    def measured(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
        at_best, at_other = histories_at_shares(trials, task, (1.0, share), _TIMES_LONGER)
        pairs = list(zip(at_other, at_best, strict=True))
        equal = [ratio_at_equal_training_loss(other, best) for other, best in pairs]
        if not np.isfinite(equal).all():
            raise TaskError(
                f"{task.name}: the runs at the best rate and at {compared} never reach the same training "
                "loss. Train longer: Task(total_steps=...)."
            )
        values = {
            "equal time": [other.validation[-1] / best.validation[-1] for other, best in pairs],
            "equal training loss": equal,
            "overfitting": [best.validation[-1] / best.validation.min() for best in at_best],
        }
        lines = [
            ClaimLine.of(f"{task.name}, {label}", history.steps, history.validation)
            for label, history in (("best rate", at_best[0]), (compared, at_other[0]))
        ]
        return ClaimMeasurement.of(task.name, values, *lines)

    names = ("equal time", "equal training loss", "overfitting")
    return Claim(
        topic="overfitting",
        design=f"""
            There are few examples, so long runs overfit. The constant rate with the lowest validation
            loss in a run is compared with {compared}, both for {_TIMES_LONGER} times as many updates
            and with the same batches. The validation losses are compared at the end, and at five equal
            training losses, from halfway down to the lowest one that both runs reach.
        """,
        figures=(
            factor(
                "equal time",
                "validation loss at the end divided by that of the best rate",
                high=1.0,
            ),
            factor("equal training loss", "the same at equal training loss", high=1.0),
            factor("overfitting", "loss of the best rate at the end divided by its lowest loss"),
        ),
        measure=for_each_task(measured, by_figure=names),
        tasks=few_examples,
        seeds=(4, 5),
        axes=ClaimAxes("update, first seed", "validation loss", log="y"),
        **text,
    )
