"""The design that claims about a default rate share: a sweep around the best one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Line, Measured
from learnrate.claims._measures import excess, geometric_grid
from learnrate.claims._tasks import digits_cnn, digits_mlp, fashion_cnn, fashion_mlp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

__all__ = ["DEFAULT_DESIGN", "default_tasks", "measure_default"]

DEFAULT_DESIGN = (
    "Each network trains with {optimizer} at rates over four decades, three a decade, and at "
    "{rates}: 5 % warm-up, linear to 0, the same seeds at every rate. The excess is over the "
    "loss at the rate which is best for the other seeds."
)


def default_tasks(optimizer: str) -> Callable[[bool], Sequence[Task]]:
    """Short runs on digits; longer ones, and Fashion-MNIST beside them, in the full test."""

    def tasks(full: bool) -> Sequence[Task]:
        if not full:
            return [digits_mlp(optimizer, steps=300), digits_cnn(optimizer, steps=200)]
        return [make(optimizer) for make in (digits_mlp, digits_cnn, fashion_mlp, fashion_cnn)]

    return tasks


def measure_default(defaults: Sequence[float], around: float) -> Callable[[Bench], Measured]:
    """Measures the excess at a default rate; of several, at the best of them."""

    def measure(bench: Bench) -> Measured:
        rates = sorted({*geometric_grid(around * 1e-2, around * 1e2, 3), *defaults})
        cases, lines = [], []
        for task in bench.tasks:
            losses = bench.sweep(task, rates)
            over = [1.0 + excess(losses, rates.index(rate)) for rate in defaults]
            least = min(over, key=np.mean)
            cases.append(Case("excess", task.name, least.tolist()))
            lines.append(Line(task.name, rates, losses.mean(axis=1).tolist()))
        return Measured(cases, lines)

    return measure
