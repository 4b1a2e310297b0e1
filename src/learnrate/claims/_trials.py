"""The tools that measure a claim: seeds, tasks, and many trainings at once."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from learnrate._errors import TaskError
from learnrate._progress import ProgressBar
from learnrate.claims._measurement import ClaimMeasurement
from learnrate.schedules import Schedule
from learnrate.schedules import shape as read_shape
from learnrate.trials import (
    Curve,
    Status,
    Trial,
    available_cores,
    choose_engine,
    derived_seed,
    preserved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from learnrate.task import Task

__all__ = ["ClaimTrials", "final_losses", "for_each_task", "seeds_from"]

_Input = TypeVar("_Input")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class ClaimTrials:
    """Runs the trials of a claim's test.

    Attributes:
        seeds: one for each training of a kind. What is compared shares its seeds, and with them
            its initial weights and its batches.
        full: whether the test is the full one.
        tasks: what is trained: the claim's own tasks, or the user's.
        label: the text of the progress bar.
        progress: whether to show the progress bar.
    """

    seeds: tuple[int, ...]
    full: bool = False
    tasks: tuple[Task, ...] = ()
    label: str = ""
    progress: bool = True

    def curves(self, task: Task, schedules: Sequence[Schedule]) -> list[list[Curve]]:
        """Train under each schedule with each seed: the curves, by schedule and then by seed.

        Raises:
            TaskError: the task's own code raised.
        """
        trials = [Trial(schedule, seed) for schedule in schedules for seed in self.seeds]
        curves: dict[Trial, Curve] = {}
        finished_steps = 0
        bar = ProgressBar(sum(trial.total_steps for trial in trials), shown=self.progress)
        with bar, preserved(task):
            _, engine = choose_engine(task, trials, "auto")

            def observe(running_steps: int, stage: str, /) -> None:
                bar.show(finished_steps + running_steps, f"{self.label}: {task.name}; {stage}")

            for trial, curve in engine.run(task, list(dict.fromkeys(trials)), observe):
                if curve.status is Status.FAILED:
                    raise TaskError(f"{task.name} cannot be trained: {curve.error}")
                curves[trial] = curve
                finished_steps += trial.total_steps
        return _by_seed([curves[trial] for trial in trials], len(self.seeds))

    def losses(self, task: Task, schedules: Sequence[Schedule]) -> np.ndarray:
        """The final loss under each schedule with each seed, shape (schedules, seeds).

        A run that diverged counts with its first loss: it has learned nothing.
        """
        return final_losses(self.curves(task, schedules))

    def sweep(
        self,
        task: Task,
        rates: Iterable[float],
        shape: str | Schedule = "warmup(5%) >> linear()",
        *,
        total_steps: int | None = None,
    ) -> np.ndarray:
        """The final loss at each peak with each seed, shape (rates, seeds), as `losses` gives it.

        Args:
            task: what to train.
            rates: the peaks.
            shape: the shape of every schedule, with peak 1.
            total_steps: updates of a run; the task's own by default.
        """
        read, total_steps = read_shape(shape), task.run_length(total_steps)
        return self.losses(task, [(rate * read).over(total_steps) for rate in rates])

    def parallel_map(
        self, function: Callable[[_Input], _Result], inputs: Sequence[_Input]
    ) -> list[_Result]:
        """The results of a function for each input, in order, computed on every core.

        It is for trainings that the engines cannot run. Each process has one thread and its own
        random generators: seed them in `function`. Processes are forked, so only the results
        must be picklable.
        """
        with ProgressBar(len(inputs), shown=self.progress) as bar:
            cores = min(available_cores(), len(inputs))
            with ProcessPoolExecutor(
                cores,
                mp_context=get_context("fork"),
                initializer=_begin,
                initargs=(lambda index: function(inputs[index]),),
            ) as pool:
                results: list[_Result] = []
                for done, result in enumerate(pool.map(_call, range(len(inputs))), 1):
                    results.append(result)
                    bar.show(done, f"{self.label}: {done} of {len(inputs)}")
                return results

    def for_each_seed(
        self, function: Callable[[_Input, int], _Result], settings: Sequence[_Input]
    ) -> list[list[_Result]]:
        """The results of a function for each setting and seed, by setting and then by seed.

        It is computed on every core, as `parallel_map` does.
        """
        pairs = [(setting, seed) for setting in settings for seed in self.seeds]
        results = self.parallel_map(lambda pair: function(*pair), pairs)
        return _by_seed(results, len(self.seeds))


def for_each_task(
    measure_task: Callable[[ClaimTrials, Task], ClaimMeasurement],
    *,
    by_figure: Sequence[str] = (),
    most_lines: int = 6,
) -> Callable[[ClaimTrials], ClaimMeasurement]:
    """A claim's measurement, from that of one task.

    Args:
        measure_task: measures one task.
        by_figure: the figures by which cases are ordered; by task by default.
        most_lines: lines in the picture.
    """

    def measure(trials: ClaimTrials) -> ClaimMeasurement:
        parts = [measure_task(trials, task) for task in trials.tasks]
        return ClaimMeasurement.joined(parts, by_figure=by_figure, most_lines=most_lines)

    return measure


def seeds_from(seed: int, count: int) -> tuple[int, ...]:
    """`count` seeds, the same for the same `seed`."""
    return tuple(derived_seed(seed, 90, index) for index in range(count))


def final_losses(rows: Sequence[Sequence[Curve]]) -> np.ndarray:
    """The final losses of rows of curves; of a run that diverged the first one."""
    return np.array(
        [
            [curve.final if np.isfinite(curve.final) else float(curve.loss[0]) for curve in row]
            for row in rows
        ]
    )


def _by_seed(results: list[_Result], seeds: int) -> list[list[_Result]]:
    """Rows of as many results as there are seeds."""
    return [results[start : start + seeds] for start in range(0, len(results), seeds)]


_function_of_process: list[Callable[[int], Any]] = []
"""The function that a forked process calls."""


def _begin(function: Callable[[int], Any]) -> None:
    """Set up a forked process."""
    torch.set_num_threads(1)
    _function_of_process[:] = [function]


def _call(index: int) -> Any:
    """Compute the result for one input, in a forked process."""
    return _function_of_process[0](index)
