"""The rate times 0.95 after every update."""

from __future__ import annotations

from learnrate.claims._measurement import AS_GOOD, factor
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest_claim, short_decay_tasks

CLAIM = contest_claim(
    topic="decay",
    statement="A factor of 0.95 suits a scheduler that is stepped after every update too.",
    source="""
        loops that call ExponentialLR(gamma=0.95).step() for every batch; torch's documentation
        steps it once an epoch
    """,
    design=f"""
        A schedule that multiplies the rate by 0.95 after every update is compared with a linear
        decay to zero. {PEAKS_DESIGN}
    """,
    figure=factor("loss ratio", "its loss divided by that of linear to 0", high=AS_GOOD),
    shapes={
        "0.95 an update": "warmup(5%) >> exponential(factor=0.95, every=1)",
        "linear": DECAYS["linear"],
    },
    tasks=short_decay_tasks,
    seeds=(4, 8),
    remark="""
        After 90 updates 1 % of the rate is left, so the run has effectively ended, whatever its
        length. A higher peak cannot compensate for this.
    """,
)
