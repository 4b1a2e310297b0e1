"""The two forms of weight decay under gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from learnrate.claims._claim import Claim
from learnrate.claims._data import digits
from learnrate.claims._measurement import ClaimMeasurement, Figure, factor
from learnrate.claims._tasks import mlp
from learnrate.trials import kept_random_state

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

DECAY = 5e-3
FORMS = {
    "plain SGD": (0.0, DECAY),
    "momentum 0.9": (0.9, DECAY),
    "momentum 0.9, penalty / 10": (0.9, DECAY / 10),
}
"""Momentum and penalty."""


def _trained(
    seed: int, momentum: float, shrink: float, penalty: float, steps: int
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Initial weights, last weights and validation loss, in double precision, with lr linear to 0."""
    examples = digits()
    criterion = nn.CrossEntropyLoss()
    with kept_random_state():
        torch.manual_seed(seed)
        model = mlp(64, 32).double()
        first = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        peak = 0.01 if momentum else 0.1
        optimizer = torch.optim.SGD(model.parameters(), lr=peak, momentum=momentum)
        for step in range(steps):
            lr = optimizer.param_groups[0]["lr"] = peak * (1.0 - step / steps)
            rows = torch.randint(len(examples.x), (64,))
            loss = criterion(model(examples.x[rows].double()), examples.y[rows])
            squares = sum(weight.square().sum() for weight in model.parameters())
            optimizer.zero_grad()
            (loss + 0.5 * penalty * squares).backward()
            with torch.no_grad():
                for weight in model.parameters():
                    weight.mul_(1.0 - lr * shrink)
            optimizer.step()
        last = nn.utils.parameters_to_vector(model.parameters()).detach()
        with torch.no_grad():
            final = criterion(model(examples.held_x.double()), examples.held_y).item()
        return first, last, final


def _compared(setting: tuple[float, float, int], seed: int) -> tuple[float, float]:
    """The distance between the final weights of both forms, over that from the start, and the loss ratio."""
    momentum, penalty, steps = setting
    first, shrunk, loss = _trained(seed, momentum, DECAY, 0.0, steps)
    _, penalised, other = _trained(seed, momentum, 0.0, penalty, steps)
    return float((shrunk - penalised).norm() / (shrunk - first).norm()), loss / other


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The distance between the final weights of both forms of decay, for each momentum."""
    steps = 2000 if trials.full else 300
    rows = trials.for_each_seed(_compared, [(*form, steps) for form in FORMS.values()])
    parts = []
    for name, row in zip(FORMS, rows, strict=True):
        distances, ratios = zip(*row, strict=True)
        figure = "distance" if "/" not in name else "scaled"
        parts.append(ClaimMeasurement.of(name, {figure: distances, "loss": ratios}))
    return ClaimMeasurement.joined(parts)


CLAIM = Claim(
    topic="weight decay",
    statement=(
        "For SGD, weight decay (weights times 1 - lr * wd at every step) is an L2 penalty on the loss."
    ),
    source="Loshchilov and Hutter 2019, arXiv:1711.05101, for SGD without momentum",
    design="""
        A network learns digits twice in double precision, from the same weights and with the same
        batches, at a rate that decays linearly to 0. In one run, its weights are multiplied by 1 -
        lr * 0.005 at every step. In the other, 0.005 / 2 times their squared norm is added to the
        loss. The figure is the distance between the final weights of the two runs.
    """,
    figures=(
        Figure(
            "distance",
            "distance between the two final weights, divided by their distance from the start",
            high=1e-6,
        ),
        Figure("scaled", "the same, the penalty times 1 - momentum"),
        factor("loss", "validation loss with decay divided by that with the penalty"),
    ),
    measure=_measure,
    seeds=(4, 10),
    remark="""
        For plain SGD the two are equal up to rounding. With momentum, the gradient of a penalty
        enters the momentum buffer and has 1 / (1 - momentum) times the effect, as in
        torch.optim.SGD(weight_decay=...). If the penalty is scaled by 1 - momentum, the runs are
        close, apart from a delay.
    """,
)
