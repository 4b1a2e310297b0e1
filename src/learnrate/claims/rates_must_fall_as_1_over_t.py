"""The decay of stochastic approximation."""

from __future__ import annotations

from learnrate.claims._measurement import AS_GOOD, factor
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest_claim, short_decay_tasks

CLAIM = contest_claim(
    topic="decay",
    statement="The rate must fall as 1 / t: its sum must diverge, and the sum of its squares converge.",
    source="Robbins and Monro, A stochastic approximation method, 1951",
    design=f"""
        1 / (1 + 10 t / T) and 1 / (1 + 100 t / T), for updates t of a run of T, and the inverse
        square root, against linear to zero. {PEAKS_DESIGN}
    """,
    figure=factor("loss ratio", "its loss divided by that of linear to 0", high=AS_GOOD),
    shapes={
        "1 / t, to 1/11": "warmup(5%) >> inverse_time(rate=1, every=10%)",
        "1 / t, to 1/101": "warmup(5%) >> inverse_time(rate=1, every=1%)",
        "1 / sqrt t": "warmup(5%) >> inverse_sqrt()",
        "linear": DECAYS["linear"],
    },
    tasks=short_decay_tasks,
    seeds=(4, 8),
    remark="""
        The theorem is about convex losses and runs without an end. It says which rates converge,
        not which rates are best after a given number of updates.
    """,
)
