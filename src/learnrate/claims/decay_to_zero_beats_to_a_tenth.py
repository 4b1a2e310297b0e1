"""How far to decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.claims._claim import Case, Claim, Figure, Measured
from learnrate.claims._peaks import PEAKS_DESIGN, at_own_best, decay_tasks, peak_lines

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

_SHAPES = {
    f"{curve} to {floor:.0%}": f"warmup(5%) >> {curve}(floor={floor})"
    for curve in ("cosine", "linear")
    for floor in (0.1, 0.0)
}


def _measure(bench: Bench) -> Measured:
    found = [(task, at_own_best(bench, task, _SHAPES)) for task in bench.tasks]
    cases = [
        Case(
            "loss ratio", f"{curve}: {task.name}", peaks.over(f"{curve} to 0%", f"{curve} to 10%")
        )
        for task, peaks in found
        for curve in ("cosine", "linear")
    ]
    return Measured(cases, peak_lines(found))


CLAIM = Claim(
    name="decay-to-zero-beats-to-a-tenth",
    topic="decay",
    statement="Decaying to zero beats decaying to a tenth of the peak.",
    source="Bergsma et al. 2025, Straight to zero, arXiv:2502.15938",
    design=f"Cosine and linear decays, each to 0 and to 10 % of the peak. {PEAKS_DESIGN}",
    figures=(
        Figure(
            name="loss ratio", says="loss with decay to 0 over that to 10 %", high=1.0, unit="x"
        ),
    ),
    measure=_measure,
    seeds=8,
    full_seeds=12,
    tasks=decay_tasks,
    remark=(
        "A tenth is the habit in pre-training of language models. There the gain is small too: "
        "2.953 against 2.982 for 124M parameters (Schaipp et al. 2025, arXiv:2501.18965)."
    ),
    axes=("peak", "validation loss"),
)
