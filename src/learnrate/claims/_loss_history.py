"""Trainings with their validation loss during the run, to compare runs at equal training loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.trials import DivergenceTest, Training, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._trials import ClaimTrials
    from learnrate.schedules import Schedule
    from learnrate.task import Task

__all__ = ["LossHistory", "loss_histories", "ratio_at_equal_training_loss"]


@dataclass(frozen=True)
class LossHistory:
    """The losses during one training.

    Attributes:
        steps: the updates done at each mark, shape (marks,).
        training: the mean training loss of the updates around each mark.
        validation: the validation loss at each mark; the training loss for a task without one.
    """

    steps: np.ndarray
    training: np.ndarray
    validation: np.ndarray


def loss_histories(
    trials: ClaimTrials, runs: Sequence[tuple[Task, Schedule]], marks: int = 40
) -> list[list[LossHistory]]:
    """Train each task under its schedule with each seed, by run and then by seed.

    A training that diverges ends there, with the marks it reached.

    Args:
        trials: the seeds.
        runs: tasks with bound schedules.
        marks: how often the validation loss is computed, at equal distances.
    """
    return trials.for_each_seed(partial(_loss_history, marks), runs)


def _loss_history(marks: int, run: tuple[Task, Schedule], seed: int) -> LossHistory:
    """The losses of one training at its marks."""
    task, schedule = run
    rates = schedule.table().tolist()
    every = max(1, len(rates) // marks)
    losses: list[float] = []
    readings: list[tuple[int, float]] = []
    test = DivergenceTest()
    with preserved(task):
        training = Training(task, seed)
        for lr in rates:
            loss = training.update(lr)
            if test.diverged(loss):
                break
            losses.append(loss)
            if len(losses) % every == 0:
                validation = training.validate()
                readings.append((len(losses), math.nan if validation is None else validation))
    steps = np.array([step for step, _ in readings], dtype=int)
    half = every // 2 + 1
    around = np.array([np.mean(losses[max(0, step - half) : step + half]) for step in steps])
    read = np.array([loss for _, loss in readings])
    return LossHistory(steps, around, around if task.validate is None else read)


def ratio_at_equal_training_loss(run: LossHistory, base: LossHistory, levels: int = 5) -> float:
    """The validation loss of one training over that of another at equal training losses.

    It is the geometric mean over levels of the training loss. They reach from half way down, in the
    logarithm, to the lowest that both runs reach: above there nothing is overfitted yet. The
    validation losses are interpolated in the logarithms. If a training falls below a level several
    times, the first one counts. NaN if the runs share no level.

    Args:
        run: the training in the numerator.
        base: the training in the denominator.
        levels: how many training losses to compare at.

    Examples:
        >>> fall = np.array([2.0, 1.0, 0.5, 0.25])
        >>> steps = np.arange(4)
        >>> low, high = LossHistory(steps, fall, fall), LossHistory(steps, fall, 2 * fall)
        >>> round(ratio_at_equal_training_loss(high, low), 6)
        2.0
    """
    first, second = _log_minima(run), _log_minima(base)
    top = min(first[0][0], second[0][0])
    bottom = max(first[0][-1], second[0][-1])
    if not bottom < top:
        return math.nan
    grid = np.linspace(bottom, (top + bottom) / 2, levels)
    ratios = _validation_at(first, grid) - _validation_at(second, grid)
    return float(np.exp(ratios.mean()))


def _log_minima(run: LossHistory) -> tuple[np.ndarray, np.ndarray]:
    """The logarithms of both losses at every mark where the training loss is a new minimum."""
    lowest = np.minimum.accumulate(run.training)
    new = np.concatenate([[True], lowest[1:] < lowest[:-1]])
    return np.log(run.training[new]), np.log(run.validation[new])


def _validation_at(minima: tuple[np.ndarray, np.ndarray], levels: np.ndarray) -> np.ndarray:
    """The logarithm of the validation loss at each training loss."""
    training, validation = minima
    return np.asarray(np.interp(levels, training[::-1], validation[::-1]))
