"""The edge of stability of gradient descent."""

from __future__ import annotations

import torch

from learnrate.claims._edge import edge_claim

CLAIM = edge_claim(
    statement=(
        "Full-batch gradient descent sharpens the loss until its curvature is 2 / lr, and stays there."
    ),
    source="Cohen et al. 2021, Gradient descent on neural networks, arXiv:2103.00065",
    optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr),
    optimizer_text="gradient descent",
    curvature="the largest eigenvalue of the loss's Hessian",
    product="lr times the largest eigenvalue",
    low=1.9,
    high=2.1,
    rates=(0.4, 0.2),
    steps=1800,
    remark="""
        Small rates reach this value late: at 0.1, the product is still 1.2 after 6,000 steps of
        this network. With small batches the product stays below 2, because gradient noise flattens
        the loss first.
    """,
)
