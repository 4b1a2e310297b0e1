"""What a negative rate does in plain training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._constant import all_losses, suggested_rate
from learnrate.claims._tasks import digits_cnn, digits_mlp

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

_CEILING = 1e6


def _measure(bench: Bench) -> Measured:
    """The training loss at the end of a run at minus the suggested rate over that at its start."""
    cases, lines = [], []
    for task in bench.tasks:
        total_steps = task.run_length()
        lr = -suggested_rate(bench, task)
        losses = all_losses(bench, task, lr, total_steps)
        over = np.minimum(losses / losses[:, :1], _CEILING)
        cases.append(
            Case("climb", task.name, over[:, -max(1, total_steps // 10) :].mean(axis=1).tolist())
        )
        lines.append(
            Line(
                task.name,
                list(range(1, total_steps + 1)),
                np.exp(np.log(over).mean(axis=0)).tolist(),
            )
        )
    return Measured(cases, lines[:6])


CLAIM = Claim(
    name="negative-rate-climbs",
    topic="extremes",
    statement="A negative learning rate climbs: plain training gets worse with it.",
    source="The update rule itself: w <- w - lr * step.",
    design=(
        "Each network makes 50 updates at minus the rate that a range test suggests. Its "
        "training loss over the last tenth is compared with the first; what is more than a "
        "million times as high, or not finite, counts as a million times."
    ),
    figures=(
        Figure(
            name="climb",
            says="training loss at the end over that at the start",
            low=1.0,
            unit="x",
        ),
    ),
    measure=_measure,
    tasks=lambda _: [
        make(optimizer, steps=50)
        for make in (digits_mlp, digits_cnn)
        for optimizer in ("SGD", "SGD momentum", "Adam", "RMSprop")
    ],
    axes=("update", "training loss over its start"),
    log="y",
    remark=(
        "Plain training: the inner rate of meta-learning has a negative optimum in some "
        "settings (Bernacchia, 2021, arXiv:2102.00940). A schedule is negative only on purpose: "
        "ascend(0.01 * constant())."
    ),
)
