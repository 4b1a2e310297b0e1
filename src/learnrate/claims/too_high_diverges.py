"""What a rate far too high does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._constant import all_losses, best_constant, rates_around
from learnrate.claims._tasks import digits_mlp, fashion_mlp

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

_FACTORS = (1, 3, 10, 30, 100, 300, 1000)
_FAR = 30  # from this factor on, a rate is far too high


def _measure(bench: Bench) -> Measured:
    """Of the runs at rates far above the best: how many end above their start."""
    cases, lines = [], []
    for task in bench.tasks:
        total_steps = task.run_length()
        best = best_constant(bench, task, rates_around(bench, task, 0.1, 10.0), total_steps)
        runs = np.stack(
            [all_losses(bench, task, best * factor, total_steps) for factor in _FACTORS]
        )
        start = runs[0, :, :1].mean(axis=0)
        ends = runs[:, :, -max(1, total_steps // 10) :].mean(axis=2)
        above = ends > start
        far = np.array(_FACTORS) >= _FAR
        cases += [
            Case("above", task.name, above[far].mean(axis=0).tolist()),
            Case("stuck", task.name, (above & (ends < 1.1 * start))[far].mean(axis=0).tolist()),
            Case("infinite", task.name, np.isinf(ends[far]).mean(axis=0).tolist()),
            Case("threshold", task.name, [_lowest(row) for row in above.T]),
        ]
        shown = np.minimum(ends / start, 1e6).mean(axis=1)
        lines.append(Line(task.name, list(_FACTORS), shown.tolist()))
    return Measured(cases, lines[:6])


def _lowest(above: np.ndarray) -> float:
    """The first factor from which on every run ends above; three times the last if none does."""
    factors = [*_FACTORS, 3 * _FACTORS[-1]]
    fine = np.flatnonzero(~above)
    return float(factors[int(fine[-1]) + 1 if len(fine) else 0])


CLAIM = Claim(
    name="too-high-diverges",
    topic="extremes",
    statement="A learning rate that is too high diverges.",
    source="Goodfellow, Bengio & Courville, Deep learning, 2016, section 11.4.1",
    design=(
        "Each network trains at the best constant rate and at 3 to 1000 times it, with the same "
        "seeds, and is never stopped. A run has diverged if its training loss, over the last "
        "tenth, is above the first one or not finite. Far too high is 30 times the best and "
        "more."
    ),
    figures=(
        Figure(
            name="above",
            says="share of the runs far too high that end above their start",
            low=0.95,
            unit="%",
        ),
        Figure(name="stuck", says="share of them that end at most a tenth above it", unit="%"),
        Figure(name="infinite", says="share of them whose loss is not finite", unit="%"),
        Figure(
            name="threshold",
            says="factor over the best rate from which on every run ends above its start",
            unit="x",
        ),
    ),
    measure=_measure,
    tasks=lambda full: [
        make(optimizer, steps=100)
        for make in ((digits_mlp, fashion_mlp) if full else (digits_mlp,))
        for optimizer in ("SGD", "SGD momentum", "Adam")
    ],
    seeds=3,
    full_seeds=5,
    axes=("rate over the best one", "loss at the end over that at the start"),
    log="xy",
    remark=(
        "To end above the start need not be to explode: a network whose ReLUs have died "
        "guesses, and stays at its start. Adam's steps have a size of about lr whatever the "
        "gradient, so its loss does not go to infinity."
    ),
)
