"""Tables: classification, regression, several tasks at once, tiny batches, the whole data at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn import datasets
from torch import nn
from torch.nn import functional

from watch_families.work import Batches, Task, Work, dense, standardised, supervised

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAMILIES"]

Arrays = tuple[torch.Tensor, torch.Tensor]


@lru_cache
def _data(name: str) -> Arrays:
    """Inputs and targets in a fixed random order."""
    rng = np.random.default_rng(5)
    if name == "spirals":
        labels = rng.integers(3, size=1500)
        radius = np.sqrt(rng.uniform(size=1500))
        angle = 4 * radius + 2 * np.pi * labels / 3 + 0.15 * rng.normal(size=1500)
        x = 2 * np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        return torch.tensor(x, dtype=torch.float32), torch.tensor(labels)
    if name == "noisy":
        x, labels = datasets.make_classification(
            2000, 20, n_informative=8, n_classes=4, flip_y=0.25, random_state=1
        )
        return standardised(x), torch.tensor(labels)
    if name in {"wine", "cancer", "iris"}:
        load = {"wine": datasets.load_wine, "iris": datasets.load_iris}
        x, labels = load.get(name, datasets.load_breast_cancer)(return_X_y=True)
        order = rng.permutation(len(x))
        return standardised(x)[order], torch.tensor(labels)[order]
    if name == "diabetes":
        x, y = datasets.load_diabetes(return_X_y=True)
        order = rng.permutation(len(x))
        x, y = x[order], y[order]
    elif name == "friedman":
        x, y = datasets.make_friedman1(1500, n_features=8, noise=0.5, random_state=2)
    else:  # heavy-tailed
        x = rng.normal(size=(1500, 12))
        y = x @ rng.normal(size=12) + rng.standard_t(2.2, size=1500)
        y = np.clip(y, -40, 40)
    return standardised(x), standardised(np.asarray(y)[:, None])


def _split(name: str) -> tuple[Arrays, Arrays]:
    x, y = _data(name)
    count = len(x) * 3 // 4
    return (x[:count], y[:count]), (x[count:], y[count:])


def _classes(name: str, size: int | None, widths: tuple[int, ...]) -> Callable[[int, bool], Work]:
    def make(seed: int, shuffled: bool) -> Work:
        (x, y), (val_x, val_y) = _split(name)
        model = dense(x.shape[1], *widths, int(y.max()) + 1)
        batches = Batches((x, y), size or len(x), seed, shuffled=shuffled)

        def criterion(inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(model(inputs), target)

        return supervised(model, batches, criterion, (val_x, val_y))

    return make


def _numbers(
    name: str,
    size: int | None,
    widths: tuple[int, ...],
    criterion: Callable[..., torch.Tensor] = functional.mse_loss,
) -> Callable[[int, bool], Work]:
    def make(seed: int, shuffled: bool) -> Work:
        (x, y), (val_x, val_y) = _split(name)
        model = dense(x.shape[1], *widths, 1, activation=nn.ReLU)
        batches = Batches((x, y), size or len(x), seed, shuffled=shuffled)

        def loss(inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return criterion(model(inputs), target)

        return supervised(model, batches, loss, (val_x, val_y))

    return make


class _TwoHeads(nn.Module):
    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.trunk = dense(inputs, 32, 32)
        self.classes, self.number = nn.Linear(32, classes), nn.Linear(32, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.trunk(x).tanh()
        return self.classes(features), self.number(features)


def _multi_task(weight: float) -> Callable[[int, bool], Work]:
    """Classes, and a number whose loss has a weight of its own."""

    def make(seed: int, shuffled: bool) -> Work:
        (x, y), (val_x, val_y) = _split("noisy")
        numbers, val_numbers = (
            (inputs[:, :4] * inputs[:, 4:8]).sum(1, keepdim=True) for inputs in (x, val_x)
        )
        model = _TwoHeads(x.shape[1], 4)
        batches = Batches((x, y, numbers), 32, seed, shuffled=shuffled)

        def total(inputs: torch.Tensor, y: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
            logits, predicted = model(inputs)
            first = functional.cross_entropy(logits, y)
            return first + weight * functional.mse_loss(predicted, number)

        def loss(batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
            value = total(*batch)
            return value, value

        def metric() -> float:
            return total(val_x, val_y, val_numbers).item()

        return Work.in_passes(model, batches, loss, metric)

    return make


FAMILIES = {
    "classification": (
        Task(
            name="spirals",
            make=_classes("spirals", 32, (32, 32)),
            has_classes=True,
            optimizers=("momentum", "adamw"),
            steps=240,
        ),
        Task(
            name="noisy",
            make=_classes("noisy", 64, (48,)),
            has_classes=True,
            optimizers=("sgd",),
            steps=200,
        ),
        Task(
            name="cancer",
            make=_classes("cancer", 32, (24,)),
            has_classes=True,
            optimizers=("lion",),
            steps=180,
        ),
    ),
    "regression": (
        Task(
            name="friedman",
            make=_numbers("friedman", 32, (48, 32)),
            optimizers=("adam",),
            steps=240,
        ),
        Task(
            name="diabetes",
            make=_numbers("diabetes", 16, (24,)),
            optimizers=("sgd",),
            steps=180,
        ),
        Task(
            name="heavy",
            make=_numbers("heavy", 32, (32,), functional.smooth_l1_loss),
            optimizers=("rmsprop", "momentum"),
            steps=200,
        ),
    ),
    "multi-task": (
        Task(
            name="equal",
            make=_multi_task(1.0),
            optimizers=("adamw",),
            steps=220,
        ),
        Task(name="unequal", make=_multi_task(0.05), optimizers=("rmsprop",), steps=200),
    ),
    "tiny-batches": (
        Task(
            name="spirals-2",
            make=_classes("spirals", 2, (32, 32)),
            has_classes=True,
            optimizers=("adam",),
            steps=400,
        ),
        Task(
            name="wine-1",
            make=_classes("wine", 1, (16,)),
            has_classes=True,
            optimizers=("sgd",),
            steps=240,
        ),
        Task(
            name="friedman-2",
            make=_numbers("friedman", 2, (24,)),
            optimizers=("momentum",),
            steps=400,
        ),
    ),
    "full-batch": (
        Task(
            name="iris",
            make=_classes("iris", None, (16,)),
            has_classes=True,
            optimizers=("sgd", "adam"),
            steps=160,
            blanks=frozenset({"unshuffled"}),
        ),
        Task(
            name="cancer",
            make=_classes("cancer", None, (16,)),
            has_classes=True,
            optimizers=("momentum",),
            steps=160,
            blanks=frozenset({"unshuffled"}),
        ),
        Task(
            name="diabetes",
            make=_numbers("diabetes", None, (16,)),
            optimizers=("adagrad",),
            steps=180,
            blanks=frozenset({"unshuffled"}),
        ),
    ),
}
