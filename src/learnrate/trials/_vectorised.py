"""The engine that trains all trials of a seed at once, their parameters in one tensor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from learnrate._weight_sample import FirstWeights
from learnrate.trials._engines import (
    Engine,
    ProgressCallback,
    Sequential,
    split_by_seed_and_length,
)
from learnrate.trials._memory import is_out_of_memory
from learnrate.trials._probe import first_line
from learnrate.trials._stack import Stack
from learnrate.trials._trial import Curve, DivergenceTest, Status, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from learnrate.task import Task

__all__ = ["Vectorised"]


class Vectorised(Engine):
    """Stacks of trials of one seed and length, their batches shared.

    A trial that diverges leaves its stack at once. A stack that does not fit into memory is
    halved. If the task raises in a stack, its trials run again one after another, so that only the
    trial that raises fails. Random draws inside a model, such as those of dropout, are independent
    from trial to trial: they have the same distribution as in a trial alone, but other values.

    Args:
        width: the most trials a stack holds; all of a seed by default.
    """

    name = "vectorised"

    def __init__(self, width: int | None = None) -> None:
        self._width = width
        self.notes: list[str] = []

    def _curves(
        self, task: Task, trials: Sequence[Trial], on_progress: ProgressCallback
    ) -> Iterator[tuple[Trial, Curve]]:
        for group in split_by_seed_and_length(trials):
            width = self._width or len(group)
            for start in range(0, len(group), width):
                yield from self._stacked(task, group[start : start + width], on_progress)

    def _stacked(
        self, task: Task, trials: list[Trial], on_progress: ProgressCallback
    ) -> Iterator[tuple[Trial, Curve]]:
        left = list(trials)
        try:
            for trial, curve in _run_stack(task, trials, on_progress):
                left.remove(trial)
                yield trial, curve
        except Exception as error:  # noqa: BLE001 - running them alone tells which fails
            too_large = is_out_of_memory(error) and len(left) > 1
            if not too_large:
                note = f"{len(left)} trials of seed {left[0].seed} ran one after another"
                self.notes.append(f"{note}: {first_line(error)}")
        else:
            return
        if not too_large:
            yield from Sequential().run(task, left, on_progress)
            return
        half = (len(left) + 1) // 2
        self._width = min(half, self._width or half)
        self.notes.append(
            f"{len(trials)} trials did not fit into memory at once; continued with {half}"
        )
        yield from self._stacked(task, left[:half], on_progress)
        yield from self._stacked(task, left[half:], on_progress)


def _run_stack(
    task: Task, trials: list[Trial], on_progress: ProgressCallback
) -> Iterator[tuple[Trial, Curve]]:
    start = time.perf_counter()
    rates = np.stack([trial.schedule.table() for trial in trials])
    stack = Stack(task, trials[0].seed, len(trials))
    first_weights = FirstWeights(stack.training.trained_parameters)
    losses: list[list[float]] = [[] for _ in trials]
    tests = [DivergenceTest() for _ in trials]
    alive = list(range(len(trials)))  # which trial has each position of the stack

    def curve(
        index: int,
        status: Status,
        validation: float | None = None,
        *,
        distance: float | None = None,
        error: str = "",
    ) -> Curve:
        return Curve(
            lr=rates[index, : len(losses[index])],
            loss=np.asarray(losses[index]),
            validation=validation,
            status=status,
            seconds=(time.perf_counter() - start) / len(trials),
            error=error,
            passes=stack.training.passes,
            distance=distance,
        )

    for step in range(trials[0].total_steps):
        for index, loss in zip(alive, stack.update(rates[alive, step]), strict=True):
            losses[index].append(loss)
        diverged = {index for index in alive if tests[index].diverged(losses[index][-1])}
        if diverged:
            stack.keep([place for place, index in enumerate(alive) if index not in diverged])
            alive = [index for index in alive if index not in diverged]
            for index in sorted(diverged):
                yield trials[index], curve(index, Status.DIVERGED)
        if not alive:
            return
        lowest = min(losses[index][-1] for index in alive)
        on_progress((step + 1) * len(alive), f"{len(alive)} at once, lowest loss {lowest:.4g}")
    for place, index in enumerate(alive):
        try:
            validation = stack.validate(place)
        except Exception as raised:  # noqa: BLE001 - the task's own code ends its trial only
            error = f"{type(raised).__name__}: {raised}"
            yield trials[index], curve(index, Status.FAILED, error=error)
        else:
            distance = first_weights.distance()  # the model has the weights of this trial now
            yield trials[index], curve(index, Status.FINISHED, validation, distance=distance)
