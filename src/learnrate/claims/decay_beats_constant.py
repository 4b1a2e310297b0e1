"""Decaying the rate, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.claims._claim import Case, Claim, Figure, Measured
from learnrate.claims._peaks import PEAKS_DESIGN, at_own_best, decay_tasks, peak_lines

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

_SHAPES = {"constant": "warmup(5%) >> constant()", "linear to 0": "warmup(5%) >> linear()"}


def _measure(bench: Bench) -> Measured:
    found = [(task, at_own_best(bench, task, _SHAPES)) for task in bench.tasks]
    ends = ("linear to 0", "constant")
    return Measured(
        [
            *(Case("loss ratio", task.name, peaks.over(*ends)) for task, peaks in found),
            *(Case("peak ratio", task.name, peaks.peak_over(*ends)) for task, peaks in found),
        ],
        peak_lines(found),
    )


CLAIM = Claim(
    name="decay-beats-constant",
    topic="decay",
    statement="Starting with a large rate and decaying it beats the best constant rate.",
    source="Defazio, Cutkosky, Mehta and Mishchenko 2023, arXiv:2310.07831; common advice before",
    design=f"Linear to zero against a constant rate. {PEAKS_DESIGN}",
    figures=(
        Figure(name="loss ratio", says="loss decayed over loss constant", high=1.0, unit="x"),
        Figure(name="peak ratio", says="best peak over best constant rate", low=1.0, unit="x"),
    ),
    measure=_measure,
    tasks=decay_tasks,
    seeds=4,
    full_seeds=8,
    remark=(
        "Decay removes what gradient noise does at the end. Where a small set is learned by heart "
        "there is no such noise, and on a validation loss no clear gain: digits without noise."
    ),
    axes=("peak", "validation loss"),
)
