"""Trainings whose rate is decided on while they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._constant import final_loss
from learnrate.trials import DivergenceTest, Training, preserved

if TYPE_CHECKING:
    import torch

    from learnrate.task import Task

__all__ = ["Decide", "loss_under_decisions"]


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
        seed: of weights and batches.
        decisions: how many, at equal distances.
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
