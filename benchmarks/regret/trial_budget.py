"""Trials of a method that spends a budget of updates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate import schedule
from learnrate.trials import Trial, run_trial

from .truth import SHAPE

if TYPE_CHECKING:
    from learnrate import Task

__all__ = ["FEWEST_STEPS", "WORST_LOSS", "TrialBudget"]

FEWEST_STEPS = 8  # of a trial
WORST_LOSS = 1e6  # of a diverged trial, because samplers accept no infinities


@dataclass
class TrialBudget:
    """Trains at a rate over a length, and counts the updates.

    Args:
        task: what is trained.
        seed: of every trial.
        allowed: updates of all trials together.
        spent: updates until now.
    """

    task: Task
    seed: int
    allowed: float
    spent: int = 0

    def loss(self, rate: float, steps: int) -> float:
        """The final loss of a trial at a rate; `WORST_LOSS` if it diverged."""
        peak = float(f"{rate:.4g}")
        curve, _ = run_trial(self.task, Trial((peak * schedule(SHAPE)).over(steps), self.seed))
        self.spent += curve.steps
        return curve.final if math.isfinite(curve.final) else WORST_LOSS

    def affords(self, steps: int) -> bool:
        """Whether a trial of a length is within the budget."""
        return self.spent + steps <= self.allowed
