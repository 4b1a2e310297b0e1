"""The best rate against the batch size, for Adam."""

from __future__ import annotations

from learnrate.claims._batch_size import (
    BATCH_AXES,
    BATCH_DESIGN,
    batch_figures,
    measure_batches,
)
from learnrate.claims._claim import Claim

CLAIM = Claim(
    name="square-root-scaling-adam",
    topic="batch size",
    statement="A batch k times as large wants a rate of Adam the square root of k times as high.",
    source=(
        "Malladi et al., On the SDEs and scaling rules for adaptive gradient algorithms, 2022, "
        "arXiv:2205.10287"
    ),
    design=BATCH_DESIGN.format(optimizer="Adam"),
    figures=batch_figures(0.35, 0.65),
    measure=measure_batches({"Adam": (3e-4, 0.3)}),
    seeds=4,
    full_seeds=8,
    axes=BATCH_AXES,
    log="xy",
    remark=(
        "The published rule also scales beta1, beta2 and eps, which are left alone here, as "
        "most people leave them. Half is read as: 0.35 to 0.65. In a regression on the 1,911 "
        "language models of Step Law (arXiv:2503.04715) the exponent is 0.31."
    ),
)
