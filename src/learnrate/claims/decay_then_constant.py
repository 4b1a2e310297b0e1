"""A decay with a constant rate after it."""

from __future__ import annotations

from learnrate.claims._measurement import AS_GOOD, factor
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest_claim

CLAIM = contest_claim(
    topic="decay",
    statement="Decay the rate linearly to 1 % or so, then leave it constant for a while.",
    source="Goodfellow, Bengio and Courville 2016, Deep learning, section 8.3.1",
    design=f"""
        Linear to 1 % or to 10 % of the peak until three quarters of the run, and constant from
        there, against linear to zero until the end. {PEAKS_DESIGN}
    """,
    figure=factor("loss ratio", "its loss divided by that of a decay to the end", high=AS_GOOD),
    shapes={
        "to 1 %": "warmup(5%) >> linear(70%, floor=0.01) >> (0.01 * constant())",
        "to 10 %": "warmup(5%) >> linear(70%, floor=0.1) >> (0.1 * constant())",
        "linear": DECAYS["linear"],
    },
    seeds=(8, 12),
    remark=(
        "The constant part has an advantage that is not measured here: its length can be left open."
    ),
)
