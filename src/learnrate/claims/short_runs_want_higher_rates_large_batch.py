"""The best rate against the length of a run, at a large batch."""

from __future__ import annotations

from learnrate.claims._claim import Claim
from learnrate.claims._horizon import (
    HORIZON_AXES,
    HORIZON_DESIGN,
    HORIZON_FIGURES,
    measure_horizon,
)
from learnrate.claims._tasks import digits_mlp, fashion_mlp

CLAIM = Claim(
    name="short-runs-want-higher-rates-large-batch",
    topic="horizon",
    statement="The best rate of a short run is too high for a long one, at a large batch too.",
    source=(
        "Bjorck et al., Scaling optimal LR across token horizons, 2025, arXiv:2409.19913; "
        "against it Li et al., Step Law, 2025, arXiv:2503.04715"
    ),
    design=HORIZON_DESIGN.format(batch=512),
    figures=HORIZON_FIGURES,
    measure=measure_horizon,
    tasks=lambda full: [
        make(optimizer, width=32, batch=512, steps=2 * 160 if full else 160)
        for make in ((digits_mlp, fashion_mlp) if full else (digits_mlp,))
        for optimizer in ("SGD momentum", "Adam")
    ],
    seeds=5,
    full_seeds=8,
    axes=HORIZON_AXES,
    log="xy",
    remark="At a large batch the published laws disagree: Step Law's own runs have the best rate rise with the length there, and fall at small batches.",
)
