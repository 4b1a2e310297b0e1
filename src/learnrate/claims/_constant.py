"""Training under a constant rate, without the influence of a schedule: helpers for claims."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate._progress import ProgressBar
from learnrate.claims._measurement import ClaimLine
from learnrate.claims._measures import geometric_grid
from learnrate.range_test import find
from learnrate.schedules import Constant
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task
    from learnrate.trials import Curve

__all__ = [
    "best_constant",
    "constant_losses",
    "final_loss",
    "rates_around",
    "smooth_line",
    "suggested_rate",
    "unstopped_losses",
    "windowed",
]


def suggested_rate(trials: ClaimTrials, task: Task) -> float:
    """The suggestion of a range test; 1e-2 if it makes none."""
    test = find(task, low=1e-6, iters=100, repeats=1, seed=trials.seeds[0], progress=False)
    return test.suggestion or 1e-2


def rates_around(trials: ClaimTrials, task: Task, below: float, above: float) -> list[float]:
    """Rates around the suggestion of a range test, three a decade.

    Args:
        trials: the seed of the range test.
        task: what to train.
        below: the lowest rate, as a multiple of the suggestion.
        above: the highest rate, as a multiple of the suggestion.
    """
    middle = 10.0 ** (round(3 * np.log10(suggested_rate(trials, task))) / 3)
    return geometric_grid(middle * below, middle * above)


def constant_losses(
    trials: ClaimTrials, task: Task, rates: Sequence[float], total_steps: int
) -> np.ndarray:
    """The training loss before each update at constant rates, shape (rates, seeds, total_steps).

    A run that diverged has its first loss everywhere: it has learned nothing.

    Args:
        trials: the seeds.
        task: what to train.
        rates: the constant rates.
        total_steps: updates of each run.
    """
    schedules = [(rate * Constant()).over(total_steps) for rate in rates]
    rows = trials.curves(task, schedules)
    return np.array([[_full_length(curve, total_steps) for curve in row] for row in rows])


def _full_length(curve: Curve, total_steps: int) -> np.ndarray:
    """A curve's training losses; if it diverged, its first loss `total_steps` times."""
    return curve.loss if np.isfinite(curve.final) else np.full(total_steps, curve.loss[0])


def best_constant(
    trials: ClaimTrials, task: Task, rates: Sequence[float], total_steps: int
) -> float:
    """The constant rate with the lowest training loss over the last tenth, averaged over seeds.

    Args:
        trials: the seeds.
        task: what to train.
        rates: the constant rates.
        total_steps: updates of each run.
    """
    losses = constant_losses(trials, task, rates, total_steps)
    return rates[int(losses[..., -max(1, total_steps // 10) :].mean(axis=(1, 2)).argmin())]


def unstopped_losses(trials: ClaimTrials, task: Task, lr: float, total_steps: int) -> np.ndarray:
    """The training loss before each update at a constant rate, shape (seeds, total_steps).

    Trials end when they diverge; these trainings continue. From the first loss that is not finite on,
    all losses are infinite.

    Args:
        trials: the seeds.
        task: what to train.
        lr: the constant rate.
        total_steps: updates of each run.
    """
    losses = np.full((len(trials.seeds), total_steps), np.inf)
    bar = ProgressBar(len(trials.seeds) * total_steps, shown=trials.progress)
    with bar, preserved(task):
        for row, seed in enumerate(trials.seeds):
            training = Training(task, seed)
            for step in range(total_steps):
                loss = training.update(lr)
                if not np.isfinite(loss):
                    break
                losses[row, step] = loss
                bar.show(row * total_steps + step + 1, f"{trials.label}: {task.name} at {lr:.2g}")
    return losses


def final_loss(training: Training, losses: Sequence[float]) -> float:
    """The validation loss after a training; the first training loss if it is not finite.

    For a task without a validation loss it is the mean training loss of the last tenth.
    """
    final = training.validate()
    if final is None:
        final = float(np.mean(losses[-max(1, len(losses) // 10) :]))
    return final if math.isfinite(final) else losses[0]


def windowed(losses: np.ndarray, width: int) -> np.ndarray:
    """Moving means along the last axis over the `width` values up to each; fewer at the start.

    Examples:
        >>> windowed(np.array([4.0, 2.0, 0.0]), 2)
        array([4., 3., 1.])
    """
    sums = np.cumsum(losses, axis=-1)
    sums[..., width:] = sums[..., width:] - sums[..., :-width]
    return np.asarray(sums / np.minimum(np.arange(1, losses.shape[-1] + 1), width))


def smooth_line(
    label: str, curves: Sequence[Curve], total_steps: int, width: int, shown: np.ndarray
) -> ClaimLine:
    """The mean training loss of several curves, smoothed.

    Args:
        label: the label of the line.
        curves: the curves of the same schedule with several seeds.
        total_steps: updates of a whole run.
        width: updates in the moving mean.
        shown: the 0-based updates at which the line is drawn.
    """
    mean = np.mean([_full_length(curve, total_steps) for curve in curves], axis=0)
    return ClaimLine.of(label, shown + 1, windowed(mean, width)[shown])
