"""The engine that trains all trials of a seed at once, their parameters in one tensor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from learnrate.trials._engines import Observe, Sequential, nothing
from learnrate.trials._memory import is_out_of_memory
from learnrate.trials._parts import stackable
from learnrate.trials._probe import first_line
from learnrate.trials._stack import Stack
from learnrate.trials._trial import Curve, DivergenceTest, Status, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from learnrate.task import Task

__all__ = ["Vectorised"]


class Vectorised:
    """Stacks of trials of one seed and length, their batches shared.

    A trial that diverges leaves its stack at once. A stack that does not fit into memory is
    halved. One whose task raises is run again one trial after another, which tells the trial that
    fails from those that do not. Random draws inside a model, as dropout makes them, are
    independent from trial to trial: of the same distribution as alone, not the same numbers.

    Args:
        width: how many trials a stack holds at most; all of a seed by default.
    """

    name = "vectorised"

    def __init__(self, width: int | None = None) -> None:
        self._width = width
        self.notes: list[str] = []

    def run(
        self, task: Task, trials: Sequence[Trial], observe: Observe = nothing
    ) -> Iterator[tuple[Trial, Curve]]:
        """Each trial with its curve as soon as it has ended."""
        for group in stackable(trials):
            width = self._width or len(group)
            for start in range(0, len(group), width):
                yield from self._stacked(task, group[start : start + width], observe)

    def _stacked(
        self, task: Task, trials: list[Trial], observe: Observe
    ) -> Iterator[tuple[Trial, Curve]]:
        left = list(trials)
        try:
            for trial, curve in _run_stack(task, trials, observe):
                left.remove(trial)
                yield trial, curve
        except Exception as error:  # noqa: BLE001 - the engine that runs them alone will tell
            too_large = is_out_of_memory(error) and len(left) > 1
            if not too_large:
                said = f"{len(left)} trials of seed {left[0].seed} ran one after another"
                self.notes.append(f"{said}: {first_line(error)}")
        else:
            return
        if not too_large:
            yield from Sequential().run(task, left, observe)
            return
        half = (len(left) + 1) // 2
        self._width = min(half, self._width or half)
        self.notes.append(
            f"{len(trials)} trials did not fit into memory at once; went on with {half}"
        )
        yield from self._stacked(task, left[:half], observe)
        yield from self._stacked(task, left[half:], observe)


def _run_stack(task: Task, trials: list[Trial], observe: Observe) -> Iterator[tuple[Trial, Curve]]:
    began = time.perf_counter()
    rates = np.stack([trial.schedule.table() for trial in trials])
    stack = Stack(task, trials[0].seed, len(trials))
    losses: list[list[float]] = [[] for _ in trials]
    tests = [DivergenceTest() for _ in trials]
    alive = list(range(len(trials)))

    def curve(at: int, status: Status, validation: float | None = None, error: str = "") -> Curve:
        return Curve(
            lr=rates[at, : len(losses[at])],
            loss=np.asarray(losses[at]),
            validation=validation,
            status=status,
            seconds=(time.perf_counter() - began) / len(trials),
            error=error,
        )

    for step in range(trials[0].total_steps):
        for at, loss in zip(alive, stack.update(rates[alive, step]), strict=True):
            losses[at].append(loss)
        gone = {at for at in alive if tests[at].diverged(losses[at][-1])}
        if gone:
            stack.keep([place for place, at in enumerate(alive) if at not in gone])
            alive = [at for at in alive if at not in gone]
            for at in sorted(gone):
                yield trials[at], curve(at, Status.DIVERGED)
        if not alive:
            return
        lowest = min(losses[at][-1] for at in alive)
        observe((step + 1) * len(alive), f"{len(alive)} at once, lowest loss {lowest:.4g}")
    for place, at in enumerate(alive):
        try:
            validation = stack.validate(place)
        except Exception as raised:  # noqa: BLE001 - the task's own code ends its trial only
            error = f"{type(raised).__name__}: {raised}"
            yield trials[at], curve(at, Status.FAILED, error=error)
        else:
            yield trials[at], curve(at, Status.FINISHED, validation)
