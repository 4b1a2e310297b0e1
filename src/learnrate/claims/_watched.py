"""Trainings whose validation loss is read along the way, to compare runs at equal training loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate.trials import DivergenceTest, Training, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._bench import Bench
    from learnrate.schedules import Schedule
    from learnrate.task import Task

__all__ = ["Watched", "at_equal_training_loss", "watched"]


@dataclass(frozen=True)
class Watched:
    """The losses along one training.

    Attributes:
        steps: after so many updates each was read, shape (marks,).
        training: the mean training loss of the updates around each mark.
        validation: the validation loss there; the training loss for a task without one.
    """

    steps: np.ndarray
    training: np.ndarray
    validation: np.ndarray


def watched(
    bench: Bench, runs: Sequence[tuple[Task, Schedule]], marks: int = 40
) -> list[list[Watched]]:
    """Train each task under its schedule with each seed of the bench, by run and then by seed.

    A training that diverges ends there, and has the marks it reached.

    Args:
        bench: whose seeds and cores are used.
        runs: tasks with bound schedules.
        marks: how often the validation loss is read, at equal distances.
    """
    items = [(task, schedule, seed) for task, schedule in runs for seed in bench.seeds]
    found = bench.each(lambda item: _watch(*item, marks), items)
    count = len(bench.seeds)
    return [found[at : at + count] for at in range(0, len(found), count)]


def _watch(task: Task, schedule: Schedule, seed: int, marks: int) -> Watched:
    rates = schedule.table().tolist()
    every = max(1, len(rates) // marks)
    losses: list[float] = []
    read: list[tuple[int, float]] = []
    test = DivergenceTest()
    with preserved(task):
        training = Training(task, seed)
        for lr in rates:
            loss = training.update(lr)
            if test.diverged(loss):
                break
            losses.append(loss)
            if len(losses) % every == 0:
                held = training.validate()
                read.append((len(losses), math.nan if held is None else held))
    steps = np.array([step for step, _ in read], dtype=int)
    half = every // 2 + 1
    around = np.array([np.mean(losses[max(0, step - half) : step + half]) for step in steps])
    validation = np.array([held for _, held in read])
    return Watched(steps, around, around if task.validate is None else validation)


def at_equal_training_loss(one: Watched, other: Watched, levels: int = 5) -> float:
    """The validation loss of one training over the other's where their training losses are equal.

    The geometric mean over levels from half way down, in the logarithm, to the lowest that both
    reach: above there nothing is overfitted yet. Each training's validation loss is interpolated in
    the logarithms. A run that falls below a level and rises again is read where it first reached
    it. NaN if they share no level.

    Examples:
        >>> fall = np.array([2.0, 1.0, 0.5, 0.25])
        >>> steps = np.arange(4)
        >>> low, high = Watched(steps, fall, fall), Watched(steps, fall, 2 * fall)
        >>> round(at_equal_training_loss(high, low), 6)
        2.0
    """
    first, second = _reached(one), _reached(other)
    top = min(first[0][0], second[0][0])
    bottom = max(first[0][-1], second[0][-1])
    if not bottom < top:
        return math.nan
    asked = np.linspace(bottom, (top + bottom) / 2, levels)
    ratios = _validation_at(first, asked) - _validation_at(second, asked)
    return float(np.exp(ratios.mean()))


def _reached(run: Watched) -> tuple[np.ndarray, np.ndarray]:
    """The logarithms of both losses at every mark where the training loss is its lowest yet."""
    lowest = np.minimum.accumulate(run.training)
    new = np.concatenate([[True], lowest[1:] < lowest[:-1]])
    return np.log(run.training[new]), np.log(run.validation[new])


def _validation_at(reached: tuple[np.ndarray, np.ndarray], levels: np.ndarray) -> np.ndarray:
    training, validation = reached
    return np.asarray(np.interp(levels, training[::-1], validation[::-1]))
