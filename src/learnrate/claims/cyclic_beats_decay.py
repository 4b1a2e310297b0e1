"""Triangular cycles against a decay."""

from __future__ import annotations

from learnrate.claims._measurement import factor
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest_claim

CLAIM = contest_claim(
    topic="warm-up and cycles",
    statement="A rate that cycles between two bounds beats one that decays.",
    source="Smith 2017, Cyclical learning rates for training neural networks, arXiv:1506.01186",
    design=f"""
        Five triangular cycles that start at a quarter of the peak, of equal height or each half
        as high as the one before, against linear to zero. {PEAKS_DESIGN} The cycles have no
        warm-up, since they start low.
    """,
    figure=factor("loss ratio", "loss with cycles divided by loss with linear to 0", high=1.0),
    shapes={
        "triangular": "triangular(every=20%, floor=0.25)",
        "triangular2": "triangular2(every=20%, floor=0.25)",
        "linear": DECAYS["linear"],
    },
    seeds=(4, 8),
    remark="""
        Smith compares with a fixed rate and its drops, and with fewer updates; here the lengths
        are equal. Both kinds of cycles end low, at the end of a cycle, where their loss is
        lowest.
    """,
)
