"""Engines, which run many trials: the interface, how trials are split, and the sequential engine."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from learnrate.trials._trial import Curve, Status, Trial, Update, run_trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from learnrate.task import Task

__all__ = [
    "Engine",
    "ProgressCallback",
    "Sequential",
    "ignore_progress",
    "split_by_seed_and_length",
    "split_into_stacks",
]


class ProgressCallback(Protocol):
    """Called with the updates made by the trials that have not ended, and what is going on."""

    def __call__(self, updates: int, stage: str, /) -> None: ...


def ignore_progress(updates: int, stage: str, /) -> None:
    """Show nothing: the default where nobody watches."""


class Engine(ABC):
    """Runs trials of one task.

    The same seed gives the same curve on every engine, within floating-point noise.

    Attributes:
        name: the name that users choose it by.
        notes: sentences for the user: what could not be done, and what was done instead.
    """

    name: str
    notes: Sequence[str]

    def run(
        self, task: Task, trials: Sequence[Trial], on_progress: ProgressCallback = ignore_progress
    ) -> Iterator[tuple[Trial, Curve]]:
        """Yield each trial with its curve as soon as it has ended. Use inside `preserved(task)`.

        Args:
            task: what to train.
            trials: in increasing order of their rates, for each seed.
            on_progress: called now and then while trials run.

        Raises:
            KeyboardInterrupt: on Ctrl-C; trials that have not ended have no curve.
        """
        return self._curves(task, trials, on_progress)

    @abstractmethod
    def _curves(
        self, task: Task, trials: Sequence[Trial], on_progress: ProgressCallback
    ) -> Iterator[tuple[Trial, Curve]]:
        """The results that `run` yields."""


class Sequential(Engine):
    """One trial after another, each exactly a plain PyTorch loop."""

    name = "sequential"
    notes: tuple[str, ...] = ()

    def _curves(
        self, task: Task, trials: Sequence[Trial], on_progress: ProgressCallback
    ) -> Iterator[tuple[Trial, Curve]]:
        def show(update: Update) -> None:
            on_progress(update.step + 1, f"rate {update.lr:.2g}, loss {update.loss:.4g}")

        for trial in trials:
            curve = run_trial(task, trial, on_update=show)[0]  # the model ends here
            if curve.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            yield trial, curve


def split_by_seed_and_length(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Group trials that can share a stack: those of one seed and one length."""
    groups: dict[tuple[int, int], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.seed, trial.total_steps), []).append(trial)
    return list(groups.values())


def split_into_stacks(trials: Sequence[Trial], width: int) -> list[list[Trial]]:
    """Split trials into stacks of about equal size, the largest first.

    Each stack gets low and high rates, because trials at high rates end early.

    Args:
        trials: in increasing order of their rates, for each seed.
        width: the most trials a stack may hold.
    """
    stacks: list[list[Trial]] = []
    for group in split_by_seed_and_length(trials):
        count = math.ceil(len(group) / width)
        stacks.extend(group[first::count] for first in range(count))
    return sorted(stacks, key=len, reverse=True)
