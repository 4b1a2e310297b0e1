"""What runs many trials: the interface, and the engine that runs one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from learnrate.trials._trial import Curve, Status, Trial, Update, run_trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from learnrate.task import Task

__all__ = ["Engine", "Observe", "Sequential", "nothing"]


class Observe(Protocol):
    """Told how many updates the trials that are still going have made, and what is going on."""

    def __call__(self, updates: int, stage: str, /) -> None: ...


def nothing(updates: int, stage: str, /) -> None:
    """Observe nothing."""


class Engine(Protocol):
    """Runs trials of one task, and says in `notes` what a person should know about how.

    The same seed gives the same curve on every engine, within floating-point noise.
    """

    @property
    def name(self) -> str:
        """The word by which it is chosen."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences: what could not be done, and what was done instead."""

    def run(
        self, task: Task, trials: Sequence[Trial], observe: Observe = nothing
    ) -> Iterator[tuple[Trial, Curve]]:
        """Each trial with its curve as soon as it has ended. Use inside `preserved(task)`.

        Raises:
            KeyboardInterrupt: on Ctrl-C; the trials that have not ended have no curve.
        """


class Sequential:
    """One trial after another, each exactly a plain PyTorch loop."""

    name = "sequential"
    notes: tuple[str, ...] = ()

    def run(
        self, task: Task, trials: Sequence[Trial], observe: Observe = nothing
    ) -> Iterator[tuple[Trial, Curve]]:
        """Each trial with its curve, in the order given."""

        def show(update: Update) -> None:
            observe(update.step + 1, f"rate {update.lr:.2g}, loss {update.loss:.4g}")

        for trial in trials:
            curve, _ = run_trial(task, trial, on_update=show)
            if curve.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            yield trial, curve
