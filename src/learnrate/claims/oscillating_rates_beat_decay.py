"""Warm restarts against one cosine."""

from __future__ import annotations

from learnrate.claims._measurement import factor
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest_claim

CLAIM = contest_claim(
    topic="warm-up and cycles",
    statement="Restarting the rate again and again beats decaying it once.",
    source="""
        Loshchilov and Hutter 2017, SGDR: stochastic gradient descent with warm restarts,
        arXiv:1608.03983
    """,
    design=f"""
        Four equal cosines, or three cosines each twice as long as the one before, against one
        cosine; all end at zero. {PEAKS_DESIGN}
    """,
    figure=factor("loss ratio", "loss with restarts divided by loss without", high=1.0),
    # The last cycle is a little longer than the rest of the run, so that no further one starts.
    shapes={
        "4 equal": "warmup(5%) >> cosine_restarts(every=23.751%)",
        "1 + 2 + 4": "warmup(5%) >> cosine_restarts(every=13.572%, growth=2)",
        "cosine": DECAYS["cosine"],
    },
    seeds=(4, 8),
    remark="""
        Restarts give a usable network at the end of every cycle, and so several networks for an
        ensemble. The figure does not count this.
    """,
)
