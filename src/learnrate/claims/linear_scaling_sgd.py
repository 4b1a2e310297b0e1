"""The best rate against the batch size, for SGD."""

from __future__ import annotations

from learnrate.claims._batch_size import batch_size_claim
from learnrate.claims._measurement import EXPONENT

CLAIM = batch_size_claim(
    statement="A batch k times as large wants an SGD rate k times as high, up to the noise scale.",
    source="""
        Goyal et al., Accurate, large minibatch SGD, 2017, arXiv:1706.02677; McCandlish et al., An
        empirical model of large-batch training, 2018, arXiv:1812.06162
    """,
    optimizer="SGD, without momentum and with 0.9,",
    grids={"SGD": (0.0215, 2.0), "SGD momentum": (2.15e-3, 1.0)},
    low=1.0 - EXPONENT,
    high=1.0 + EXPONENT,
    beyond=1.0 - EXPONENT,
    seeds=(4, 6),
    remark="""
        Linear means: an exponent of 0.75 to 1.25, and below 0.75 beyond the noise scale. With
        equal numbers of updates the exponent is smaller, because a larger batch then sees more
        data. The noise scale is reported because the claim does not say where linear scaling
        ends; it grows while a network learns.
    """,
)
