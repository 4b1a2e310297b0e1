"""A trial: one training of a task under one schedule and one seed. Its result: a curve."""

from __future__ import annotations

import math
import time
from array import array
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np

from learnrate._errors import ArgumentError, LostRankError
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
    """What a callback gets after each optimizer update.

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
    """What a trial recorded.

    Attributes:
        lr: the rate of each update made, shape (steps,).
        loss: the mean training loss before each update, shape (steps,).
        validation: the task's validation loss at the end; None if the task has none, or the trial
            did not finish.
        status: how the trial ended.
        seconds: how long the trial took.
        error: what a failed trial raised, or why a trial was stopped; empty otherwise.
    """

    lr: np.ndarray
    loss: np.ndarray
    validation: float | None
    status: Status
    seconds: float
    error: str = ""

    @property
    def steps(self) -> int:
        """Updates made."""
        return len(self.loss)

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
    """Detects divergence: a loss that is not finite, or whose smoothed value is far above its start.

    The smoothed value is an exponential mean over about ten updates. Each loss in it is clipped to
    `2.5 * factor` times the first loss, so that a single early spike (a catapult) is not taken for
    divergence, and half a dozen spikes in a row are.

    Args:
        factor: the run has diverged when the smoothed loss exceeds this many times the first loss.
        memory: of the exponential mean, in [0, 1).
    """

    factor: float = 4.0
    memory: float = 0.9
    _first: float | None = field(default=None, init=False)
    _smooth: float = field(default=0.0, init=False)

    def diverged(self, loss: float) -> bool:
        """Take the next loss; True once the run has diverged."""
        if not math.isfinite(loss):
            return True
        if self._first is None:
            self._first = self._smooth = abs(loss)
        clipped = min(loss, 2.5 * self.factor * self._first)
        self._smooth = self.memory * self._smooth + (1 - self.memory) * clipped
        return self._smooth > self.factor * self._first


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
    try:
        training = Training(task, trial.seed)
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
