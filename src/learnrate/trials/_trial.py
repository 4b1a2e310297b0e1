"""A trial: one training of a task under one schedule and one seed. Its result: a curve."""

from __future__ import annotations

import math
import time
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

__all__ = ["Course", "Curve", "DivergenceTest", "Status", "Trial", "Update", "run_trial"]


class Status(StrEnum):
    """How a trial ended; stopped is by somebody's wish, interrupted by Ctrl-C."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"


class Course(Protocol):
    """Which update a trial makes next, at what rate; a `Run` is one, and may go back."""

    @property
    def next_step(self) -> int:
        """The update about to happen."""
        ...

    @property
    def lr(self) -> float:
        """Its rate."""
        ...

    @property
    def done(self) -> bool:
        """Whether there is none."""
        ...

    @property
    def stopped(self) -> str | None:
        """Why it is done before its total, in words; None where it is not."""
        ...


class _Planned:
    """A schedule from its first step to its last."""

    stopped = None

    def __init__(self, trial: Trial) -> None:
        self._rates = trial.schedule.table().tolist()
        self.next_step = 0

    @property
    def lr(self) -> float:
        rate: float = self._rates[self.next_step]
        return rate

    @property
    def done(self) -> bool:
        return self.next_step >= len(self._rates)


@dataclass(frozen=True)
class Trial:
    """A schedule bound to its total, and the seed of weights, batches and draws."""

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
    """What a hook is told after each optimizer update."""

    step: int
    total_steps: int
    lr: float
    loss: float


@dataclass(frozen=True)
class Curve:
    """What a trial recorded.

    Attributes:
        lr: the rate of each update made, shape (steps,).
        loss: its mean training loss before the update, shape (steps,).
        validation: the task's validation loss at the end, None without one or when not finished.
        status: how the trial ended.
        seconds: how long it took.
        error: what a failed trial raised, else empty.
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
    """Says when a loss has left for good: not finite, or its smooth value far above its start.

    The smooth value is an exponential mean over about ten updates, in which no loss counts for
    more than `2.5 * factor` times the first one: a single early spike (a catapult) is not
    divergence, half a dozen in a row are.
    """

    factor: float = 4.0
    memory: float = 0.9
    _first: float | None = field(default=None, init=False)
    _smooth: float = field(default=0.0, init=False)

    def diverged(self, loss: float) -> bool:
        """Take the next loss; True once the run is past saving."""
        if not math.isfinite(loss):
            return True
        if self._first is None:
            self._first = self._smooth = abs(loss)
        counted = min(loss, 2.5 * self.factor * self._first)
        self._smooth = self.memory * self._smooth + (1 - self.memory) * counted
        return self._smooth > self.factor * self._first


def run_trial(
    task: Task,
    trial: Trial,
    *,
    on_start: Callable[[Training], Course] | None = None,
    on_update: Callable[[Update], None] | None = None,
) -> tuple[Curve, Training | None]:
    """Train `task` as `trial` says: its curve, and what was trained. Use inside `preserved(task)`.

    A diverged trial ends at once. An error in the task's own code ends it as failed, with its
    message kept; Ctrl-C ends it as interrupted, with the updates made until then. `on_start` is
    told what will be trained, before the first update, and may give the course to take in place of
    the trial's schedule: it sets the rates, and moves on in `on_update`. Where it goes back to an earlier step, the
    curve is that of the updates that count.

    Raises:
        LostRankError: another rank of a distributed job has ended.
    """
    began = time.perf_counter()
    rates: list[float] = []
    losses: list[float] = []
    status, error, validation, training = Status.FINISHED, "", None, None
    try:
        training = Training(task, trial.seed)
        planned = _Planned(trial)
        course: Course = planned if on_start is None else on_start(training)

        def tell(update: Update) -> None:
            planned.next_step = update.step + 1
            if on_update is not None:
                on_update(update)

        status = _drive(training, course, (rates, losses), tell, trial.total_steps)
        error = course.stopped or ""
        if status is not Status.DIVERGED:
            validation = training.validate()
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    except LostRankError:
        raise
    except RankError as raised:
        status, error = Status.FAILED, str(raised)
    except Exception as raised:
        if ranks().size > 1:  # no other rank knows: they would go on with this trial
            raise
        status, error = Status.FAILED, f"{type(raised).__name__}: {raised}"
    seconds = time.perf_counter() - began
    if status is not Status.INTERRUPTED:  # Ctrl-C does not find all ranks at one place
        seconds = ranks().agreed(seconds)
    curve = Curve(
        lr=np.asarray(rates),
        loss=np.asarray(losses),
        validation=validation,
        status=status,
        seconds=seconds,
        error=error,
    )
    return curve, training


def _drive(
    training: Training,
    course: Course,
    curve: tuple[list[float], list[float]],
    tell: Callable[[Update], None],
    total_steps: int,
) -> Status:
    """Make the updates of a course, keeping rates and losses of those that count."""
    rates, losses = curve
    test = DivergenceTest()
    while not course.done:
        step, lr = course.next_step, course.lr
        loss = training.update(lr if isinstance(course, _Planned) else None)
        rates[step:], losses[step:] = [lr], [loss]
        tell(Update(step, total_steps, lr, loss))
        if course.next_step <= step:
            test = DivergenceTest()
        elif test.diverged(loss):
            return Status.DIVERGED
    return Status.FINISHED if course.stopped is None else Status.STOPPED
