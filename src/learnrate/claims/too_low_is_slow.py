"""What a rate too low costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._constant import best_constant, constant_losses, rates_around, windowed
from learnrate.claims._tasks import digits_mlp, fashion_mlp

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench


def _measure(bench: Bench) -> Measured:
    """How many times as many updates a tenth of the best rate needs to where that is early on."""
    cases, lines = [], []
    for task in bench.tasks:
        total_steps = task.run_length()
        early = max(2, total_steps // 16)
        best = best_constant(bench, task, rates_around(bench, task, 0.1, 10.0), early)
        pair = [best, best / 10]
        losses = windowed(constant_losses(bench, task, pair, total_steps), max(2, early // 4))
        fast, slow = losses
        # Where the whole run is too short it counts as just enough: a lower bound.
        needed = [
            _first_below(own, goal, total_steps)
            for own, goal in zip(slow, fast[:, early - 1], strict=True)
        ]
        taken = [
            _first_below(own, goal, total_steps)
            for own, goal in zip(fast, fast[:, early - 1], strict=True)
        ]
        cases.append(
            Case("slowdown", task.name, [a / b for a, b in zip(needed, taken, strict=True)])
        )
        shown = np.unique(np.geomspace(1, total_steps, 60).astype(int)) - 1
        lines += [
            Line(
                f"{task.name}, {rate_text(rate)}",
                (shown + 1).tolist(),
                row.mean(axis=0)[shown].tolist(),
            )
            for rate, row in zip(pair, losses, strict=True)
        ]
    return Measured(cases, lines[:6])


def _first_below(losses: np.ndarray, goal: float, total_steps: int) -> int:
    reached = np.flatnonzero(losses <= goal)
    return int(reached[0]) + 1 if len(reached) else total_steps


CLAIM = Claim(
    name="too-low-is-slow",
    topic="extremes",
    statement="A learning rate that is too low learns slowly.",
    source="Goodfellow, Bengio & Courville, Deep learning, 2016, sections 8.3.1 and 11.4.1",
    design=(
        "Each network trains at the constant rate that is best over the first sixteenth of a "
        "run, and at a tenth of it, with the same seeds. Counted are the updates to the "
        "training loss, smoothed, which the better rate has after that sixteenth."
    ),
    figures=(
        Figure(
            name="slowdown",
            says="updates at a tenth of the best rate over those at the best, to the same loss",
            low=3.0,
            unit="x",
        ),
    ),
    measure=_measure,
    tasks=lambda full: [
        make(optimizer, steps=800)
        for make in ((digits_mlp, fashion_mlp) if full else (digits_mlp,))
        for optimizer in ("SGD", "SGD momentum", "Adam")
    ],
    axes=("update", "training loss"),
    log="xy",
    remark=(
        "Slow is read as: at least three times as many updates. Sixteen at most can be seen in "
        "a run. What is slow at first need not be worse in the end: at a constant rate the "
        "lower one ends lower, if there is time."
    ),
)
