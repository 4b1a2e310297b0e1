"""What a plan trains: a range test and trials, unless they were trained before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import TaskError
from learnrate._files import number_or_none
from learnrate.planning._ladder import Ladder, Measured, Proposal
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
    from learnrate.planning._heights import Scale
    from learnrate.schedules import Schedule
    from learnrate.task import Task

__all__ = ["BRACKET_ITERS", "Bench"]

_BRACKET = (1e-7, 10.0)
_BRACKET_SHARE = 0.08
BRACKET_ITERS = (10, 100)


@dataclass
class Bench:
    """Trains what is asked for, unless the journal has it; counts what it cost.

    Args:
        task: what to train.
        journal: keeps every trial.
        bar: shows what is trained.
        shape: of the whole run, bound to it, with peak 1.
        spent: the updates made so far.
    """

    task: Task
    journal: Journal
    bar: ProgressBar
    shape: Schedule
    spent: int = 0

    def range_test(self, updates: int, seed: int) -> RangeTest:
        iters = int(np.clip(round(_BRACKET_SHARE * updates), *BRACKET_ITERS))
        lrs = rates_between(*_BRACKET, iters, "exponential")
        record = self.journal.get("range test", iters, seed)
        if record is None:
            losses = measure_repeat(Training(self.task, seed).update, lrs, self._show_rate)
            record = {"loss": [number_or_none(loss) for loss in losses.tolist()]}
            self.journal.add("range test", iters, seed, record)
        losses = np.array([[math.nan if one is None else one for one in record["loss"]]])
        found = RangeTest(lr=lrs, loss=losses, mode="exponential", seed=seed, memory=MEMORY)
        self.spent += int(found.reached[0])
        return found

    def climbed(
        self, ladder: Ladder, measured: list[Measured], scale: Scale, seed: int
    ) -> list[Measured]:
        """What was measured, with all that the ladder asks for after it."""
        measured = list(measured)
        while (proposal := ladder.next(measured)) is not None:
            trial = self.trial(proposal, seed)
            measured.append(Measured(proposal, scale.height(trial.loss), trial))
        return measured

    def trial(self, proposal: Proposal, seed: int) -> RungTrial:
        peak = float(f"{math.exp(proposal.log_lr):.4g}")
        schedule = peak * self.shape.shortened(proposal.steps)
        trial = Trial(schedule, _seed(seed, proposal.steps))
        curve = self._curve(trial, peak)
        return RungTrial(
            lr=peak,
            seed=trial.seed,
            loss=number_or_none(curve.final),
            status=str(curve.status),
            updates=curve.steps,
        )

    def compared(self, rate: float, steps: int, seed: int) -> dict[Candidate, ShapeTrial]:
        """A trial of each warm-up and decay, all on the same batches."""
        made = {}
        for one in candidates():
            peak = float(f"{rate * one.factor:.4g}")
            curve = self._curve(Trial((peak * one.shape).over(steps), _seed(seed, steps)), peak)
            loss = number_or_none(curve.final)
            text = str(one.shape)
            made[one] = ShapeTrial(one.warmup, one.decay, text, peak, loss, curve.steps)
        return made

    def _curve(self, trial: Trial, peak: float) -> Curve:
        curve = self.journal.curve(trial)
        if curve is None:
            curve = self._run(trial, peak)
            self.journal.keep(trial, curve)
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


def _seed(seed: int, steps: int) -> int:
    """Trials of one length share their batches, which removes most noise from comparing them."""
    return derived_seed(seed, 20, steps)
