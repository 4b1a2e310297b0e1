"""Cutting the rate at once against cutting it at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._bench import seeds_from, start_loss
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._constant import filled, rates_around, windowed
from learnrate.claims._tasks import digits_mlp, fashion_mlp
from learnrate.schedules import Constant, shape

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

_STAYS = "constant() >> linear(20%)"


def _measure(bench: Bench) -> Measured:
    """The cut run's loss over that of the run which stays high: soon after, and at the end."""
    cases, lines = [], []
    others = replace(bench, seeds=seeds_from(bench.seeds[0], 3))
    for task in bench.tasks:
        total_steps = task.run_length()
        at, soon = max(1, total_steps // 8), max(2, total_steps // 6)
        rates = rates_around(bench, task, 0.3, 10.0)
        tuned = others.sweep(task, rates, _STAYS).mean(axis=1)
        peak = rates[int(tuned.argmin())]
        cut = peak * shape(f"constant({at}) >> (0.1 * constant())")
        ends = [cut.over(total_steps), (peak * shape(_STAYS)).over(total_steps)]
        schedules = [cut.over(soon), (peak * Constant()).over(soon), *ends]
        rows = bench.curves(task, schedules)
        losses = np.array([[start_loss(curve) for curve in row] for row in rows])
        cases += [
            Case("soon", task.name, (losses[0] / losses[1]).tolist()),
            Case("end", task.name, (losses[2] / losses[3]).tolist()),
        ]
        for label, row in zip(("cut", "stays"), rows[2:], strict=True):
            mean = np.mean([filled(curve, total_steps) for curve in row], axis=0)
            y = windowed(mean, max(2, total_steps // 50))
            shown = np.linspace(0, total_steps - 1, 50).astype(int)
            lines.append(Line(f"{task.name}, {label}", (shown + 1).tolist(), y[shown].tolist()))
    return Measured(cases, lines[:6])


CLAIM = Claim(
    name="greedy-cutting-loses",
    topic="horizon",
    statement="Cutting the rate where progress slows looks good at once and loses in the end.",
    source="Wu et al., Understanding short-horizon bias, 2018, arXiv:1803.02021",
    design=(
        "A run at a constant rate is branched after an eighth of its length: one branch goes on "
        "at a tenth of the rate, the other stays and falls to 0 over the last fifth. The rate "
        "is the best for the second, on other seeds. Compared are the validation losses soon "
        "after the branch, a sixth of the way, and at the end."
    ),
    figures=(
        Figure(
            name="soon",
            says="loss of the cut run over the other's, soon after the cut",
            high=1.0,
            unit="x",
        ),
        Figure(name="end", says="the same at the end", low=1.0, unit="x"),
    ),
    measure=_measure,
    tasks=lambda full: [
        make(optimizer, batch=8, steps=3200 if full else 1600)
        for make in ((digits_mlp, fashion_mlp) if full else (digits_mlp,))
        for optimizer in ("SGD", "Adam")
    ],
    axes=("update", "training loss"),
    log="y",
    remark=(
        "A loss that falls when the rate is cut is no evidence that the cut came at the right "
        "time: it falls at any time. Against a run that never decays the cut one may stay ahead "
        "for long."
    ),
)
