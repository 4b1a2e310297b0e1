"""What a rate does that is too high and does not diverge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.claims._bench import start_loss
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._constant import filled, rates_around, windowed
from learnrate.claims._tasks import digits_mlp, fashion_mlp
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench


def _measure(bench: Bench) -> Measured:
    """The rate that leads early against the one that leads at the end, early and at the end."""
    cases, lines = [], []
    seeds = np.arange(len(bench.seeds))
    for task in bench.tasks:
        total_steps = task.run_length()
        rates = rates_around(bench, task, 0.05, 4.0)
        early = bench.losses(
            task, [(rate * Constant()).over(max(1, total_steps // 10)) for rate in rates]
        )
        rows = bench.curves(task, [(rate * Constant()).over(total_steps) for rate in rates])
        end = np.array([[start_loss(curve) for curve in row] for row in rows])
        high, good = _best_for_others(early), _best_for_others(end)
        cases += [
            Case("early", task.name, (early[high, seeds] / early[good, seeds]).tolist()),
            Case("end", task.name, (end[high, seeds] / end[good, seeds]).tolist()),
            Case(
                "rate", task.name, [rates[a] / rates[b] for a, b in zip(high, good, strict=True)]
            ),
        ]
        for at in dict.fromkeys((int(high[0]), int(good[0]))):
            mean = np.mean([filled(curve, total_steps) for curve in rows[at]], axis=0)
            y = windowed(mean, max(2, total_steps // 20))
            shown = np.unique(np.geomspace(1, total_steps, 60).astype(int)) - 1
            label = f"{task.name}, {rate_text(rates[at])}"
            lines.append(Line(label, (shown + 1).tolist(), y[shown].tolist()))
    return Measured(cases, lines[:6])


def _best_for_others(losses: np.ndarray) -> np.ndarray:
    """For each seed the row that is lowest for the other seeds."""
    return np.asarray((losses.sum(axis=1, keepdims=True) - losses).argmin(axis=0))


CLAIM = Claim(
    name="too-high-settles-fast-at-worse",
    topic="extremes",
    statement="A rate that is too high learns fast at first and settles at something worse.",
    source="Stanford CS231n, course notes, Neural networks 3: low, good and high rates",
    design=(
        "Each network trains at constant rates, three a decade, with small batches. Compared "
        "are the rate with the lowest validation loss after a tenth of the run and the one with "
        "the lowest at the end; both are chosen on the other seeds."
    ),
    figures=(
        Figure(
            name="early",
            says="loss at the higher rate over that at the better, after a tenth",
            high=0.99,
            unit="x",
        ),
        Figure(
            name="end",
            says="loss at the higher rate over that at the better, at the end",
            low=1.01,
            unit="x",
        ),
        Figure(
            name="rate",
            says="the rate that leads early over the one that leads at the end",
            unit="x",
        ),
    ),
    measure=_measure,
    tasks=lambda full: [
        make(optimizer, batch=8, steps=1500 if full else 1000)
        for make in ((digits_mlp, fashion_mlp) if full else (digits_mlp,))
        for optimizer in (("SGD",) if full else ()) + ("SGD momentum", "Adam")
    ],
    seeds=8,
    axes=("update", "training loss"),
    log="xy",
    remark=(
        "One and the same rate may lead early and at the end; the saying is of two, so a "
        "hundredth is asked for at either place. Decay has both: it starts at the high rate and "
        "leaves it."
    ),
)
