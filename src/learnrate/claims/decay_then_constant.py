"""A decay with a constant rate after it."""

from __future__ import annotations

from learnrate.claims._measurement import AS_GOOD, factor
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest_claim

CLAIM = contest_claim(
    topic="decay",
    statement="Decay the rate linearly to 1 % or so, then leave it constant for a while.",
    source="Goodfellow, Bengio and Courville 2016, Deep learning, section 8.3.1",
    design=f"""
        A linear decay to 1 % or 10 % of the peak over three quarters of the run, followed by a
        constant rate, is compared with a linear decay to zero over the whole run. {PEAKS_DESIGN}
    """,
    figure=factor("loss ratio", "loss divided by loss with a linear decay to zero", high=AS_GOOD),
    shapes={
        "to 1 %": "warmup(5%) >> linear(70%, floor=0.01) >> (0.01 * constant())",
        "to 10 %": "warmup(5%) >> linear(70%, floor=0.1) >> (0.1 * constant())",
        "linear": DECAYS["linear"],
    },
    seeds=(8, 12),
    remark=(
        "The constant part has an advantage that is not measured here: its length need not be known."
    ),
)
