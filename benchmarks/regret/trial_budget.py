"""Trials of a method that spends a budget of updates, and the space that tuners search."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from learnrate import schedule
from learnrate.trials import Trial, derived_seed, preserved, run_trial

from .methods import Pick
from .truth import SHAPE

if TYPE_CHECKING:
    from learnrate import Task

    from .cells import Cell

__all__ = [
    "FEWEST_STEPS",
    "RATES",
    "WORST_LOSS",
    "TrialBudget",
    "half_a_run",
    "seed_of_draws",
    "trial_lengths",
    "trial_steps",
]

FEWEST_STEPS = 8  # of a trial
WORST_LOSS = 1e6  # of a diverged trial, because samplers accept no infinities
RATES = (1e-6, 10.0)  # the range of tuners, log-uniform


@dataclass
class TrialBudget:
    """Trains at a rate over a length, and counts the updates.

    Args:
        task: what is trained.
        seed: of every trial.
        allowed: updates of all trials together.
        spent: updates until now.
        tried: the length, the loss and the rate of every trial.
    """

    task: Task
    seed: int
    allowed: float
    spent: int = 0
    tried: list[tuple[int, float, float]] = field(default_factory=list)

    def loss(self, rate: float, steps: int) -> float:
        """The final loss of a trial at a rate; `WORST_LOSS` if it diverged.

        The trial leaves the global generators as they were, since some tuners draw from them.
        """
        peak = float(f"{rate:.4g}")
        with preserved(self.task):
            curve, _ = run_trial(self.task, Trial((peak * schedule(SHAPE)).over(steps), self.seed))
        self.spent += curve.steps
        loss = min(curve.final, WORST_LOSS) if math.isfinite(curve.final) else WORST_LOSS
        self.tried.append((steps, loss, rate))
        return loss

    def affords(self, steps: int) -> bool:
        """Whether a trial of a length is within the budget."""
        return self.spent + steps <= self.allowed

    def answer(self, total_steps: int) -> Pick:
        """The rate with the lowest loss of the longest trials that did not diverge.

        Args:
            total_steps: length of a whole run.
        """
        cost = self.spent / total_steps
        finite = [(-steps, loss, rate) for steps, loss, rate in self.tried if loss < WORST_LOSS]
        if not finite:
            return Pick(None, cost, "every trial diverged")
        return Pick(min(finite)[2], cost)


def half_a_run(cell: Cell, task: Task, seed: int) -> TrialBudget:
    """The budget of tuners: that of a plan of budget 0.5."""
    return TrialBudget(task, seed, cell.total_steps // 2)


def seed_of_draws(cell: Cell, seed: int) -> int:
    """The seed of a tuner's draws in a cell.

    With one seed for all cells a tuner would try the same first rates in each of them, and its
    luck would be the same everywhere.
    """
    return derived_seed(seed, zlib.crc32(cell.name.encode()))


def trial_steps(total_steps: int, share: int) -> int:
    """The length of trials of this part of a run, at least `FEWEST_STEPS`."""
    return max(FEWEST_STEPS, total_steps // share)


def trial_lengths(total_steps: int) -> dict[int, int]:
    """The lengths of trials of a multi-fidelity tuner, T/64 to T/16, by their resource.

    Each resource is twice the one before, whatever the length, so that every length is a rung.
    """
    lengths = sorted({trial_steps(total_steps, share) for share in (64, 32, 16)})
    return {2**rung: steps for rung, steps in enumerate(lengths)}
