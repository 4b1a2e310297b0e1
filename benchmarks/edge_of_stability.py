"""Is the sharpness probe right? Full-batch training rises to the edge of stability and stays there.

    python benchmarks/edge_of_stability.py [--page docs/how-to/probes.md] [--json]

A network 20-64-64-1 with tanh learns 500 points by full-batch gradient descent and Adam. Cohen et
al. (2021, 2022) found that the sharpness then rises until the rate times it is 2 (gradient descent)
or, preconditioned, 38 (Adam, b1 = 0.9), and stays there. The probe measures it during the run.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from _page import parser_of, show, table
from torch import nn

from learnrate.probing import Sharpness, sharpness

RUNS = (
    ("gradient descent", 0.4, 2.0),
    ("gradient descent", 0.2, 2.0),
    ("gradient descent", 0.1, 2.0),
    ("heavy ball, b = 0.9", 0.2, 3.8),
    ("Adam, b1 = 0.9", 0.003, 38.0),
    ("Adam, b1 = 0.9", 0.01, 38.0),
)
STEPS, EVERY = 3000, 250


def main() -> None:
    """Train, measure, and print."""
    arguments = parser_of(__doc__, as_json=True).parse_args()
    torch.set_num_threads(1)
    runs = [measure(*run) for run in RUNS]
    if arguments.json:
        print(json.dumps(runs, indent=1))
    rows = [
        [
            f"{run['optimizer']}, rate {run['lr']:g}",
            f"{run['products'][0]:.2f}",
            f"{run['products'][4]:.2f}",
            f"{min(run['products'][4:]):.2f} to {max(run['products'][4:]):.2f}",
            f"{run['limit']:g}",
        ]
        for run in runs
    ]
    text = table(["full batch", "start", "step 1,000", f"step 1,000 to {STEPS:,}", "theory"], rows)
    show(text, arguments.page, "edge-of-stability")


def measure(name: str, lr: float, limit: float) -> dict[str, Any]:
    """Rate times sharpness during a run.

    Args:
        name: of the optimizer.
        lr: the constant rate.
        limit: the product at the edge of stability, in theory.
    """
    torch.manual_seed(0)
    x = torch.randn(500, 20)
    y = torch.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3]
    model = nn.Sequential(
        nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
    )
    optimizer: torch.optim.Optimizer
    if name.startswith("Adam"):
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    else:
        momentum = 0.9 if name.startswith("heavy") else 0.0
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    curvature: Sharpness | None = None
    products = []
    for step in range(STEPS + 1):
        optimizer.zero_grad()
        loss_of(model, (x, y)).backward()
        optimizer.step()
        if step % EVERY == 0:
            curvature = sharpness(model, loss_of, (x, y), optimizer, start=curvature)
            assert curvature.limit is not None
            assert abs(curvature.limit - limit) < 1e-9
            products.append(lr * curvature.eigenvalue)
    return {"optimizer": name, "lr": lr, "limit": limit, "products": products}


def loss_of(model: nn.Module, batch: Any) -> torch.Tensor:
    """Mean squared error."""
    return nn.functional.mse_loss(model(batch[0]), batch[1])


if __name__ == "__main__":
    main()
