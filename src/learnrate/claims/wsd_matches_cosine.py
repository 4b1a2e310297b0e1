"""A constant rate with a decay at the end against a cosine."""

from __future__ import annotations

from learnrate.claims._measurement import AS_GOOD, factor
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest_claim, short_decay_tasks

CLAIM = contest_claim(
    topic="decay",
    statement="A constant rate with a decay over the last fifth matches a cosine.",
    source="Haegele et al. 2024, Scaling laws beyond fixed training durations, arXiv:2405.18392",
    design=f"""
        The same peak until 80 % of the run, then a decay to zero as 1 minus a square root, or
        linear, against a cosine to zero. {PEAKS_DESIGN}
    """,
    figure=factor("loss ratio", "its loss divided by that of the cosine", high=AS_GOOD),
    shapes={
        "1 - sqrt": "warmup(5%) >> constant(75%) >> one_minus_sqrt()",
        "linear end": "warmup(5%) >> constant(75%) >> linear()",
        "cosine": DECAYS["cosine"],
    },
    tasks=short_decay_tasks,
    seeds=(4, 8),
    remark="""
        It has an advantage that is not measured here: the length of the run need not be known until
        the decay begins.
    """,
)
