"""What a plan trains: a range test and trials, unless its journal has them already."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import TaskError
from learnrate._files import number_or_none
from learnrate.planning._ladder import Ladder, LadderTrial, Proposal
from learnrate.planning._result import RungTrial
from learnrate.planning._shapes import Candidate, ShapeTrial, candidates
from learnrate.range_test import MEMORY, RangeTest, measure_repeat, rates_between
from learnrate.trials import (
    Curve,
    Journal,
    Status,
    Training,
    Trial,
    Update,
    derived_seed,
    run_trial,
)

if TYPE_CHECKING:
    from learnrate._progress import ProgressBar
    from learnrate.planning._loss_scale import LossScale
    from learnrate.schedules import Schedule
    from learnrate.task import Task

__all__ = ["RANGE_TEST_STEPS", "PlanTrainer"]

_RANGE = (1e-7, 10.0)
_RANGE_TEST_SHARE = 0.08  # of the budget
RANGE_TEST_STEPS = (10, 100)  # at least and at most


@dataclass
class PlanTrainer:
    """Trains the trials of a plan, keeps them in its journal, and counts what they cost.

    What the journal has already is not trained again.

    Args:
        task: what to train.
        journal: where every trial is kept.
        bar: shows what is being trained.
        shape: the schedule of the whole run, bound to its length, with peak 1.
        spent: the updates made so far.
    """

    task: Task
    journal: Journal
    bar: ProgressBar
    shape: Schedule
    spent: int = 0

    def range_test(self, updates: int, seed: int) -> RangeTest:
        """One range test of 8 % of `updates`, at least 10 and at most 100 steps long."""
        iters = int(np.clip(round(_RANGE_TEST_SHARE * updates), *RANGE_TEST_STEPS))
        lrs = rates_between(*_RANGE, iters, "exponential")
        record = self.journal.get("range test", iters, seed)
        if record is None:
            losses = measure_repeat(Training(self.task, seed).update, lrs, self._show_rate)
            record = {"loss": [number_or_none(loss) for loss in losses.tolist()]}
            self.journal.add("range test", iters, seed, record)
        losses = np.array([[math.nan if loss is None else loss for loss in record["loss"]]])
        test = RangeTest(lr=lrs, loss=losses, mode="exponential", seed=seed, memory=MEMORY)
        self.spent += int(test.reached[0])
        return test

    def climb(
        self, ladder: Ladder, trials: list[LadderTrial], scale: LossScale, seed: int
    ) -> list[LadderTrial]:
        """Train every further trial that the ladder proposes; returns all trials.

        Args:
            ladder: proposes the trials.
            trials: the trials of the ladder so far.
            scale: of the task's losses.
            seed: of the plan.
        """
        trials = list(trials)
        while (proposal := ladder.next(trials)) is not None:
            record = self.trial(proposal, seed)
            trials.append(LadderTrial(proposal, scale.log_loss(record.loss), record))
        return trials

    def trial(self, proposal: Proposal, seed: int) -> RungTrial:
        """Train one proposed trial."""
        peak = float(f"{math.exp(proposal.log_lr):.4g}")
        schedule = peak * self.shape.shortened(proposal.steps)
        trial = Trial(schedule, _trial_seed(seed, proposal.steps))
        curve = self._curve(trial, peak)
        return RungTrial(
            lr=peak,
            seed=trial.seed,
            loss=number_or_none(curve.final),
            status=str(curve.status),
            updates=curve.steps,
        )

    def compare_shapes(self, rate: float, steps: int, seed: int) -> dict[Candidate, ShapeTrial]:
        """Train one trial for each candidate warm-up and decay, all on the same batches.

        Args:
            rate: the peak under the usual shape; a candidate's own factor multiplies it.
            steps: the length of each trial, in updates.
            seed: of the plan.
        """
        trials = {}
        for candidate in candidates():
            peak = float(f"{rate * candidate.factor:.4g}")
            schedule = (peak * candidate.shape).over(steps)
            curve = self._curve(Trial(schedule, _trial_seed(seed, steps)), peak)
            trials[candidate] = ShapeTrial(
                warmup=candidate.warmup,
                decay=candidate.decay,
                shape=str(candidate.shape),
                lr=peak,
                loss=number_or_none(curve.final),
                updates=curve.steps,
            )
        return trials

    def _curve(self, trial: Trial, peak: float) -> Curve:
        curve = self.journal.curve(trial)
        if curve is None:
            curve = self._run(trial, peak)
            self.journal.add_curve(trial, curve)
        self.spent += curve.steps
        return curve

    def _run(self, trial: Trial, peak: float) -> Curve:
        def show(update: Update) -> None:
            stage = f"trial of {trial.total_steps} updates at {peak:.2g}, loss {update.loss:.4g}"
            self.bar.show(self.spent + update.step + 1, stage)

        curve, _ = run_trial(self.task, trial, on_update=show)
        if curve.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if curve.status is Status.FAILED:
            raise TaskError(f"the trial at rate {peak:.3g}, seed {trial.seed}: {curve.error}")
        return curve

    def _show_rate(self, lr: float, loss: float, /) -> None:
        self.bar.show(self.spent, f"range test: rate {lr:.1e}, loss {loss:.4g}")


def _trial_seed(seed: int, steps: int) -> int:
    """Trials of one length share their batches, which removes most noise from comparing them."""
    return derived_seed(seed, 20, steps)
