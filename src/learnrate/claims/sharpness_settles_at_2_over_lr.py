"""The edge of stability of gradient descent."""

from __future__ import annotations

import torch

from learnrate.claims._claim import Claim, Figure
from learnrate.claims._edge import EDGE_DESIGN, measure_edge

CLAIM = Claim(
    name="sharpness-settles-at-2-over-lr",
    topic="stability",
    statement=(
        "Full-batch gradient descent sharpens the loss until its curvature is 2 / lr, and stays there."
    ),
    source="Cohen et al. 2021, Gradient descent on neural networks, arXiv:2103.00065",
    design=EDGE_DESIGN.format(
        optimizer="gradient descent", curvature="the largest eigenvalue of the loss's Hessian"
    ),
    figures=(Figure(name="product", says="lr times the largest eigenvalue", low=1.9, high=2.1),),
    measure=measure_edge(
        lambda parameters, lr: torch.optim.SGD(parameters, lr=lr),
        (0.4, 0.2),
        steps=1800,
        full_steps=3600,
    ),
    seeds=3,
    full_seeds=5,
    remark=(
        "Small rates get there late: at 0.1 the product is still 1.2 after 6,000 steps of this "
        "network. With small batches it stays below 2, because gradient noise flattens first."
    ),
    axes=("step", "lr times the largest eigenvalue"),
    log="",
)
