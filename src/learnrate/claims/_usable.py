"""The design of claims that something allows higher rates: the highest that still learns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Figure, Line, Measured
from learnrate.claims._measures import best_of_others, best_rates, geometric_grid, highest_below

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

__all__ = ["USABLE_DESIGN", "measure_usable", "usable_figures"]

USABLE_DESIGN = (
    "Each network trains with and without {what} at constant rates, three a decade, the same seeds at "
    "every rate. Upwards from the best rate, a rate is usable as long as the validation loss ends below half "
    "of a guess's, ln 10."
)


def usable_figures(what: str, low: float) -> tuple[Figure, ...]:
    """How much higher the highest usable rate must be, and what is reported beside it.

    Args:
        what: whose effect it is, in a word or two.
        low: the claim says that the highest usable rate is at least so many times higher.
    """
    return (
        Figure(
            name="usable",
            says=f"highest usable rate, with {what} over without",
            low=low,
            unit="x",
        ),
        Figure(name="best rate", says=f"with {what} over without", unit="x"),
        Figure(
            name="best loss", says=f"with {what} over without, each at its best rate", unit="x"
        ),
    )


def measure_usable(
    pairs: Callable[[bool], Sequence[tuple[Task, Task]]], lowest: float, highest: float
) -> Callable[[Bench], Measured]:
    """Measures the highest usable rates of pairs of tasks: without it and with it.

    Args:
        pairs: the tasks of a quick or a full test, named alike.
        lowest: rate tried.
        highest: rate tried.
    """

    def measure(bench: Bench) -> Measured:
        rates = np.array(geometric_grid(lowest, highest, 3))
        half = np.full(len(bench.seeds), 0.5 * math.log(10))  # of what a guess among ten loses
        cases, lines = [], []
        for without, own in pairs(bench.full):
            plain, changed = (bench.sweep(task, rates, "constant()") for task in (without, own))
            usable = [highest_below(rates, one, half) for one in (plain, changed)]
            best = [best_rates(rates, one) for one in (plain, changed)]
            losses = best_of_others(changed) / best_of_others(plain)
            cases += [
                Case("usable", without.name, (usable[1] / usable[0]).tolist()),
                Case("best rate", without.name, (best[1] / best[0]).tolist()),
                Case("best loss", without.name, losses.tolist()),
            ]
            for label, one in (("without", plain), ("with", changed)):
                lines.append(
                    Line(f"{without.name}, {label}", rates.tolist(), one.mean(axis=1).tolist())
                )
        return Measured(cases, lines[:6])

    return measure
