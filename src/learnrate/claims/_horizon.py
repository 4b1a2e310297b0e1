"""The design that claims about the length of a run share: the best rate at several lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Figure, Line, Measured
from learnrate.claims._constant import rates_around
from learnrate.claims._measures import best_rates

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

__all__ = ["HORIZON_AXES", "HORIZON_DESIGN", "HORIZON_FIGURES", "measure_horizon"]

_SHARES = (16, 4, 1)

HORIZON_DESIGN = (
    "Each network trains with batches of {batch} over the whole run, over a quarter and over a "
    "sixteenth of it, at rates three a decade: 5 % warm-up, linear to 0, so that each length "
    "has a whole schedule of its own. The best rate is that of the lowest final loss."
)

HORIZON_FIGURES = (
    Figure(
        name="ratio",
        says="best rate of a sixteenth of the run over that of the whole",
        low=1.0,
        unit="x",
    ),
    Figure(name="slope", says="d ln best rate / d ln length"),
)

HORIZON_AXES = ("updates", "best rate")


def measure_horizon(bench: Bench) -> Measured:
    """The best rate of a short run over that of a long one, and the slope over the lengths."""
    cases, lines = [], []
    for task in bench.tasks:
        rates = rates_around(bench, task, 0.1, 30.0)
        lengths = [max(2, task.run_length() // share) for share in _SHARES]
        best = np.array(
            [
                best_rates(np.array(rates), bench.sweep(task, rates, total_steps=length))
                for length in lengths
            ]
        )
        slopes = np.polyfit(np.log(lengths), np.log(best), 1)[0]
        cases += [
            Case("ratio", task.name, (best[0] / best[-1]).tolist()),
            Case("slope", task.name, slopes.tolist()),
        ]
        lines.append(Line(task.name, lengths, np.exp(np.log(best).mean(axis=1)).tolist()))
    return Measured(cases, lines[:6])
