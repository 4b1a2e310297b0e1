"""Triangular cycles against a decay."""

from __future__ import annotations

from learnrate.claims._measurement import factor
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest_claim

CLAIM = contest_claim(
    topic="warm-up and cycles",
    statement="A rate that cycles between two bounds beats one that decays.",
    source="Smith 2017, Cyclical learning rates for training neural networks, arXiv:1506.01186",
    design=f"""
        Five triangular cycles that start at a quarter of the peak are compared with a linear decay
        to zero. The cycles have equal heights, or each is half as high as the previous one.
        {PEAKS_DESIGN} The cycles have no warm-up, because they start low.
    """,
    figure=factor("loss ratio", "loss with cycles divided by loss with linear to 0", high=1.0),
    shapes={
        "triangular": "triangular(every=20%, floor=0.25)",
        "triangular2": "triangular2(every=20%, floor=0.25)",
        "linear": DECAYS["linear"],
    },
    seeds=(4, 8),
    remark="""
        Smith compares cycles with step decays from a fixed rate, and with fewer updates; here the
        lengths are equal. Both kinds of cycles end at the end of a cycle, where the rate is low and
        the loss is lowest.
    """,
)
