"""Small real trainings on scikit-learn's digits, all rates and seeds at once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.datasets import load_digits

from learnrate import schedules

if TYPE_CHECKING:
    from collections.abc import Sequence

SHAPE = "warmup(5%) >> linear()"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is trained, and how: a network of `depth` hidden layers of `width` ReLU units.

    `optimizer` is `"sgd"` (with `momentum`) or `"adam"`; `decay` is decoupled; the loss that is
    descended is the cross-entropy times `scale`.
    """

    steps: int = 300
    batch: int = 32
    optimizer: str = "sgd"
    momentum: float = 0.9
    decay: float = 0.0
    scale: float = 1.0
    depth: int = 1
    width: int = 32
    seeds: int = 3
    shape: str = SHAPE


@dataclass(frozen=True)
class Swept:
    """The losses at every rate.

    Attributes:
        lr: the peak rates, increasing.
        validation: the loss on held-out images at the end, the mean of the seeds; infinite where
            it is not finite.
        loss: the training loss of every update, shape (steps, rates), the mean of the seeds.
    """

    lr: np.ndarray
    validation: np.ndarray
    loss: np.ndarray

    @property
    def best(self) -> float:
        """The rate with the lowest validation loss, by a parabola through it and its neighbours."""
        lowest = int(np.argmin(self.validation))
        if not 0 < lowest < len(self.lr) - 1:
            return float(self.lr[lowest])
        x, y = (
            np.log(self.lr[lowest - 1 : lowest + 2]),
            np.log(self.validation[lowest - 1 : lowest + 2]),
        )
        if not np.isfinite(y).all():
            return float(self.lr[lowest])
        bend, slope, _ = np.polyfit(x - x[1], y, 2)
        return float(np.exp(x[1] + np.clip(-slope / (2 * bend), x[0] - x[1], x[2] - x[1])))


def rates(low: float, high: float, per_octave: float = 1.0) -> np.ndarray:
    """Rates from `low` to `high`, both included, with about `per_octave` rates in each octave."""
    return np.geomspace(low, high, round(per_octave * np.log2(high / low)) + 1)


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Training images and their classes, then those for validation."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32) / 16
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return x[order[:1300]], y[order[:1300]], x[order[1300:]], y[order[1300:]]


def sweep(setting: Setting, lr: Sequence[float] | np.ndarray) -> Swept:
    """Train at every rate with the same seeds, all trainings at once in one stack of weights."""
    torch.set_num_threads(1)
    x, y, held_x, held_y = digits()
    peaks = torch.tensor(np.asarray(lr), dtype=torch.float32).repeat_interleave(setting.seeds)
    weights = _first_weights(setting, len(np.asarray(lr)))
    moments = (
        [torch.zeros_like(weight) for weight in weights],
        [torch.zeros_like(weight) for weight in weights],
    )
    table = schedules.schedule(setting.shape).over(setting.steps).table()
    draws = [torch.Generator().manual_seed(seed) for seed in range(setting.seeds)]
    losses = []
    for step, height in enumerate(table):
        rows = torch.stack(
            [torch.randint(len(x), (setting.batch,), generator=generator) for generator in draws]
        ).repeat(len(np.asarray(lr)), 1)
        loss = _losses(weights, x[rows], y[rows])
        gradients = torch.autograd.grad(setting.scale * loss.sum(), weights)
        losses.append(loss.detach())
        _update(
            setting, weights, gradients, moments, lr=(peaks * height)[:, None, None], step=step
        )
    with torch.no_grad():
        final = _losses(weights, held_x.expand(len(peaks), -1, -1), held_y.expand(len(peaks), -1))
    by_seed = final.reshape(-1, setting.seeds).double().mean(1).numpy()
    course = torch.stack(losses).reshape(len(table), -1, setting.seeds).mean(2).numpy()
    return Swept(np.asarray(lr), np.where(np.isfinite(by_seed), by_seed, np.inf), course)


def _first_weights(setting: Setting, count: int) -> list[torch.Tensor]:
    """One matrix for each layer; its last row is the bias, shape (trainings, inputs + 1, outputs)."""
    sizes = [64, *[setting.width] * setting.depth, 10]
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        drawn = [
            torch.randn(
                inputs + 1, outputs, generator=torch.Generator().manual_seed(1000 * seed + outputs)
            )
            * (2 / inputs) ** 0.5
            for seed in range(setting.seeds)
        ]
        stack = torch.stack(drawn).repeat(count, 1, 1)
        stack[:, -1] = 0.0
        layers.append(stack.requires_grad_())
    return layers


def _losses(weights: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    for number, weight in enumerate(weights):
        x = torch.baddbmm(weight[:, -1:], x, weight[:, :-1])
        x = x if number == len(weights) - 1 else x.relu()
    return torch.nn.functional.cross_entropy(
        x.transpose(1, 2), y.expand(x.shape[:2]), reduction="none"
    ).mean(1)


@torch.no_grad()
def _update(
    setting: Setting,
    weights: list[torch.Tensor],
    gradients: Sequence[torch.Tensor],
    moments: tuple[list[torch.Tensor], list[torch.Tensor]],
    *,
    lr: torch.Tensor,
    step: int,
) -> None:
    for weight, gradient, mean, square in zip(weights, gradients, *moments, strict=True):
        weight.mul_(1 - lr * setting.decay)
        if setting.optimizer == "sgd":
            mean.mul_(setting.momentum).add_(gradient)
            weight.sub_(lr * mean)
            continue
        mean.lerp_(gradient, 0.1)
        square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        size = (square / (1 - 0.999 ** (step + 1))).sqrt_().add_(1e-8)
        weight.sub_(lr * (mean / (1 - 0.9 ** (step + 1))) / size)
