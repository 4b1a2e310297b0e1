"""The trainings of a plan: a range test and trials, unless its journal has them already."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import TaskError
from learnrate._files import number_or_none
from learnrate._usual_rate import known_usual_rate
from learnrate.planning._asked import AskedTrial, rates_of_logs, record_of, trial_seed
from learnrate.planning._budget import WHOLE_SWEEP, Budget, Pace
from learnrate.planning._clock import PlanClock
from learnrate.planning._engine import MOST_TOGETHER, TrialsTogether
from learnrate.planning._rung_losses import LadderTrial
from learnrate.planning._shapes import Candidate, ShapeTrial, candidates
from learnrate.planning._together import next_together
from learnrate.range_test import MEMORY, RangeTest, measure_repeat, rates_between
from learnrate.trials import (
    Curve,
    Journal,
    Status,
    Training,
    Trial,
    Update,
    ranks,
    run_trial,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from learnrate._progress import ProgressBar
    from learnrate.planning._ladder import Ladder, Proposal
    from learnrate.planning._loss_scale import LossScale
    from learnrate.planning._result import RungTrial
    from learnrate.schedules import Schedule
    from learnrate.task import RateGroups, Task

__all__ = ["RANGE_TEST_STEPS", "PlanTrainer"]

_RANGE = (1e-7, 1e3)
_WORTH_MEASURING = 5.0, 4000  # seconds and updates; measuring takes 100 to 250 updates
_LONGEST_UPDATE = 0.05  # seconds
_MOST_FOR_MEASURING = 0.2  # of the budget: the most that measuring is charged for
_RANGE_TEST_SHARE = 0.08  # of the budget
RANGE_TEST_STEPS = (11, 100)  # at least and at most
_FASTEST = 1e-7  # seconds of an update, at least
_FEWEST_TRIALS = 3  # however long they take
_USUAL_LEAST = 20  # updates of a range test, if they are at most a quarter of the budget


@dataclass(frozen=True)
class BeforeTraining:
    """What is known of a task before it is trained.

    Attributes:
        loss: the validation loss; None if the task has none.
        usual_log_lr: the log of the rate that is usually best; NaN if it is not known.
    """

    loss: float | None
    usual_log_lr: float


@dataclass
class PlanTrainer:
    """Trains the trials of a plan, keeps them in its journal, and counts what they cost.

    What the journal has already is not trained again.

    Args:
        task: what to train.
        journal: where every trial is kept.
        bar: shows what is being trained.
        shape: the schedule of the whole run, bound to its length, with peak 1.
        spent: the updates made so far. Trials that ran at once count for the time that they took.
        groups: which parameters each rate is for, if the task has several rates.
        together: how several trials run at once; None if one runs after another.
        late: whether the time of the budget was over before all that it should pay for was trained.
    """

    task: Task
    journal: Journal
    bar: ProgressBar
    shape: Schedule
    spent: int = 0
    groups: RateGroups | None = None
    together: TrialsTogether | None = field(default=None, init=False)
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

    def start(self, seed: int) -> BeforeTraining:
        """What is known of the task before training: its validation loss, and its usual rate."""
        record = self.journal.get("start", 0, seed)
        if record is None:
            training = Training(self.task, seed)
            usual = known_usual_rate(training.optimizers)
            begin = time.perf_counter()
            loss = training.validate()
            seconds = ranks().from_first(time.perf_counter() - begin)
            record = {
                "loss": None if loss is None else number_or_none(loss),
                "seconds": seconds,
                "usual_lr": None if usual is None else usual.lr,
            }
            self.journal.add("start", 0, seed, record)
        self._validation_seconds = float(record["seconds"])
        loss, usual_lr = record["loss"], record.get("usual_lr")
        return BeforeTraining(
            loss=None if loss is None else float(loss),
            usual_log_lr=math.nan if usual_lr is None else math.log(usual_lr),
        )

    @property
    def _first_pace(self) -> Pace:
        """The pace of the range test, and of the validation before training."""
        return Pace(max(self._update_seconds, _FASTEST), self._validation_seconds)

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
            pace = self._first_pace
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

    def choose_engine(
        self, engine: str, updates: int, pace: Pace | None, total_steps: int, seed: int
    ) -> TrialsTogether | None:
        """Measure how several trials are run at once; None if one runs after another.

        It is not worth measuring for a plan of a few seconds or few updates. Long updates leave no part
        of the machine idle, and their models may be large, so these are not copied. Ranks train each
        trial together. What was measured is kept in the journal, so that a plan that is made again asks
        for the same trials.

        Args:
            engine: one of `PLAN_ENGINES`.
            updates: that the plan may make.
            pace: that made a time into these updates; None if the budget is a share.
            total_steps: the length of one run, in updates.
            seed: of the plan.
        """
        updates = min(updates, math.floor(WHOLE_SWEEP * total_steps)) - self.spent
        first = self._first_pace
        least = max(_WORTH_MEASURING[0] / first.update, _WORTH_MEASURING[1])
        worth = first.update < _LONGEST_UPDATE and updates >= least
        if engine == "sequential" or not worth or ranks().size > 1:
            return None
        measurement = f"engine for {updates} updates"
        record = self.journal.get(measurement, total_steps, seed)
        if record is None:
            begin = time.perf_counter()
            steps = min(total_steps, max(1, updates // MOST_TOGETHER))
            rates = np.geomspace(_RANGE[0], 1e-3, MOST_TOGETHER).tolist()
            trials = [Trial(rate * self.shape.shortened(steps), seed) for rate in rates]
            together = TrialsTogether.measured(self.task, trials, first)
            record = together.to_record() | {"seconds": time.perf_counter() - begin}
            self.journal.add(measurement, total_steps, seed, record)
        together = TrialsTogether.from_record(record)
        together = together if pace is None else replace(together, pace=pace)
        most = math.floor(_MOST_FOR_MEASURING * updates)
        self.spent += min(most, round(record["seconds"] / together.pace.update))
        self.together = together if together.worth_it else None
        return self.together

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
        while proposals := next_together(ladder, trials):
            if ladder.extension is None and self._is_over(ladder, proposals, trials, seed):
                self.late = True
                break
            trained = [
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
                    share=ladder.costs_together[len(proposals) - 1] / len(proposals),
                )
                for proposal, (record, seconds) in zip(
                    proposals, self.run(proposals, seed), strict=True
                )
            ]
            trials += trained
            if scale.logarithmic and any(trial.record.final < 0 for trial in trained):
                break
        return trials

    def _is_over(
        self,
        ladder: Ladder,
        proposals: Sequence[Proposal],
        trials: Sequence[LadderTrial],
        seed: int,
    ) -> bool:
        """Whether the time is over; the trial at which it was is saved, for a plan made again."""
        if self._clock is None or ladder.pace is None or len(trials) < _FEWEST_TRIALS:
            return False
        measurement = f"end after {self._clock.seconds:g} s"
        if self.journal.get(measurement, len(trials), seed) is not None:
            return True
        expected = ladder.seconds(proposals[0].steps, trials, len(proposals))
        is_over = self._clock.is_over(expected)
        if is_over:
            self.journal.add(measurement, len(trials), seed, {"trials": len(trials)})
        return is_over

    def run(self, proposals: Sequence[Proposal], seed: int) -> list[tuple[RungTrial, float]]:
        """Train the proposed trials at once; returns each with how many seconds it took.

        Args:
            proposals: of one length and seed.
            seed: of the plan.
        """
        requests = [self._asked(proposal, seed) for proposal in proposals]
        curves = self._curves(requests)
        return [
            (record_of(proposal, trial, curve), curve.seconds)
            for proposal, trial, curve in zip(proposals, requests, curves, strict=True)
        ]

    def _asked(self, proposal: Proposal, seed: int) -> AskedTrial:
        rates = rates_of_logs(proposal.log_lrs or (proposal.log_lr,))
        peak = rates[0] if self.groups is None else max(self.groups.rates_of_groups(rates))
        schedule = peak * self.shape.shortened(proposal.steps)
        trial = Trial(schedule, trial_seed(seed, proposal.steps, proposal.repeat))
        return AskedTrial(trial, peak, rates)

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
            trial = Trial(schedule, trial_seed(seed, steps))
            (curve,) = self._curves([AskedTrial(trial, peak, (peak,))])
            trials[candidate] = ShapeTrial(
                warmup=candidate.warmup,
                decay=candidate.decay,
                shape=str(candidate.shape),
                lr=peak,
                loss=number_or_none(curve.final),
                updates=curve.steps,
            )
        return trials

    def _curves(self, requests: Sequence[AskedTrial]) -> list[Curve]:
        """The curve of each trial. Those that the journal does not have are trained at once."""
        curves = {trial: curve for trial in requests if (curve := self._kept(trial)) is not None}
        missing = [trial for trial in requests if trial not in curves]
        for trial, curve in self._trained(missing):
            self.journal.add_curve(trial.trial, curve, self._detail(trial))
            curves[trial] = curve
        self.spent += sum(self._cost(curve) for curve in curves.values())
        return [curves[trial] for trial in requests]

    def _kept(self, request: AskedTrial) -> Curve | None:
        """The curve of a trial that the journal has."""
        curve = self.journal.curve(request.trial, self._detail(request))
        if curve is not None and self._clock is not None:
            self._clock.seconds_before += curve.seconds
        return curve

    def _detail(self, request: AskedTrial) -> str:
        return "" if self.groups is None else self.groups.text(request.rates)

    def _cost(self, curve: Curve) -> int:
        """What a trial took of the budget, in updates."""
        return curve.steps if self.together is None else self.together.cost(curve)

    def _trained(self, requests: Sequence[AskedTrial]) -> Iterator[tuple[AskedTrial, Curve]]:
        """Train each trial, all at once if they can; each comes as soon as it has ended."""
        if self.together is None or len(requests) < 2:
            yield from ((trial, self._alone(trial)) for trial in requests)
            return
        by_trial = {trial.trial: trial for trial in requests}

        def show(updates: int, stage: str, /) -> None:
            about = f"{len(requests)} trials of {requests[0].trial.total_steps} updates"
            cost = self.together.costs[len(requests) - 1] if self.together else 1.0
            self.bar.show(self.spent + round(updates * cost / len(requests)), f"{about}; {stage}")

        for trial, curve in self.together.run(self.task, list(by_trial), show):
            if curve.status is Status.FAILED:
                raise TaskError(f"the trial of seed {trial.seed}: {curve.error}")
            yield by_trial[trial], curve

    def _alone(self, request: AskedTrial) -> Curve:
        trial = request.trial
        tried = " and ".join(f"{lr:.2g}" for lr in request.rates)

        def show(update: Update) -> None:
            stage = f"trial of {trial.total_steps} updates at {tried}, loss {update.loss:.4g}"
            self.bar.show(self.spent + update.step + 1, stage)

        task = self.task if self.groups is None else self.groups.task_at(self.task, request.rates)
        curve, _ = run_trial(task, trial, on_update=show)
        if curve.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if curve.status is Status.FAILED:
            raise TaskError(f"the trial at rate {tried}, seed {trial.seed}: {curve.error}")
        return curve
