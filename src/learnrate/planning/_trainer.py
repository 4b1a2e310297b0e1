"""The trainings of a plan: a range test and trials, unless its journal has them already."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import TaskError
from learnrate._files import number_or_none
from learnrate.planning._budget import Budget, Pace
from learnrate.planning._result import RungTrial
from learnrate.planning._rung_losses import LadderTrial
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
    ranks,
    run_trial,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate._progress import ProgressBar
    from learnrate.planning._ladder import Ladder, Proposal
    from learnrate.planning._loss_scale import LossScale
    from learnrate.schedules import Schedule
    from learnrate.task import RateGroups, Task

__all__ = ["RANGE_TEST_STEPS", "PlanTrainer", "rates_of_logs"]

_RANGE = (1e-7, 1e3)
_RANGE_TEST_SHARE = 0.08  # of the budget
RANGE_TEST_STEPS = (11, 100)  # at least and at most
_FASTEST = 1e-7  # seconds of an update, at least
_FEWEST_TRIALS = 3  # however long they take
_USUAL_LEAST = 20  # updates of a range test, if they are at most a quarter of the budget


@dataclass
class PlanClock:
    """The time that a plan may take.

    Args:
        seconds: that it may take in all.
        begin: when it began.
        seconds_before: of its trials that the journal had already.
    """

    seconds: float
    begin: float
    seconds_before: float = 0.0

    def is_over(self, expected: float) -> bool:
        """Whether something that takes `expected` seconds would end too late."""
        elapsed = self.seconds_before + time.perf_counter() - self.begin
        return bool(ranks().from_first(elapsed + expected > self.seconds))


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
        groups: which parameters each rate is for, if the task has several rates.
        late: whether the time of the budget was over before what it should pay for was made.
    """

    task: Task
    journal: Journal
    bar: ProgressBar
    shape: Schedule
    spent: int = 0
    groups: RateGroups | None = None
    late: bool = field(default=False, init=False)
    _clock: PlanClock | None = field(default=None, init=False)
    _begin: float = field(default_factory=time.perf_counter, init=False)
    _update_seconds: float = field(default=0.0, init=False)
    _validation_seconds: float = field(default=0.0, init=False)

    def range_test(self, updates: int, seed: int, alone: int | None = None) -> RangeTest:
        """One range test of 8 % of `updates`, at least 11 and at most 100 steps long.

        Args:
            updates: of which it takes its share.
            seed: of the weights and the batches.
            alone: the only rate that is not 0, by its number, if the task has several.
        """
        iters = max(round(_RANGE_TEST_SHARE * updates), min(_USUAL_LEAST, updates // 4))
        iters = int(np.clip(iters, *RANGE_TEST_STEPS))
        lrs = rates_between(*_RANGE, iters, "exponential")
        record = self._range_test_record(lrs, seed, alone)
        losses = np.array([[math.nan if loss is None else loss for loss in record["loss"]]])
        test = RangeTest(lr=lrs, loss=losses, mode="exponential", seed=seed, memory=MEMORY)
        self.spent += int(record.get("updates", test.reached[0]))
        self._update_seconds = float(record["update_seconds"])
        return test

    def _range_test_record(self, lrs: np.ndarray, seed: int, alone: int | None) -> dict[str, Any]:
        measurement, task = f"range test to {_RANGE[1]:g}", self.task
        if alone is not None and self.groups is not None:
            only = [float(number == alone) for number in range(len(self.groups.names))]
            task = self.groups.task_at(self.task, only)
            measurement += f" of {self.groups.text(only)}"
        record = self.journal.get(measurement, len(lrs), seed)
        if record is None:
            times = [time.perf_counter()]

            def show(lr: float, loss: float, /) -> None:
                times.append(time.perf_counter())
                self.bar.show(self.spent, f"range test: rate {lr:.1e}, loss {loss:.4g}")

            losses = measure_repeat(Training(task, seed).update, lrs, show)
            record = {
                "loss": [number_or_none(loss) for loss in losses.tolist()],
                "updates": len(times) - 1,
                "update_seconds": ranks().from_first(statistics.median(np.diff(times).tolist())),
            }
            self.journal.add(measurement, len(lrs), seed, record)
        return record

    def start(self, seed: int) -> float | None:
        """The validation loss before training; None if the task has none."""
        record = self.journal.get("start", 0, seed)
        if record is None:
            training = Training(self.task, seed)
            begin = time.perf_counter()
            loss = training.validate()
            seconds = ranks().from_first(time.perf_counter() - begin)
            record = {"loss": None if loss is None else number_or_none(loss), "seconds": seconds}
            self.journal.add("start", 0, seed, record)
        self._validation_seconds = float(record["seconds"])
        return None if record["loss"] is None else float(record["loss"])

    def updates(self, budget: Budget, total_steps: int, seed: int) -> tuple[int, Pace | None]:
        """The number of updates that a budget pays for, and the pace if the budget is a time.

        What was decided by the time that training takes is kept in the journal, so that a plan that
        is made again decides the same.

        Args:
            budget: of the plan.
            total_steps: the length of one run, in updates.
            seed: of the plan.
        """
        by_share = budget.updates(total_steps, None)
        if budget.seconds is None:
            return by_share, None
        measurement = f"budget {budget.share} {budget.seconds:g}"
        record = self.journal.get(measurement, total_steps, seed)
        if record is None:
            pace = Pace(max(self._update_seconds, _FASTEST), self._validation_seconds)
            record = {
                "updates": budget.updates(total_steps, pace),
                "update_seconds": pace.update,
                "validation_seconds": pace.validation,
            }
            self.journal.add(measurement, total_steps, seed, record)
        updates = int(record["updates"])
        if updates <= by_share:
            return updates, None
        self._clock = PlanClock(budget.seconds, self._begin)
        return updates, Pace(float(record["update_seconds"]), float(record["validation_seconds"]))

    def climb(
        self, ladder: Ladder, trials: list[LadderTrial], scale: LossScale, seed: int
    ) -> list[LadderTrial]:
        """Train every further trial that the ladder proposes; returns all trials.

        It stops at the first negative loss if the scale is that of logs.

        Args:
            ladder: proposes the trials.
            trials: the trials of the ladder so far.
            scale: of the task's losses.
            seed: of the plan.
        """
        trials = list(trials)
        while (proposal := ladder.next(trials)) is not None:
            if ladder.extension is None and self._is_over(ladder, proposal.steps, trials, seed):
                self.late = True
                break
            record, seconds = self.trial(proposal, seed)
            trials.append(
                LadderTrial(
                    rung=proposal.rung,
                    steps=proposal.steps,
                    log_lr=proposal.log_lr,
                    repeat=proposal.repeat,
                    log_loss=scale.log_loss(record.loss),
                    cost=ladder.cost(record.updates, seconds),
                    record=record,
                    log_train=scale.log_train(record.train),
                    log_lrs=proposal.log_lrs,
                )
            )
            if scale.logarithmic and record.final < 0:
                break
        return trials

    def _is_over(
        self, ladder: Ladder, steps: int, trials: Sequence[LadderTrial], seed: int
    ) -> bool:
        """Whether the time is over. Where it was is kept, so that a plan made again ends there."""
        if self._clock is None or ladder.pace is None or len(trials) < _FEWEST_TRIALS:
            return False
        measurement = f"end after {self._clock.seconds:g} s"
        if self.journal.get(measurement, len(trials), seed) is not None:
            return True
        is_over = self._clock.is_over(ladder.seconds(steps, trials))
        if is_over:
            self.journal.add(measurement, len(trials), seed, {"trials": len(trials)})
        return is_over

    def trial(self, proposal: Proposal, seed: int) -> tuple[RungTrial, float]:
        """Train one proposed trial; returns how many seconds it took, too."""
        rates = rates_of_logs(proposal.log_lrs or (proposal.log_lr,))
        peak = rates[0] if self.groups is None else max(self.groups.rates_of_groups(rates))
        schedule = peak * self.shape.shortened(proposal.steps)
        trial = Trial(schedule, _trial_seed(seed, proposal.steps, proposal.repeat))
        curve = self._curve(trial, rates)
        record = RungTrial(
            lr=peak,
            seed=trial.seed,
            loss=number_or_none(curve.final),
            status=str(curve.status),
            updates=curve.steps,
            reason=proposal.reason,
            train=_last_tenth(curve),
            passes=curve.passes,
        )
        return record, curve.seconds

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
            curve = self._curve(Trial(schedule, _trial_seed(seed, steps)), (peak,))
            trials[candidate] = ShapeTrial(
                warmup=candidate.warmup,
                decay=candidate.decay,
                shape=str(candidate.shape),
                lr=peak,
                loss=number_or_none(curve.final),
                updates=curve.steps,
            )
        return trials

    def _curve(self, trial: Trial, rates: tuple[float, ...]) -> Curve:
        detail = "" if self.groups is None else self.groups.text(rates)
        curve = self.journal.curve(trial, detail)
        if curve is None:
            curve = self._run(trial, rates)
            self.journal.add_curve(trial, curve, detail)
        elif self._clock is not None:
            self._clock.seconds_before += curve.seconds
        self.spent += curve.steps
        return curve

    def _run(self, trial: Trial, rates: tuple[float, ...]) -> Curve:
        tried = " and ".join(f"{lr:.2g}" for lr in rates)

        def show(update: Update) -> None:
            stage = f"trial of {trial.total_steps} updates at {tried}, loss {update.loss:.4g}"
            self.bar.show(self.spent + update.step + 1, stage)

        task = self.task if self.groups is None else self.groups.task_at(self.task, rates)
        curve, _ = run_trial(task, trial, on_update=show)
        if curve.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if curve.status is Status.FAILED:
            raise TaskError(f"the trial at rate {tried}, seed {trial.seed}: {curve.error}")
        return curve


def rates_of_logs(log_lrs: Sequence[float]) -> tuple[float, ...]:
    """The rates that are trained, which have four digits."""
    return tuple(float(f"{math.exp(log_lr):.4g}") for log_lr in log_lrs)


def _last_tenth(curve: Curve) -> float | None:
    """The mean training loss of the last tenth of a trial; None if it did not finish."""
    if curve.status is not Status.FINISHED:
        return None
    return number_or_none(float(np.mean(curve.loss[-max(1, curve.steps // 10) :])))


def _trial_seed(seed: int, steps: int, repeat: int = 0) -> int:
    """Trials of one length share their batches, which removes most noise from comparing them."""
    return derived_seed(seed, 20, steps, repeat) if repeat else derived_seed(seed, 20, steps)
