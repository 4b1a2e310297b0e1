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
    design=HORIZON_DESIGN.format(batch=256),
    figures=HORIZON_FIGURES,
    measure=measure_horizon,
    tasks=lambda full: [
        make(optimizer, width=32, batch=256, steps=2 * 320 if full else 320)
        for make in ((digits_mlp, fashion_mlp) if full else (digits_mlp,))
        for optimizer in ("SGD momentum", "Adam")
    ],
    seeds=5,
    full_seeds=5,
    axes=HORIZON_AXES,
    log="xy",
    remark=(
        "The published laws disagree: in Step Law's runs the best rate rises with the length at "
        "a large batch, and falls at a small one. These runs are short beside theirs: their "
        "shortest is 20 updates, most of it the start."
    ),
)
