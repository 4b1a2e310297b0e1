"""Trainings whose rate is changed by decisions while they run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._constant import final_loss
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement
from learnrate.claims._measures import best_of_others, best_rate
from learnrate.trials import DivergenceTest, Training, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

__all__ = ["Decide", "against_planned_decay", "loss_under_decisions"]


Decide = Callable[[float, float | None], object]
"""Changes the rate of an optimizer, or leaves it.

It gets the mean training loss since the last decision, and the validation loss if there is one.
"""


def loss_under_decisions(
    task: Task,
    lr: float,
    seed: int,
    *,
    decisions: int,
    decider: Callable[[torch.optim.Optimizer], Decide],
) -> tuple[float, float]:
    """The final loss, and the last rate over the first one.

    A run that diverged counts with its first loss, and with its first rate.

    Args:
        task: what to train.
        lr: the first rate.
        seed: the seed of weights and batches.
        decisions: the number of decisions, at equal distances.
        decider: makes the decisions for one training.
    """
    total_steps = task.run_length()
    every = max(1, total_steps // decisions)
    losses: list[float] = []
    test = DivergenceTest()
    with preserved(task):
        training = Training(task, seed)
        for group in training.optimizer.param_groups:
            group["lr"] = lr
        decide = decider(training.optimizer)
        for step in range(1, total_steps + 1):
            losses.append(training.update(None))
            if test.diverged(losses[-1]):
                return losses[0], 1.0
            if step % every == 0:
                decide(float(np.mean(losses[-every:])), training.validate())
        final = final_loss(training, losses)
    return final, training.optimizer.param_groups[0]["lr"] / lr


def against_planned_decay(
    trials: ClaimTrials,
    task: Task,
    decided: Callable[[Task, float, int], tuple[float, float]],
    *,
    rates: Sequence[float],
    shares: Sequence[float],
    labels: tuple[str, str],
) -> ClaimMeasurement:
    """The figures "loss" and "cuts" of trainings with cuts of the rate that are decided on.

    "loss" is their final loss over that of a planned decay, each at the rate that is best for the
    other seeds. "cuts" is the number of cuts at their best first rate.

    Args:
        trials: the seeds.
        task: what to train.
        decided: trains the task at a first rate with a seed; gives the final loss and the cuts.
        rates: peaks of the planned decay.
        shares: the first rates, as shares of the best of these peaks.
        labels: the labels of the planned decay and of the decisions, in the picture.
    """
    planned = trials.sweep(task, rates)
    best = best_rate(rates, planned)
    firsts = [best * share for share in shares]
    results: np.ndarray = np.array(trials.for_each_seed(partial(decided, task), firsts))
    losses, cuts = np.moveaxis(results, -1, 0)
    return ClaimMeasurement.of(
        task.name,
        {
            "loss": best_of_others(losses) / best_of_others(planned),
            "cuts": cuts[losses.mean(axis=1).argmin()],
        },
        ClaimLine.of_means(f"{task.name}, {labels[0]}", rates, planned),
        ClaimLine.of_means(f"{task.name}, {labels[1]}", firsts, losses),
    )
