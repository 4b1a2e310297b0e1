"""The best rate against the length of a run, at a small batch."""

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
    name="short-runs-want-higher-rates-small-batch",
    topic="horizon",
    statement="The best rate of a short run is too high for a long one, at a small batch.",
    source=(
        "Bjorck et al., Scaling optimal LR across token horizons, 2025, arXiv:2409.19913; "
        "against it Li et al., Step Law, 2025, arXiv:2503.04715"
    ),
    design=HORIZON_DESIGN.format(batch=8),
    figures=HORIZON_FIGURES,
    measure=measure_horizon,
    tasks=lambda full: [
        make(optimizer, width=32, batch=8, steps=2 * 800 if full else 800)
        for make in ((digits_mlp, fashion_mlp) if full else (digits_mlp,))
        for optimizer in ("SGD momentum", "Adam")
    ],
    seeds=5,
    full_seeds=8,
    axes=HORIZON_AXES,
    log="xy",
    remark=(
        "Theory for a linear decay has the best rate fall with the square root of the length: a "
        "factor of 4 here. The published baselines of DeepOBS (arXiv:1903.05499), at constant "
        "rates and by training loss, give a slope of -0.45."
    ),
)
