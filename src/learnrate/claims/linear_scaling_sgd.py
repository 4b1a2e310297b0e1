"""The best rate against the batch size, for SGD."""

from __future__ import annotations

from learnrate.claims._batch_size import (
    BATCH_AXES,
    BATCH_DESIGN,
    batch_figures,
    measure_batches,
)
from learnrate.claims._claim import Claim

CLAIM = Claim(
    name="linear-scaling-sgd",
    topic="batch size",
    statement="A batch k times as large wants an SGD rate k times as high, up to the noise scale.",
    source=(
        "Goyal et al., Accurate, large minibatch SGD, 2017, arXiv:1706.02677; McCandlish et "
        "al., An empirical model of large-batch training, 2018, arXiv:1812.06162"
    ),
    design=BATCH_DESIGN.format(optimizer="SGD, without momentum and with 0.9,"),
    figures=batch_figures(0.75, 1.25, beyond=0.75),
    measure=measure_batches({"SGD": (0.0215, 2.0), "SGD momentum": (2.15e-3, 1.0)}),
    seeds=4,
    full_seeds=6,
    axes=BATCH_AXES,
    log="xy",
    remark=(
        "Linear is read as: an exponent of 0.75 to 1.25, and below 0.75 beyond. At one number "
        "of updates it is less: there a larger batch sees more data. The noise scale stands "
        "beside it, because the saying is silent on where it ends; it grows while a network "
        "learns."
    ),
)
