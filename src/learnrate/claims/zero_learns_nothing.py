"""What a rate of zero does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.claims._claim import Case, Claim, Figure, Measured
from learnrate.claims._tasks import digits_cnn, digits_mlp
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench


def _measure(bench: Bench) -> Measured:
    """How far the validation loss moves between one update at a rate of zero and a whole run."""
    still = 0.0 * Constant()
    cases = []
    for task in bench.tasks:
        first, last = bench.losses(task, [still.over(1), still.over(task.run_length())])
        cases.append(Case("change", task.name, (last / first - 1.0).tolist()))
    return Measured(cases)


CLAIM = Claim(
    name="zero-learns-nothing",
    topic="extremes",
    statement="A learning rate of zero learns nothing.",
    source="The update rule itself: w <- w - lr * step.",
    design=(
        "Each network makes one update at a rate of zero, and 100, with the same seeds; their "
        "validation losses are compared."
    ),
    figures=(
        Figure(
            name="change",
            says="validation loss after a whole run at zero over that after one update, less 1",
            low=-1e-6,
            high=1e-6,
            unit="%",
        ),
    ),
    measure=_measure,
    tasks=lambda full: [
        make(optimizer, steps=400 if full else 100)
        for make in (digits_mlp, digits_cnn)
        for optimizer in ("SGD momentum", "AdamW")
    ],
    remark=(
        "BatchNorm's running statistics move at any rate, so the validation loss of a network that "
        "has them changes although no weight does: try --task."
    ),
)
