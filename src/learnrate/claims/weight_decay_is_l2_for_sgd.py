"""The two forms of weight decay under gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from learnrate.claims._claim import Case, Claim, Figure, Measured
from learnrate.claims._data import digits
from learnrate.claims._tasks import mlp
from learnrate.trials import kept_random_state

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

DECAY = 5e-3
FORMS = {
    "plain SGD": (0.0, DECAY),
    "momentum 0.9": (0.9, DECAY),
    "momentum 0.9, penalty / 10": (0.9, DECAY / 10),
}


def _trained(
    seed: int, momentum: float, shrink: float, penalty: float, steps: int
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """First weights, last weights and validation loss, in double precision, lr linear to 0."""
    examples = digits()
    held = examples.held_x.double(), examples.held_y
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
            squares = sum(one.square().sum() for one in model.parameters())
            optimizer.zero_grad()
            (loss + 0.5 * penalty * squares).backward()
            with torch.no_grad():
                for one in model.parameters():
                    one.mul_(1.0 - lr * shrink)
            optimizer.step()
        last = nn.utils.parameters_to_vector(model.parameters()).detach()
        with torch.no_grad():
            return first, last, criterion(model(held[0]), held[1]).item()


def _compared(seed: int, momentum: float, penalty: float, steps: int) -> tuple[float, float]:
    """How far apart the two forms end, as a share of the way, and the ratio of their losses."""
    first, shrunk, loss = _trained(seed, momentum, DECAY, 0.0, steps)
    _, penalised, other = _trained(seed, momentum, 0.0, penalty, steps)
    return float((shrunk - penalised).norm() / (shrunk - first).norm()), loss / other


def _measure(bench: Bench) -> Measured:
    steps = 2000 if bench.full else 300
    items = [(seed, *form, steps) for form in FORMS.values() for seed in bench.seeds]
    found = bench.each(lambda item: _compared(*item), items)
    cases = []
    for at, name in enumerate(FORMS):
        own = found[at * len(bench.seeds) : (at + 1) * len(bench.seeds)]
        figure = "distance" if "/" not in name else "scaled"
        cases.append(Case(figure, name, [apart for apart, _ in own]))
        cases.append(Case("loss", name, [ratio for _, ratio in own]))
    return Measured(cases)


CLAIM = Claim(
    name="weight-decay-is-l2-for-sgd",
    topic="weight decay",
    statement=(
        "For SGD, weight decay (weights times 1 - lr * wd at every step) is an L2 penalty on the loss."
    ),
    source="Loshchilov and Hutter 2019, arXiv:1711.05101, for SGD without momentum",
    design=(
        "A network learns digits twice in double precision from the same weights and batches, "
        f"linear to 0: once its weights are multiplied by 1 - lr * {DECAY:g} at every step, once "
        f"{DECAY:g} / 2 times their squared length is added to the loss. How far apart do they end?"
    ),
    figures=(
        Figure(
            name="distance",
            says="between the two last weights, over the way they came",
            high=1e-6,
        ),
        Figure(
            name="scaled",
            says="the same, the penalty times 1 - momentum",
        ),
        Figure(name="loss", says="validation loss, decayed over penalised", unit="x"),
    ),
    measure=_measure,
    seeds=4,
    remark=(
        "Plain SGD: the same to rounding. With momentum a penalty's gradient enters the buffer and "
        "pulls 1 / (1 - momentum) times as hard, as it does in torch.optim.SGD(weight_decay=...): "
        "scaled by 1 - momentum it comes close, with a delay."
    ),
)
