"""Claims about the edge of stability: full-batch training with its curvature."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np
import torch
from torch import nn

from learnrate.claims._claim import Claim, ClaimAxes, ClaimText
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, Figure
from learnrate.probing import Sharpness, sharpness
from learnrate.trials import kept_random_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._trials import ClaimTrials

__all__ = ["edge_claim"]

_MARKS = 18


def edge_claim(
    *,
    optimizer: Callable[[list[nn.Parameter], float], torch.optim.Optimizer],
    optimizer_text: str,
    curvature: str,
    product: str,
    low: float,
    high: float,
    rates: Sequence[float],
    steps: int,
    **text: Unpack[ClaimText],
) -> Claim:
    """A claim that training settles where the rate times the curvature has a certain value.

    Args:
        optimizer: makes an optimizer from parameters and a rate.
        optimizer_text: the optimizer in words.
        curvature: what is measured, in words.
        product: the figure in words: lr times the curvature.
        low: the claim says that the product is at least this.
        high: the claim says that the product is at most this.
        rates: constant rates, with one training for each seed.
        steps: updates of a run; the full test has 3600.
        text: statement, source and remark of the claim.
    """

    def measure(trials: ClaimTrials) -> ClaimMeasurement:
        total_steps = 3600 if trials.full else steps
        marks = [(mark + 1) * total_steps // _MARKS for mark in range(_MARKS)]
        rows = trials.for_each_seed(partial(_products, optimizer, marks), rates)
        parts = []
        for rate, row in zip(rates, rows, strict=True):
            products = np.array(row)
            label = f"lr {rate:g}"
            ends = products[:, -_MARKS // 3 :].mean(axis=1)
            line = ClaimLine.of(label, marks, products.mean(axis=0))
            parts.append(ClaimMeasurement.of(label, {"product": ends}, line))
        return ClaimMeasurement.joined(parts)

    return Claim(
        topic="stability",
        design=f"""
            A 20-64-64-1 network with tanh learns 500 points by full-batch {optimizer_text} at a
            constant rate. During the run, {curvature} is measured by Lanczos with
            Hessian-vector products. The figure is the mean over the last third of the run.
        """,
        figures=(Figure("product", product, low=low, high=high),),
        measure=measure,
        seeds=(3, 5),
        **text,
        axes=ClaimAxes("step", product, log=""),
    )


def _products(
    make_optimizer: Callable[[list[nn.Parameter], float], torch.optim.Optimizer],
    marks: Sequence[int],
    lr: float,
    seed: int,
) -> list[float]:
    """The rate times the largest eigenvalue after each number of updates in `marks`."""
    with kept_random_state():
        torch.manual_seed(seed)
        x = torch.randn(500, 20)
        batch = x, torch.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3]
        model = nn.Sequential(
            nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
        )
        optimizer = make_optimizer(list(model.parameters()), lr)
        curvature: Sharpness | None = None
        products = []
        for step in range(1, marks[-1] + 1):
            optimizer.zero_grad()
            _loss_of(model, batch).backward()
            optimizer.step()
            if step in marks:
                curvature = sharpness(model, _loss_of, batch, optimizer, start=curvature)
                products.append(lr * curvature.eigenvalue)
        return products


def _loss_of(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return nn.functional.mse_loss(model(batch[0]), batch[1])
