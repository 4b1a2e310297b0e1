"""Schedules compared at the best peak of each, because the best peaks differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Unpack

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes, ClaimTextAndSeeds
from learnrate.claims._data import noisy_digits
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, Figure
from learnrate.claims._measures import best_of_others, best_rate, best_rates, geometric_grid
from learnrate.claims._tasks import cnn, fashion_mlp, noisy_digits_mlp, task_on
from learnrate.schedules import shape as read_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

__all__ = [
    "DECAYS",
    "PEAKS_DESIGN",
    "PEAK_AXES",
    "PeakSweep",
    "contest_claim",
    "decay_tasks",
    "measure_peaks",
    "peak_lines",
    "short_decay_tasks",
    "sweep_peaks",
]

DECAYS = {
    "step": "warmup(5%) >> multi_step(boundaries=[50%, 75%])",
    "exponential": "warmup(5%) >> exponential(factor=0.01, every=95%)",
    "cosine": "warmup(5%) >> cosine()",
    "linear": "warmup(5%) >> linear()",
}
PEAKS_DESIGN = (
    "Each schedule starts with a warm-up over 5 % of the run and trains at peaks a factor of two "
    "apart. The grid grows until the best peak is not at its edge. The peak of each schedule is "
    "chosen on the other seeds."
)
PEAK_AXES = ClaimAxes("peak")

_MOST_EXTENSIONS = 6
_COARSE_GRID = geometric_grid(1e-5, 10.0, 2)


@dataclass(frozen=True)
class PeakSweep:
    """The losses of several schedules at a common grid of peaks.

    Attributes:
        rates: the peaks, a factor of two apart.
        losses: the losses of each schedule by name, shape (rates, seeds).
    """

    rates: np.ndarray
    losses: Mapping[str, np.ndarray]

    def best(self, name: str) -> np.ndarray:
        """The loss of a schedule with each seed, at the peak that is best for the other seeds."""
        return best_of_others(self.losses[name])

    def over(self, name: str, other: str) -> np.ndarray:
        """The loss of a schedule over that of another for each seed, each at its best peak."""
        return np.asarray(self.best(name) / self.best(other))

    def peak_over(self, name: str, other: str) -> np.ndarray:
        """The best peak of a schedule over that of another, for each seed."""
        peak, reference = (best_rates(self.rates, self.losses[key]) for key in (name, other))
        return np.asarray(peak / reference)

    def row(self, name: str) -> int:
        """The row of the peak that is best for a schedule over all seeds."""
        return int(self.losses[name].mean(axis=1).argmin())


def sweep_peaks(
    trials: ClaimTrials,
    task: Task,
    shapes: Mapping[str, str],
    *,
    steps: int | None = None,
    above: int = 1,
) -> PeakSweep:
    """Train under each shape at peaks around the best one.

    Args:
        trials: the seeds.
        task: what to train.
        shapes: the shapes, by name, in text form, with peak 1. The last one sets the middle of
            the grid.
        steps: updates of a run; the task's own by default.
        above: how many peaks of the first grid lie above its middle.
    """
    middle = _suitable_rate(trials, task, list(shapes.values())[-1], steps=steps)
    rates = [middle * 2.0**power for power in range(-3, above + 1)]
    losses = _swept(trials, task, rates, shapes, steps)
    for _ in range(_MOST_EXTENSIONS):
        lowest = {int(rows.mean(axis=1).argmin()) for rows in losses.values()}
        more = [rates[0] / 2.0] * (0 in lowest) + [rates[-1] * 2.0] * (len(rates) - 1 in lowest)
        if not more:
            break
        added = _swept(trials, task, more, shapes, steps)
        order = np.argsort([*rates, *more])
        rates = [[*rates, *more][index] for index in order]
        losses = {name: np.vstack([losses[name], added[name]])[order] for name in shapes}
    return PeakSweep(np.array(rates), losses)


def _suitable_rate(
    trials: ClaimTrials, task: Task, shape: str, *, steps: int | None = None
) -> float:
    """The best of rates over six decades in runs of a quarter of the length, with one seed.

    It is within a factor of a few of the best rate, good enough as the middle of a grid.
    """
    one_seed = replace(trials, seeds=trials.seeds[:1])
    short = max(20, task.run_length(steps) // 4)
    return best_rate(_COARSE_GRID, one_seed.sweep(task, _COARSE_GRID, shape, total_steps=short))


def _swept(
    trials: ClaimTrials,
    task: Task,
    rates: Sequence[float],
    shapes: Mapping[str, str],
    steps: int | None,
) -> dict[str, np.ndarray]:
    """The losses of every shape at every peak, trained together so that trials can be stacked."""
    total_steps = task.run_length(steps)
    schedules = [
        (rate * read_shape(shape)).over(total_steps) for shape in shapes.values() for rate in rates
    ]
    losses = trials.losses(task, schedules)
    return dict(zip(shapes, losses.reshape(len(shapes), len(rates), -1), strict=True))


def measure_peaks(
    shapes: Mapping[str, str],
    compare: Callable[[ClaimTrials, Task, PeakSweep], Mapping[str, ArrayLike]],
    *,
    by_figure: Sequence[str] = (),
    above: int = 1,
) -> Callable[[ClaimTrials], ClaimMeasurement]:
    """A claim's measurement, from the losses of shapes around their best peaks.

    Args:
        shapes: the shapes, by name, as `sweep_peaks` takes them.
        compare: gives the values of each figure for one task.
        by_figure: the figures by which cases are ordered; by task by default.
        above: how many peaks of the first grid lie above its middle.
    """

    def measure(trials: ClaimTrials) -> ClaimMeasurement:
        sweeps = [(task, sweep_peaks(trials, task, shapes, above=above)) for task in trials.tasks]
        parts = [
            ClaimMeasurement.of(task.name, compare(trials, task, sweep)) for task, sweep in sweeps
        ]
        joined = ClaimMeasurement.joined(parts, by_figure=by_figure)
        return ClaimMeasurement(joined.cases, peak_lines(sweeps))

    return measure


def contest_claim(
    *,
    topic: str,
    design: str,
    figure: Figure,
    shapes: Mapping[str, str],
    pairs: Mapping[str, tuple[str, str]] | None = None,
    tasks: Callable[[bool], Sequence[Task]] | None = None,
    **text: Unpack[ClaimTextAndSeeds],
) -> Claim:
    """A claim about the loss of some schedules over that of others, each at its best peak.

    Args:
        topic: one of the topics of claims.
        design: what is compared.
        figure: the ratio of the losses.
        shapes: the shapes, by name, as `sweep_peaks` takes them.
        pairs: by label, the names of two shapes to compare; by default each shape and the last.
        tasks: what is trained, given whether the test is a full one; `decay_tasks` by default.
        text: statement, source and remark of the claim, and its numbers of seeds.
    """
    *challengers, reference = shapes
    chosen = pairs or {challenger: (challenger, reference) for challenger in challengers}

    def measure(trials: ClaimTrials) -> ClaimMeasurement:
        sweeps = [(task, sweep_peaks(trials, task, shapes)) for task in trials.tasks]
        cases = [
            Case(figure.name, f"{label}: {task.name}", sweep.over(*pair).tolist())
            for task, sweep in sweeps
            for label, pair in chosen.items()
        ]
        return ClaimMeasurement(cases, peak_lines(sweeps))

    return Claim(
        topic=topic,
        design=design,
        figures=(figure,),
        measure=measure,
        tasks=tasks or decay_tasks,
        axes=PEAK_AXES,
        **text,
    )


def peak_lines(sweeps: Sequence[tuple[Task, PeakSweep]]) -> list[ClaimLine]:
    """The loss of each schedule against its peak, for as many tasks as fit into six lines.

    A label has the name of the schedule and the words by which the tasks differ.
    """
    shown = sweeps[: max(1, 6 // len(sweeps[0][1].losses))]
    words = [task.name.split() for task, _ in shown]
    columns = zip(*words, strict=False)
    common = len(list(takewhile(lambda column: len(set(column)) == 1, columns)))
    lines = []
    for (_, sweep), task_words in zip(shown, words, strict=True):
        different = task_words[common:]
        for name, losses in list(sweep.losses.items())[:6]:
            label = " ".join([f"{name}:", *different]) if different else name
            lines.append(ClaimLine.of_means(label, sweep.rates, losses))
    return lines


def decay_tasks(full: bool) -> Sequence[Task]:
    """Noisy digits; in the full test also a convolutional network and Fashion-MNIST."""
    quick = [noisy_digits_mlp(optimizer) for optimizer in ("SGD momentum", "Adam")]
    if not full:
        return quick
    convolutions = task_on(
        noisy_digits(), partial(cnn, 8), "SGD momentum", batch=32, steps=300, label="CNN"
    )
    return [*quick, convolutions, fashion_mlp("SGD momentum"), fashion_mlp("Adam")]


def short_decay_tasks(full: bool) -> Sequence[Task]:
    """Noisy digits for fewer updates, with Adam; in the full test with SGD momentum too."""
    optimizers = ("SGD momentum", "Adam") if full else ("Adam",)
    return [noisy_digits_mlp(optimizer, steps=150 if full else 100) for optimizer in optimizers]
