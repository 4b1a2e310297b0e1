"""A decay against a constant rate."""

from __future__ import annotations

from learnrate.claims._claim import Claim
from learnrate.claims._measurement import factor
from learnrate.claims._peaks import PEAK_AXES, PEAKS_DESIGN, decay_tasks, measure_peaks

_SHAPES = {"constant": "warmup(5%) >> constant()", "linear to 0": "warmup(5%) >> linear()"}

CLAIM = Claim(
    topic="decay",
    statement="Starting with a large rate and decaying it beats the best constant rate.",
    source="Defazio, Cutkosky, Mehta and Mishchenko 2023, arXiv:2310.07831; common advice before",
    design=f"A linear decay to zero is compared with a constant rate. {PEAKS_DESIGN}",
    figures=(
        factor("loss ratio", "loss with the decay divided by loss at the constant rate", high=1.0),
        factor("peak ratio", "best peak divided by best constant rate", low=1.0),
    ),
    measure=measure_peaks(
        _SHAPES,
        lambda _trials, _task, sweep: {
            "loss ratio": sweep.over("linear to 0", "constant"),
            "peak ratio": sweep.peak_over("linear to 0", "constant"),
        },
        by_figure=("loss ratio", "peak ratio"),
    ),
    tasks=decay_tasks,
    seeds=(4, 8),
    remark="""
        A decay removes the effect of gradient noise at the end. When a network memorises a small
        data set there is no such noise, and the validation loss shows no clear gain. The digits
        without noise are an example.
    """,
    axes=PEAK_AXES,
)
