"""What a claim is measured with: seeds, tasks, and many trainings at once."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from learnrate._errors import TaskError
from learnrate._progress import ProgressBar
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

__all__ = ["Bench", "start_loss"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Bench:
    """Trains for a claim's test.

    Attributes:
        seeds: one for each training of a kind; what is compared shares its seeds, and with them
            its first weights and its batches.
        full: whether the test is the full one.
        tasks: what is trained: the claim's own tasks, or a person's.
        label: what the progress bar says.
        progress: whether there is one.
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
        trials = [Trial(one, seed) for one in schedules for seed in self.seeds]
        found: dict[Trial, Curve] = {}
        ended = 0
        bar = ProgressBar(sum(trial.total_steps for trial in trials), shown=self.progress)
        with bar, preserved(task):
            _, engine = choose_engine(task, trials, "auto")

            def observe(going: int, stage: str, /) -> None:
                bar.show(ended + going, f"{self.label}: {task.name}; {stage}")

            for trial, curve in engine.run(task, list(dict.fromkeys(trials)), observe):
                if curve.status is Status.FAILED:
                    raise TaskError(f"{task.name} cannot be trained: {curve.error}")
                found[trial] = curve
                ended += trial.total_steps
        count = len(self.seeds)
        made = [found[trial] for trial in trials]
        return [made[at : at + count] for at in range(0, len(made), count)]

    def losses(self, task: Task, schedules: Sequence[Schedule]) -> np.ndarray:
        """The final loss under each schedule with each seed, shape (schedules, seeds).

        One that diverged counts with the loss it began with: it has learned nothing.
        """
        rows = self.curves(task, schedules)
        return np.array([[start_loss(curve) for curve in row] for row in rows])

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
            shape: of every schedule, with peak 1.
            total_steps: of a run; the task's own by default.
        """
        shaped, total_steps = read_shape(shape), task.run_length(total_steps)
        return self.losses(task, [(rate * shaped).over(total_steps) for rate in rates])

    def each(self, function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """What a function gives for each item, on every core, in their order.

        For trainings that the engines do not know. Each process has one thread and draws from
        generators of its own: seed them in `function`. Processes are forked, so only the results
        need be of a kind that can be pickled.
        """
        with ProgressBar(len(items), shown=self.progress) as bar:
            cores = min(available_cores(), len(items))
            with ProcessPoolExecutor(
                cores,
                mp_context=get_context("fork"),
                initializer=_begin,
                initargs=(lambda at: function(items[at]),),
            ) as pool:
                results: list[_Result] = []
                for done, result in enumerate(pool.map(_called, range(len(items))), 1):
                    results.append(result)
                    bar.show(done, f"{self.label}: {done} of {len(items)}")
                return results


def seeds_from(seed: int, count: int) -> tuple[int, ...]:
    """So many seeds, the same for the same `seed`."""
    return tuple(derived_seed(seed, 90, index) for index in range(count))


def start_loss(curve: Curve) -> float:
    """The final loss of a trial, or the one it began with where it diverged."""
    final = curve.final
    return final if np.isfinite(final) else float(curve.loss[0])


_own: list[Callable[[int], Any]] = []  # of a forked process: what it is to call


def _begin(function: Callable[[int], Any]) -> None:
    torch.set_num_threads(1)
    _own[:] = [function]


def _called(at: int) -> Any:
    return _own[0](at)
