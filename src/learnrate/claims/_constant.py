"""What claims share that train under a constant rate, with no schedule to help or to hide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._progress import ProgressBar
from learnrate.claims._measures import geometric_grid
from learnrate.range_test import find
from learnrate.schedules import Constant
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task
    from learnrate.trials import Curve

__all__ = [
    "all_losses",
    "best_constant",
    "constant_losses",
    "filled",
    "rates_around",
    "suggested_rate",
    "windowed",
]


def suggested_rate(bench: Bench, task: Task) -> float:
    """What a range test suggests; 1e-2 where it suggests nothing."""
    found = find(task, low=1e-6, iters=100, repeats=1, seed=bench.seeds[0], progress=False)
    return found.suggestion or 1e-2


def rates_around(bench: Bench, task: Task, below: float, above: float) -> list[float]:
    """Rates from `below` to `above` times the suggested one, three a decade."""
    middle = 10.0 ** (round(3 * np.log10(suggested_rate(bench, task))) / 3)
    return geometric_grid(middle * below, middle * above)


def constant_losses(
    bench: Bench, task: Task, rates: Sequence[float], total_steps: int
) -> np.ndarray:
    """The training loss before each update at each constant rate, shape (rates, seeds, total_steps).

    A run that diverged stays at the loss it began with: it has learned nothing.
    """
    return np.array(
        [
            [filled(curve, total_steps) for curve in row]
            for row in bench.curves(
                task, [(rate * Constant()).over(total_steps) for rate in rates]
            )
        ]
    )


def filled(curve: Curve, total_steps: int) -> np.ndarray:
    """A curve's training losses; if it diverged, what it began with at each of `total_steps` updates."""
    return curve.loss if np.isfinite(curve.final) else np.full(total_steps, curve.loss[0])


def best_constant(bench: Bench, task: Task, rates: Sequence[float], total_steps: int) -> float:
    """The constant rate with the lowest training loss over the last tenth, all seeds together."""
    losses = constant_losses(bench, task, rates, total_steps)
    return rates[int(losses[..., -max(1, total_steps // 10) :].mean(axis=(1, 2)).argmin())]


def all_losses(bench: Bench, task: Task, lr: float, total_steps: int) -> np.ndarray:
    """The training loss before each update at a constant rate, shape (seeds, total_steps).

    Trials end where they diverge; these go on, come what may. From the first loss that is not
    finite on, all are infinite.
    """
    losses = np.full((len(bench.seeds), total_steps), np.inf)
    bar = ProgressBar(len(bench.seeds) * total_steps, shown=bench.progress)
    with bar, preserved(task):
        for row, seed in enumerate(bench.seeds):
            training = Training(task, seed)
            for step in range(total_steps):
                loss = training.update(lr)
                if not np.isfinite(loss):
                    break
                losses[row, step] = loss
                bar.show(row * total_steps + step + 1, f"{bench.label}: {task.name} at {lr:.2g}")
    return losses


def windowed(losses: np.ndarray, width: int) -> np.ndarray:
    """Means along the last axis over `width` values that end at each; fewer at the start.

    Examples:
        >>> windowed(np.array([4.0, 2.0, 0.0]), 2)
        array([4., 3., 1.])
    """
    sums = np.cumsum(losses, axis=-1)
    sums[..., width:] = sums[..., width:] - sums[..., :-width]
    return np.asarray(sums / np.minimum(np.arange(1, losses.shape[-1] + 1), width))
