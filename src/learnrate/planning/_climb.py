"""The trials of a plan, from the first to the last: on which scale, and for what budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._budget import Spending

if TYPE_CHECKING:
    from learnrate.planning._budget import Budget
    from learnrate.planning._ladder import Ladder
    from learnrate.planning._loss_scale import LossScale
    from learnrate.planning._rung_losses import LadderTrial
    from learnrate.planning._trainer import PlanTrainer
    from learnrate.range_test import RangeTest

__all__ = ["Climb", "before_training"]


@dataclass
class Climb:
    """Trains what a ladder proposes.

    Args:
        trainer: of the trials.
        ladder: proposes the trials.
        scale: of the losses.
        range_test: of the plan.
        start: the validation loss before training; None if the task has none.
        seed: of the plan.
        trials: what was trained so far.
    """

    trainer: PlanTrainer
    ladder: Ladder
    scale: LossScale
    range_test: RangeTest
    start: float | None
    seed: int
    trials: list[LadderTrial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._use(self.scale)

    @property
    def updates(self) -> int:
        """The number of updates of all trials together."""
        return sum(trial.record.updates for trial in self.trials)

    @property
    def has_finished_trials(self) -> bool:
        """Whether any trial ended with a finite loss."""
        return any(math.isfinite(trial.log_loss) for trial in self.trials)

    def train_proposed(self) -> None:
        """Train every further trial that the ladder proposes.

        A negative loss has no logarithm. At the first one, all losses are converted to the linear scale,
        and the climb continues.
        """
        self.trials = self.trainer.climb(self.ladder, self.trials, self.scale, self.seed)
        lowest = min((trial.record.final for trial in self.trials), default=math.inf)
        if self.scale.logarithmic and lowest < 0:
            self._use(self.scale.reaching(lowest))
            self.train_proposed()

    def spend(self, budget: Budget, updates: int, more: int) -> Spending:
        """Train all trials of a budget, and further ones; returns what was spent.

        Args:
            budget: as the user gave it.
            updates: what it pays for, the range test included.
            more: how many times to add two trials after it.
        """
        trainer, ladder = self.trainer, self.ladder
        promised = budget.updates(ladder.total_steps, None) - trainer.spent
        self.train_proposed()
        if (
            ladder.pace is not None and self.updates < promised
        ):  # training became slower than it was
            self.count_updates(promised)
        spending = Spending(budget, updates, trainer.spent, late=trainer.late)
        for _ in range(more if self.has_finished_trials else 0):
            self.extend()
        return replace(spending, further=trainer.spent - spending.spent)

    def count_updates(self, budget: int) -> None:
        """Continue for a budget of updates, whatever time they take.

        Args:
            budget: for all trials, those that were made included.
        """
        self.trials = [replace(trial, cost=trial.record.updates) for trial in self.trials]
        self.ladder = self.ladder.counting_updates(budget, self.trials)
        self.train_proposed()

    def extend(self) -> None:
        """Train the two further trials that help most."""
        self.ladder = self.ladder.extended(self.trials)
        self.train_proposed()

    def _use(self, scale: LossScale) -> None:
        losses = self.range_test.loss[0][: before_training(len(self.range_test.mean))]
        logs = np.array([scale.log_train(loss) for loss in losses.tolist()])
        finite_logs = logs[np.isfinite(logs)]
        self.scale = scale
        self.ladder = replace(
            self.ladder,
            start=scale.log_loss(scale.start if self.start is None else self.start),
            train_start=scale.log_train(float(np.mean(losses))),
            train_noise=float(np.std(finite_logs)) if len(finite_logs) else 0.0,
        )
        self.trials = [
            replace(
                trial,
                log_loss=scale.log_loss(trial.record.loss),
                log_train=scale.log_train(trial.record.train),
            )
            for trial in self.trials
        ]


def before_training(count: int) -> int:
    """How many of the first rates of a range test are too low to matter: a quarter.

    Args:
        count: of the rates that it reached.
    """
    return max(1, count // 4)
