"""Which decay is the best."""

from __future__ import annotations

from learnrate.claims._measurement import AS_GOOD, factor
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest_claim

CLAIM = contest_claim(
    topic="decay",
    statement="Linear to zero is the best decay.",
    source="""
        Defazio, Cutkosky, Mehta and Mishchenko 2023, arXiv:2310.07831; Bergsma et al. 2025,
        Straight to zero, arXiv:2502.15938
    """,
    design=f"""
        A step decay (to a tenth after half and after three quarters of the run), an exponential decay
        to 1 %, and a cosine to zero are compared with a linear decay to zero. {PEAKS_DESIGN}
    """,
    figure=factor("over linear", "loss divided by that of linear to zero", low=1 / AS_GOOD),
    shapes=DECAYS,
    seeds=(4, 8),
    remark="""
        A decay is the best if no other decay ends more than 5 % lower. Linear and cosine decays to
        zero differ little. A bound by Defazio et al. on the loss of the last step ranks the linear
        decay first.
    """,
)
