"""Networks trained on labels of which some are wrong: the designs after You et al. 2019.

Their trainings are scored after every epoch, which the engines for tasks do not do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from learnrate.trials import derived_seed, kept_random_state, seed_everything

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.schedules import Schedule

__all__ = ["CLASSES", "Clusters", "Patterns", "clusters_run", "patterns_run"]

CLASSES = 10

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Three Gaussian clusters a class in 40 dimensions; a fifth of the labels is wrong.

    Attributes:
        schedule: the rate of each epoch.
        seed: of data, weights and batches.
        points: to learn from; as many again are held out, with the right labels.
        width: of each of the two hidden layers.
        batch_norm: whether each hidden layer is normalised over its batch.
        weight_decay: of the SGD with momentum 0.9 that trains in batches of 64.
    """

    schedule: Schedule
    seed: int
    points: int = 3000
    width: int = 256
    batch_norm: bool = True
    weight_decay: float = 5e-3


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """Two halves: 10 patterns a class, and 100; a tenth of the labels is wrong.

    Attributes:
        schedule: the rate of each epoch.
        seed: of data, weights and batches.
        points: to learn from, half of them of each kind.
        width: of each of the two hidden layers.
    """

    schedule: Schedule
    seed: int
    points: int = 20_000
    width: int = 256


def clusters_run(setting: Clusters) -> np.ndarray:
    """After each epoch: the share of wrong labels fitted, and the accuracy on what is held out.

    Returns:
        Shape (epochs, 2).
    """
    with kept_random_state():
        seed_everything(derived_seed(setting.seed, 1))
        centres = 0.85 * torch.randn(CLASSES, 3, 40)
        x, right = _clusters(centres, setting.points)
        held = _clusters(centres, setting.points)
        y, wrong = _with_wrong_labels(right, 0.2)
        model = _network(40, setting.width, batch_norm=setting.batch_norm)

        def score() -> tuple[float, float]:
            return _accuracy(model, (x[wrong], y[wrong])), _accuracy(model, held)

        return _trained(
            model, (x, y), setting.schedule, score, batch=64, weight_decay=setting.weight_decay
        )


def patterns_run(setting: Patterns) -> np.ndarray:
    """After each epoch the accuracy on new points of the simple half, and on those of the complex.

    Each pattern is a place on the unit sphere in three dimensions, its points 0.02 around it in
    the simple half and 0.005 in the complex one. A point has six dimensions: the simple half has
    zeros in the last three, the complex one in the first three.

    Returns:
        Shape (epochs, 2).
    """
    with kept_random_state():
        seed_everything(derived_seed(setting.seed, 1))
        kinds = [
            (functional.normalize(torch.randn(CLASSES, patterns, 3), dim=2), around, place)
            for patterns, around, place in ((10, 0.02, 0), (100, 0.005, 3))
        ]
        halves = [_patterns(*kind, setting.points // 2) for kind in kinds]
        held = [_patterns(*kind, 5000) for kind in kinds]
        x = torch.cat([half[0] for half in halves])
        y, _ = _with_wrong_labels(torch.cat([half[1] for half in halves]), 0.1)
        model = _network(6, setting.width, batch_norm=False)

        def score() -> tuple[float, float]:
            return _accuracy(model, held[0]), _accuracy(model, held[1])

        return _trained(model, (x, y), setting.schedule, score, batch=128, weight_decay=0.0)


def _clusters(centres: torch.Tensor, count: int) -> Pair:
    """Points a unit Gaussian around a random centre, and the class of each."""
    y = torch.randint(CLASSES, (count,))
    which = torch.randint(centres.shape[1], (count,))
    return centres[y, which] + torch.randn(count, centres.shape[2]), y


def _patterns(centres: torch.Tensor, around: float, place: int, count: int) -> Pair:
    """Points around random patterns, at `place` of six dimensions, and the class of each."""
    y = torch.randint(CLASSES, (count,))
    which = torch.randint(centres.shape[1], (count,))
    x = torch.zeros(count, 6)
    x[:, place : place + 3] = centres[y, which] + around * torch.randn(count, 3)
    return x, y


def _with_wrong_labels(right: torch.Tensor, share: float) -> Pair:
    """The labels with a share of them changed to another class, and which are."""
    wrong = torch.rand(len(right)) < share
    shift = torch.randint(1, CLASSES, (len(right),))
    return torch.where(wrong, (right + shift) % CLASSES, right), wrong


def _network(inputs: int, width: int, *, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(2):
        layers.append(nn.Linear(inputs, width))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU())
        inputs = width
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def _accuracy(model: nn.Module, pair: Pair) -> float:
    model.eval()
    with torch.no_grad():
        return float((model(pair[0]).argmax(1) == pair[1]).float().mean())


def _trained(
    model: nn.Module,
    pair: Pair,
    schedule: Schedule,
    score: Callable[[], tuple[float, ...]],
    *,
    batch: int,
    weight_decay: float,
) -> np.ndarray:
    """Train for as many epochs as the schedule is long; the scores after each."""
    x, y = pair
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.0, momentum=0.9, weight_decay=weight_decay
    )
    scores = []
    for lr in schedule.table().tolist():
        optimizer.param_groups[0]["lr"] = lr
        model.train()
        for rows in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        scores.append(score())
    return np.array(scores)
