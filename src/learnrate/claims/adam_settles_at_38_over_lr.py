"""The edge of stability of Adam."""

from __future__ import annotations

import torch

from learnrate.claims._claim import Claim, Figure
from learnrate.claims._edge import EDGE_DESIGN, measure_edge

CLAIM = Claim(
    name="adam-settles-at-38-over-lr",
    topic="stability",
    statement=(
        "Full-batch Adam (b1 = 0.9) sharpens the loss until its preconditioned curvature is "
        "38 / lr, and stays there."
    ),
    source="Cohen et al. 2022, Adaptive gradient methods at the edge of stability, arXiv:2207.14484",
    design=EDGE_DESIGN.format(
        optimizer="Adam",
        curvature=(
            "the largest eigenvalue of P^-1 H, where H is the loss's Hessian and P what Adam "
            "divides the gradient by,"
        ),
    ),
    figures=(
        Figure(name="product", says="lr times the preconditioned sharpness", low=36.1, high=39.9),
    ),
    measure=measure_edge(
        lambda parameters, lr: torch.optim.Adam(parameters, lr=lr),
        (0.003, 0.01),
        steps=900,
        full_steps=3600,
    ),
    seeds=3,
    full_seeds=5,
    remark=(
        "The raw curvature does not settle: Adam goes on to sharper places while what it divides by "
        "grows. 38 is (2 + 2 b1) / (1 - b1)."
    ),
    axes=("step", "lr times the preconditioned sharpness"),
    log="",
)
