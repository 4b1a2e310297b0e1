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
        Step (a tenth after half and after three quarters of the run), exponential to 1 %, and
        cosine to zero against linear to zero. {PEAKS_DESIGN}
    """,
    figure=factor("over linear", "loss divided by that of linear to zero", low=1 / AS_GOOD),
    shapes=DECAYS,
    seeds=(4, 8),
    remark="""
        The best means: no other decay ends more than 5 % lower. Linear and cosine to zero differ
        little; a bound by Defazio et al. on the loss of the last step ranks linear first.
    """,
)
