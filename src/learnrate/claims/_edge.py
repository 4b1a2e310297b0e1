"""Full-batch training whose curvature is followed: the design of the edge of stability's claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from learnrate.claims._claim import Case, Line, Measured
from learnrate.probing import Sharpness, sharpness
from learnrate.trials import kept_random_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._bench import Bench

__all__ = ["EDGE_DESIGN", "measure_edge"]

EDGE_DESIGN = (
    "A network 20-64-64-1 with tanh learns 500 points by {optimizer} over the full batch, without "
    "decay. Along the way {curvature} is measured by Lanczos with Hessian-vector products; the mean "
    "over the last third of the run is taken."
)
_MARKS = 18


def measure_edge(
    optimizer: Callable[[list[nn.Parameter], float], torch.optim.Optimizer],
    rates: Sequence[float],
    *,
    steps: int,
    full_steps: int,
) -> Callable[[Bench], Measured]:
    """Measures the rate times the (preconditioned) sharpness, one case for each rate.

    Args:
        optimizer: makes one from parameters and a rate.
        rates: constant, one training each a seed.
        steps: of a run.
        full_steps: of a run in the full test.
    """

    def measure(bench: Bench) -> Measured:
        total_steps = full_steps if bench.full else steps
        items = [(rate, seed) for rate in rates for seed in bench.seeds]
        found = bench.each(lambda item: _followed(optimizer, *item, total_steps), items)
        cases, lines = [], []
        for at, rate in enumerate(rates):
            own = np.array(found[at * len(bench.seeds) : (at + 1) * len(bench.seeds)])
            ends = own[:, -_MARKS // 3 :].mean(axis=1)
            cases.append(Case("product", f"lr {rate:g}", ends.tolist()))
            marks = [(mark + 1) * total_steps // _MARKS for mark in range(_MARKS)]
            lines.append(Line(f"lr {rate:g}", marks, own.mean(axis=0).tolist()))
        return Measured(cases, lines)

    return measure


def _followed(
    optimizer: Callable[[list[nn.Parameter], float], torch.optim.Optimizer],
    lr: float,
    seed: int,
    steps: int,
) -> list[float]:
    """The rate times the largest eigenvalue, at marks equally far apart."""
    marks = {(mark + 1) * steps // _MARKS for mark in range(_MARKS)}
    with kept_random_state():
        torch.manual_seed(seed)
        x = torch.randn(500, 20)
        batch = x, torch.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3]
        model = nn.Sequential(
            nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
        )
        made = optimizer(list(model.parameters()), lr)
        found: Sharpness | None = None
        products = []
        for step in range(1, steps + 1):
            made.zero_grad()
            _loss_of(model, batch).backward()
            made.step()
            if step in marks:
                found = sharpness(model, _loss_of, batch, made, start=found)
                products.append(lr * found.eigenvalue)
        return products


def _loss_of(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return nn.functional.mse_loss(model(batch[0]), batch[1])
