"""A decay to zero against one to a tenth."""

from __future__ import annotations

from learnrate.claims._measurement import factor
from learnrate.claims._peaks import PEAKS_DESIGN, contest_claim

CLAIM = contest_claim(
    topic="decay",
    statement="Decaying to zero beats decaying to a tenth of the peak.",
    source="Bergsma et al. 2025, Straight to zero, arXiv:2502.15938",
    design=f"Cosine and linear decays to 0 are compared with decays to 10 % of the peak. {PEAKS_DESIGN}",
    figure=factor(
        "loss ratio", "loss with a decay to 0 divided by loss with a decay to 10 %", high=1.0
    ),
    shapes={
        f"{curve} to {floor:.0%}": f"warmup(5%) >> {curve}(floor={floor})"
        for curve in ("cosine", "linear")
        for floor in (0.1, 0.0)
    },
    pairs={curve: (f"{curve} to 0%", f"{curve} to 10%") for curve in ("cosine", "linear")},
    seeds=(8, 12),
    remark="""
        A decay to a tenth is common in the pre-training of language models. There, the gain is small too:
        2.953 against 2.982 for 124M parameters (Schaipp et al. 2025, arXiv:2501.18965).
    """,
)
