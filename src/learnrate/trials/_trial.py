"""A trial: one training of a task under one schedule and one seed. Its result: a curve."""

from __future__ import annotations

import math
import statistics
import time
from array import array
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np

from learnrate._errors import ArgumentError, LostRankError
from learnrate._weight_sample import FirstWeights
from learnrate.trials._distributed import RankError, ranks
from learnrate.trials._training import Training

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.schedules import Schedule
    from learnrate.task import Task

__all__ = [
    "Curve",
    "DivergenceTest",
    "Status",
    "Trial",
    "Update",
    "UpdateSequence",
    "run_trial",
]


# Of the test of divergence. In stored sweeps of 28 tasks, no run that ended below its start was 20
# standard deviations above it for that long.
_FIRST_LOSSES = 10
_MEMORY = 0.9
_FAR_NOISE = 30.0
_FAR_FALL = 3.0
_PATIENCE = 20  # updates


class Status(StrEnum):
    """How a trial ended: stopped on request, interrupted by Ctrl-C."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"


class UpdateSequence(Protocol):
    """Which update a trial makes next, and at what rate. A `Run` is one; it may go back."""

    @property
    def next_step(self) -> int:
        """The step of the next update."""
        ...

    @property
    def lr(self) -> float:
        """The rate of the next update."""
        ...

    @property
    def done(self) -> bool:
        """Whether there is no next update."""
        ...

    @property
    def stopped(self) -> str | None:
        """Why the sequence ended before its total; None unless it did."""
        ...


class _ScheduledUpdates:
    """The updates of a schedule, from its first step to its last."""

    stopped = None

    def __init__(self, trial: Trial) -> None:
        self._rates = trial.schedule.table()
        self.next_step = 0

    @property
    def lr(self) -> float:
        return float(self._rates[self.next_step])

    @property
    def done(self) -> bool:
        return self.next_step >= len(self._rates)


@dataclass(frozen=True)
class Trial:
    """One training to be made.

    Attributes:
        schedule: bound to its total.
        seed: of the first weights, the batches and every random draw.

    Raises:
        ArgumentError: the schedule has no total.
    """

    schedule: Schedule
    seed: int

    def __post_init__(self) -> None:
        if self.schedule.total_steps is None:
            raise ArgumentError(
                f"a trial needs a schedule of known length; {self.schedule} has none. "
                "Bind it with .over(total_steps)."
            )

    @property
    def total_steps(self) -> int:
        """How many updates the trial makes if it does not end early."""
        assert self.schedule.total_steps is not None  # noqa: S101 - checked at construction
        return self.schedule.total_steps


@dataclass(frozen=True)
class Update:
    """The argument of a callback after each optimizer update.

    Attributes:
        step: the update just made, 0-based.
        total_steps: of the trial.
        lr: the rate it was made at.
        loss: the mean training loss before it.
    """

    step: int
    total_steps: int
    lr: float
    loss: float


@dataclass(frozen=True)
class Curve:
    """The record of a trial.

    Attributes:
        lr: the rate of each update made, shape (steps,).
        loss: the mean training loss before each update, shape (steps,).
        validation: the task's validation loss at the end; None if the task has none, or the trial
            did not finish.
        status: how the trial ended.
        seconds: how long the trial took.
        error: what a failed trial raised, or why a trial was stopped; empty otherwise.
        passes: passes over the data that were begun; None if not known.
        distance: how far the weights ended from where they began, in norms of the first weights; None
            if it is not known, or the trial did not finish.
    """

    lr: np.ndarray
    loss: np.ndarray
    validation: float | None
    status: Status
    seconds: float
    error: str = ""
    passes: int | None = None
    distance: float | None = None

    @property
    def steps(self) -> int:
        """The number of updates that the trial made."""
        return len(self.loss)

    @property
    def note(self) -> str:
        """What is wrong with the validation loss of a trial that finished; empty if nothing."""
        is_number = self.validation is None or math.isfinite(self.validation)
        if self.status is not Status.FINISHED or is_number:
            return ""
        if self.distance is None:  # the weights may not be finite, or could not be measured
            return f"the validation loss is {self.validation}; the training losses are finite."
        return (
            f"the validation loss is {self.validation}, but the training losses and the weights are "
            "finite: look for the error in Task(validate=...) or its data."
        )

    @property
    def final(self) -> float:
        """The loss the trial is judged by; infinite unless it finished.

        The validation loss; without one, the mean training loss over the last tenth of the run.
        """
        if self.status is not Status.FINISHED:
            return math.inf
        if self.validation is not None:
            return self.validation if math.isfinite(self.validation) else math.inf
        return float(np.mean(self.loss[-max(1, self.steps // 10) :]))


@dataclass
class DivergenceTest:
    """Detects divergence: a loss that is not finite, or that has left the level of its start for good.

    The level is the mean of the first ten losses without the largest. A later loss is far above it
    if it lies more than 30 standard deviations of these losses above, and more than three times as
    far as the smoothed loss has ever fallen below. The run has diverged when every loss of its last
    half, and of its last 20 updates, was far above. So a loss that comes back, as after a catapult,
    does not count, and neither do a small first loss and the spikes of single examples. A loss
    multiplied by a positive number, or shifted, gives the same answer.
    """

    _first: list[float] = field(default_factory=list, init=False)
    _level: float = field(default=0.0, init=False)
    _noise: float = field(default=0.0, init=False)
    _smooth: float = field(default=0.0, init=False)
    _lowest: float = field(default=0.0, init=False)
    _updates: int = field(default=0, init=False)
    _far_above: int = field(default=0, init=False)  # how many of the last losses, without a break

    def diverged(self, loss: float) -> bool:
        """Take the next loss; True once the run has diverged."""
        if not math.isfinite(loss):
            return True
        self._updates += 1
        if self._updates <= _FIRST_LOSSES:
            self._first.append(loss)
            if self._updates == _FIRST_LOSSES:
                self._begin()
            return False
        self._smooth = _MEMORY * self._smooth + (1 - _MEMORY) * loss
        self._lowest = min(self._lowest, self._smooth)
        self._far_above = self._far_above + 1 if loss > self._bound else 0
        return self._far_above >= max(_PATIENCE, self._updates / 2)

    def _begin(self) -> None:
        usual = sorted(self._first)[:-1]
        self._level = self._smooth = self._lowest = statistics.fmean(usual)
        self._noise = statistics.stdev(usual, self._level)

    @property
    def _bound(self) -> float:
        rounding = 1e-9 * abs(self._level)
        fall = self._level - self._lowest
        return self._level + max(_FAR_NOISE * self._noise, _FAR_FALL * fall, rounding)


def run_trial(
    task: Task,
    trial: Trial,
    *,
    on_start: Callable[[Training], UpdateSequence] | None = None,
    on_update: Callable[[Update], None] | None = None,
) -> tuple[Curve, Training | None]:
    """Train `task` as `trial` says. Use inside `preserved(task)`.

    A diverged trial ends at once. An error in the task's own code ends the trial as failed, with
    the error's message in the curve; Ctrl-C ends it as interrupted, with the updates made so far.

    Args:
        task: what to train.
        trial: its schedule and its seed.
        on_start: called with the training before the first update. It returns the sequence of
            updates to make in place of the trial's schedule. The sequence sets the rates itself,
            and must advance in `on_update`. If it goes back to an earlier step, the curve has only
            the updates that were not undone.
        on_update: called after each update.

    Returns:
        The curve, and what was trained; None if it could not be made.

    Raises:
        LostRankError: another rank of a distributed job has ended.
    """
    start = time.perf_counter()
    rates, losses = array("d"), array("d")  # a quarter of the memory of lists
    status, error, validation, training = Status.FINISHED, "", None, None
    distance: float | None = None
    try:
        training = Training(task, trial.seed)
        first_weights = FirstWeights(training.trained_parameters)
        scheduled = _ScheduledUpdates(trial)
        sequence: UpdateSequence = scheduled if on_start is None else on_start(training)

        def advance(update: Update) -> None:
            scheduled.next_step = update.step + 1
            if on_update is not None:
                on_update(update)

        status = _make_updates(training, sequence, (rates, losses), advance, trial.total_steps)
        error = sequence.stopped or ""
        if status is not Status.DIVERGED:
            validation = training.validate()
            distance = first_weights.distance()
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    except LostRankError:
        raise
    except RankError as raised:
        status, error = Status.FAILED, str(raised)
    except Exception as raised:
        if ranks().size > 1:  # the other ranks do not know: they would continue this trial
            raise
        status, error = Status.FAILED, f"{type(raised).__name__}: {raised}"
    seconds = time.perf_counter() - start
    if status is not Status.INTERRUPTED:  # Ctrl-C meets the ranks at different places
        seconds = ranks().from_first(seconds)
    curve = Curve(
        lr=np.array(rates),
        loss=np.array(losses),
        validation=validation,
        status=status,
        seconds=seconds,
        error=error,
        passes=None if training is None else training.passes,
        distance=distance,
    )
    return curve, training


def _make_updates(
    training: Training,
    sequence: UpdateSequence,
    rates_and_losses: tuple[array[float], array[float]],
    advance: Callable[[Update], None],
    total_steps: int,
) -> Status:
    """Make the updates of a sequence; rates and losses of those that it undoes are overwritten."""
    rates, losses = rates_and_losses
    test = DivergenceTest()
    while not sequence.done:
        step, lr = sequence.next_step, sequence.lr
        loss = training.update(lr if isinstance(sequence, _ScheduledUpdates) else None)
        del rates[step:], losses[step:]
        rates.append(lr)
        losses.append(loss)
        advance(Update(step, total_steps, lr, loss))
        if sequence.next_step <= step:
            test = DivergenceTest()
        elif test.diverged(loss):
            return Status.DIVERGED
    return Status.FINISHED if sequence.stopped is None else Status.STOPPED
