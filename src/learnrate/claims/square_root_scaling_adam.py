"""The best rate against the batch size, for Adam."""

from __future__ import annotations

from learnrate.claims._batch_size import batch_size_claim
from learnrate.claims._measurement import EXPONENT

CLAIM = batch_size_claim(
    statement="A batch k times as large wants a rate of Adam the square root of k times as high.",
    source="""
        Malladi et al., On the SDEs and scaling rules for adaptive gradient algorithms, 2022,
        arXiv:2205.10287
    """,
    optimizer="Adam",
    grids={"Adam": (3e-4, 0.3)},
    low=0.5 - EXPONENT,
    high=0.5 + EXPONENT,
    seeds=(4, 8),
    remark="""
        The published rule also scales beta1, beta2 and eps. They stay fixed here, as they do in
        most people's training. The square root means: an exponent of 0.25 to 0.75. In a
        regression on the 1,911 language models of Step Law (arXiv:2503.04715) the exponent is
        0.31.
    """,
)
