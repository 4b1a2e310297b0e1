"""The edge of stability of Adam."""

from __future__ import annotations

import torch

from learnrate.claims._edge import edge_claim

CLAIM = edge_claim(
    statement="""
        Full-batch Adam (b1 = 0.9) sharpens the loss until its preconditioned curvature is 38 /
        lr, and stays there.
    """,
    source="Cohen et al. 2022, Adaptive gradient methods at the edge of stability, arXiv:2207.14484",
    optimizer=lambda parameters, lr: torch.optim.Adam(parameters, lr=lr),
    optimizer_text="Adam",
    curvature="""
        the largest eigenvalue of P^-1 H, where H is the loss's Hessian and P is what Adam divides
        the gradient by,
    """,
    product="lr times the preconditioned sharpness",
    low=36.1,
    high=39.9,
    rates=(0.003, 0.01),
    steps=900,
    remark="""
        The curvature without preconditioning does not settle: Adam moves to sharper regions while
        the divisor grows. 38 is (2 + 2 b1) / (1 - b1).
    """,
)
