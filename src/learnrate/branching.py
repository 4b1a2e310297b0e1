"""Decays that branch off one stable run, compared on the same weights and batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._checks import check_seed, check_share, check_whole, refuse
from learnrate._errors import TaskError
from learnrate._progress import ProgressBar
from learnrate._records import to_dict
from learnrate._statistics import mean_half_width
from learnrate.schedules import Schedule
from learnrate.schedules import schedule as read
from learnrate.trials import DivergenceTest, Training, check_task, derived_seed, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.task import Task

__all__ = ["Branches", "DecayBranch", "branch_decays"]

_CONFIDENCE = 0.8


@dataclass(frozen=True, kw_only=True)
class DecayBranch:
    """One decay from one step of the stable run.

    Attributes:
        step: the step of the stable run, at which the decay begins.
        decay: the decay, as text.
        steps: the length of the decay, in updates.
        loss: the final loss of each seed: the validation loss, or without one the mean training loss
            of the last tenth of the decay; infinite if it diverged.
    """

    step: int
    decay: str
    steps: int
    loss: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean final loss over seeds."""
        return fmean(self.loss)


@dataclass(frozen=True, kw_only=True)
class Branches:
    """The losses at which decays from a stable run end; made by `branch_decays`.

    Attributes:
        stable: the schedule of the stable run.
        branches: the branches, by step, then in the order of the decays given.
        seeds: the seeds of the runs.
        cost: updates made, over all seeds.
        confidence: the confidence of the intervals.
    """

    stable: str
    branches: tuple[DecayBranch, ...]
    seeds: tuple[int, ...]
    cost: int
    confidence: float = _CONFIDENCE

    @property
    def best(self) -> str:
        """The decay with the lowest mean loss at the last step; the first of them if all diverged."""
        return min(self._last, key=lambda branch: branch.mean).decay

    @property
    def verdict(self) -> str:
        """For each further decay, whether it ends lower than the first, with an interval."""
        first, *others = self._last
        return " ".join(self._compared(first, other) for other in others)

    def __str__(self) -> str:
        lines = [f"from {self.stable}, {len(self.seeds)} seeds, {self.cost:,} updates"]
        lines += [
            f"  at step {branch.step:,}: {branch.decay} over {branch.steps:,} steps ends at "
            f"{branch.mean:.5g}"
            for branch in self.branches
        ]
        return "\n".join([*lines, self.verdict]).rstrip()

    def to_dict(self) -> dict[str, Any]:
        """The branches as JSON values, with the verdict."""
        return {**to_dict(self), "best": self.best, "verdict": self.verdict}

    @property
    def _last(self) -> list[DecayBranch]:
        last = max(branch.step for branch in self.branches)
        return [branch for branch in self.branches if branch.step == last]

    def _compared(self, first: DecayBranch, other: DecayBranch) -> str:
        differences = [right - left for left, right in zip(first.loss, other.loss, strict=True)]
        if not all(map(math.isfinite, differences)):
            return f"{other.decay} against {first.decay}: cannot be judged, because one diverged."
        mean = fmean(differences)
        if len(differences) < 2:
            return (
                f"{other.decay} ends {abs(mean):.3g} {'above' if mean > 0 else 'below'} {first.decay}; "
                "one seed does not tell how much of it is chance."
            )
        width = mean_half_width(differences, self.confidence)
        interval = f"{self.confidence:.0%} interval of the difference {mean - width:.3g} to {mean + width:.3g}"
        if abs(mean) <= width:
            return f"{other.decay} and {first.decay} cannot be told apart: {interval}."
        lower = first if mean > 0 else other
        return f"{lower.decay} ends lower: {interval} ({other.decay} less {first.decay})."


def branch_decays(
    task: Task,
    stable: Schedule | str,
    *,
    steps: Sequence[int] | None = None,
    decays: Sequence[str | Schedule] = ("linear()", "linear(floor=0.1)"),
    share: float = 0.2,
    total_steps: int | None = None,
    seeds: int = 3,
    seed: int = 0,
    progress: bool = True,
) -> Branches:
    """Train once at a stable rate, and compare decays that branch off it.

    The stable run is trained once for each seed. At each of `steps` every decay is trained from the state
    reached there, on the same batches; then that state is restored to the last bit. So the decays differ
    in nothing else, and a further decay costs only its own length. The task is left as it was.

    Args:
        task: what is trained.
        stable: the schedule of the stable run, such as "1e-3 * warmup(5%) >> constant()".
        steps: the steps at which decays begin, rising; by default one, so that the decay ends at
            the task's `total_steps`.
        decays: shapes without a length that begin at 1; each is multiplied by the rate reached.
        share: length of each decay, as a share of all updates until its end, above 0 and below 1.
        total_steps: updates until the end of the default decay; the task's by default.
        seeds: how many runs, at least 1. One run does not show the effect of chance.
        seed: the first of them.
        progress: show a bar on standard error.

    Raises:
        ArgumentError: an argument is outside its rule.
        ScheduleError: a schedule cannot be read or bound.
        TaskError: the task cannot be trained, or the stable run diverged.

    Examples:
        >>> from learnrate.testing import quadratic_task
        >>> task = quadratic_task(total_steps=100)
        >>> branches = branch_decays(task, "0.05 * constant()", seeds=2, progress=False)
        >>> [(branch.step, branch.steps) for branch in branches.branches]
        [(80, 20), (80, 20)]
        >>> branches.verdict[:29]
        'linear(floor=0.1) ends lower:'
    """
    check_seed("branch_decays", seed)
    check_share("branch_decays", "share", share)
    check_whole("branch_decays", "seeds", seeds, 1)
    shapes = [read(decay) for decay in decays]
    if not shapes or not all(shape.open_ended for shape in shapes):
        refuse("branch_decays", "decays", "shapes without a length, such as 'linear()'", decays)
    begins = _decay_starts(steps, share, 0 if steps is not None else task.run_length(total_steps))
    lengths = [max(1, round(begin * share / (1 - share))) for begin in begins]
    stable_schedule = read(stable)
    stable_schedule = (
        stable_schedule.over(begins[-1])
        if stable_schedule.total_steps is None
        else stable_schedule
    )
    check_task(task)
    seeds_used = tuple(seed if i == 0 else derived_seed(seed, 30, i) for i in range(seeds))
    losses: dict[tuple[int, int], list[float]] = {}
    cost = seeds * (begins[-1] + len(shapes) * sum(lengths))
    updates = 0
    with ProgressBar(cost, shown=progress) as bar:
        for number in seeds_used:
            with preserved(task):
                stable_run = _StableRun(Training(task, number), stable_schedule, bar, updates)
                for begin, length in zip(begins, lengths, strict=True):
                    stable_run.train_until(begin)
                    for i, loss in enumerate(stable_run.decayed(shapes, length)):
                        losses.setdefault((begin, i), []).append(loss)
                updates = stable_run.updates
    return Branches(
        stable=str(stable_schedule),
        branches=tuple(
            DecayBranch(
                step=begin, decay=str(shapes[i]), steps=length, loss=tuple(losses[begin, i])
            )
            for begin, length in zip(begins, lengths, strict=True)
            for i in range(len(shapes))
        ),
        seeds=seeds_used,
        cost=updates,
    )


class _StableRun:
    """The stable run of one seed."""

    def __init__(
        self, training: Training, stable: Schedule, bar: ProgressBar, updates: int
    ) -> None:
        self._training, self._stable, self._bar = training, stable, bar
        self._step = 0
        self.updates = updates  # of all seeds until now, with the decays
        self._divergence = DivergenceTest()

    def train_until(self, step: int) -> None:
        """Make the updates before `step`.

        Raises:
            TaskError: the loss diverged.
        """
        while self._step < step:
            lr = self._stable(self._step)
            loss = self._training.update(lr)
            self._show(f"stable run, rate {lr:.2e}, loss {loss:.4g}")
            if self._divergence.diverged(loss):
                raise TaskError(
                    f"the stable run diverged at step {self._step:,}, at the rate {lr:.3g}; give a "
                    "lower rate, or find one with learnrate plan."
                )
            self._step += 1

    def _show(self, stage: str) -> None:
        self.updates += 1
        self._bar.show(self.updates, stage)

    def decayed(self, shapes: Sequence[Schedule], steps: int) -> list[float]:
        """The final loss of each decay from the present state, which is kept."""
        rate = self._stable(self._step)
        losses = []
        with self._training.fork(steps) as restore:
            for shape in shapes:
                losses.append(self._final_loss(rate * shape.over(steps).table()))
                restore()
        return losses

    def _final_loss(self, rates: np.ndarray) -> float:
        test, losses = DivergenceTest(), []
        for lr in rates:
            losses.append(self._training.update(float(lr)))
            self._show(f"decay, rate {lr:.2e}, loss {losses[-1]:.4g}")
            if test.diverged(losses[-1]):
                return math.inf
        validation = self._training.validate()
        if validation is None:
            validation = float(np.mean(losses[-max(1, len(losses) // 10) :]))
        return validation if math.isfinite(validation) else math.inf


def _decay_starts(steps: Sequence[int] | None, share: float, total_steps: int) -> list[int]:
    if steps is None:
        begins = [round(total_steps * (1 - share))]
    else:
        begins = list(steps)
        for step in begins:
            check_whole("branch_decays", "steps", step, 1)
    if not begins or begins != sorted(set(begins)) or begins[0] < 1:
        refuse("branch_decays", "steps", "steps in rising order, at least 1 each", steps)
    return begins
