"""Schedules compared at each one's own best peak: the only fair way, for their peaks lie apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Line, Measured
from learnrate.claims._data import noisy_digits
from learnrate.claims._measures import best_of_others, best_rates, geometric_grid
from learnrate.claims._tasks import cnn, fashion_mlp, noisy_digits_mlp, task_on
from learnrate.schedules import shape as read_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

__all__ = [
    "DECAYS",
    "PEAKS_DESIGN",
    "Peaks",
    "at_own_best",
    "contest",
    "decay_tasks",
    "peak_lines",
]

DECAYS = {
    "step": "warmup(5%) >> multi_step(boundaries=[50%, 75%])",
    "exponential": "warmup(5%) >> exponential(factor=0.01, every=95%)",
    "cosine": "warmup(5%) >> cosine()",
    "linear": "warmup(5%) >> linear()",
}
PEAKS_DESIGN = (
    "Each schedule, after a warm-up over 5 % of the run, trains at peaks a factor of two apart, "
    "widened until its best lies within; its loss is that at the peak which is best for the other "
    "seeds."
)

_WIDENED = 6  # times at most
_LOOK = geometric_grid(1e-5, 10.0, 2)


@dataclass(frozen=True)
class Peaks:
    """What several schedules reach at a common grid of peaks.

    Attributes:
        rates: the peaks, a factor of two apart.
        losses: of each schedule by name, shape (rates, seeds).
    """

    rates: np.ndarray
    losses: Mapping[str, np.ndarray]

    def best(self, name: str) -> np.ndarray:
        """A schedule's loss with each seed at the peak that is best for the others."""
        return best_of_others(self.losses[name])

    def over(self, name: str, other: str) -> list[float]:
        """A schedule's loss over another's, each at its own best peak, for each seed."""
        return [float(ratio) for ratio in self.best(name) / self.best(other)]

    def peak_over(self, name: str, other: str) -> list[float]:
        """A schedule's best peak over another's, for each seed."""
        mine, others = (best_rates(self.rates, self.losses[one]) for one in (name, other))
        return [float(ratio) for ratio in mine / others]

    def row(self, name: str) -> int:
        """The row of the peak that is best for a schedule over all seeds."""
        return int(self.losses[name].mean(axis=1).argmin())


def at_own_best(
    bench: Bench,
    task: Task,
    shapes: Mapping[str, str],
    *,
    steps: int | None = None,
    above: int = 1,
) -> Peaks:
    """Train under each shape at peaks around what suits it.

    Args:
        bench: trains.
        task: what to train.
        shapes: of peak 1, in text form, by name; the last one is looked at first.
        steps: of a run; the task's own by default.
        above: how many peaks lie above the one that is found first.
    """
    middle = _suitable_rate(bench, task, list(shapes.values())[-1], steps=steps)
    rates = [middle * 2.0**power for power in range(-3, above + 1)]
    losses = _swept(bench, task, rates, shapes, steps)
    for _ in range(_WIDENED):
        lowest = {int(rows.mean(axis=1).argmin()) for rows in losses.values()}
        more = [rates[0] / 2.0] * (0 in lowest) + [rates[-1] * 2.0] * (len(rates) - 1 in lowest)
        if not more:
            break
        added = _swept(bench, task, more, shapes, steps)
        order = np.argsort([*rates, *more])
        rates = [[*rates, *more][at] for at in order]
        losses = {name: np.vstack([losses[name], added[name]])[order] for name in shapes}
    return Peaks(np.array(rates), losses)


def _suitable_rate(bench: Bench, task: Task, shape: str, *, steps: int | None = None) -> float:
    """The best of rates over six decades in runs of a quarter of the length, with one seed.

    Within a factor of a few of the best one: what a grid is laid around.
    """
    look = replace(bench, seeds=bench.seeds[:1])
    short = max(20, task.run_length(steps) // 4)
    return _LOOK[int(look.sweep(task, _LOOK, shape, total_steps=short).argmin())]


def _swept(
    bench: Bench, task: Task, rates: Sequence[float], shapes: Mapping[str, str], steps: int | None
) -> dict[str, np.ndarray]:
    """Every shape at every peak, all at once, for what is trained together is stacked."""
    total_steps = task.run_length(steps)
    schedules = [
        (rate * read_shape(shape)).over(total_steps) for shape in shapes.values() for rate in rates
    ]
    losses = bench.losses(task, schedules)
    return dict(zip(shapes, losses.reshape(len(shapes), len(rates), -1), strict=True))


def contest(
    challengers: Mapping[str, str], against: Mapping[str, str], figure: str = "loss ratio"
) -> Callable[[Bench], Measured]:
    """Measures the loss of each challenger over that of another, at each one's own best peak.

    Args:
        challengers: shapes by name.
        against: one shape by name.
        figure: the name of the figure.
    """
    (other,) = against
    shapes = {**challengers, **against}

    def measure(bench: Bench) -> Measured:
        found = [(task, at_own_best(bench, task, shapes)) for task in bench.tasks]
        cases = [
            Case(figure, f"{name}: {task.name}", peaks.over(name, other))
            for task, peaks in found
            for name in challengers
        ]
        return Measured(cases, peak_lines(found))

    return measure


def peak_lines(found: Sequence[tuple[Task, Peaks]]) -> list[Line]:
    """The loss of each schedule against its peak, of as many tasks as six curves allow."""
    shown = found[: max(1, 6 // len(found[0][1].losses))]
    words = [task.name.split() for task, _ in shown]
    common = len(list(takewhile(lambda same: len(set(same)) == 1, zip(*words, strict=False))))
    lines = []
    for (_, peaks), own in zip(shown, words, strict=True):
        for name, losses in list(peaks.losses.items())[:6]:
            label = " ".join([f"{name}:", *own[common:]]) if own[common:] else name
            lines.append(Line(label, peaks.rates.tolist(), losses.mean(axis=1).tolist()))
    return lines


def decay_tasks(full: bool) -> Sequence[Task]:
    """Digits under noise; a small convolutional network and Fashion-MNIST beside in the full test."""
    quick = [noisy_digits_mlp(optimizer) for optimizer in ("SGD momentum", "Adam")]
    if not full:
        return quick
    convolutions = task_on(
        noisy_digits(), partial(cnn, 8), "SGD momentum", batch=32, steps=300, called="CNN"
    )
    return [*quick, convolutions, fashion_mlp("SGD momentum"), fashion_mlp("Adam")]
