"""Networks trained on partly wrong labels: the designs after You et al. 2019.

Every training is scored after each epoch, which the engines for tasks cannot do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from learnrate.claims._tasks import mlp
from learnrate.trials import derived_seed, kept_random_state, seed_everything

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.schedules import Schedule

__all__ = ["ClusterTraining", "PatternTraining", "cluster_scores", "pattern_scores"]

_CLASSES = 10

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class ClusterTraining:
    """A training on three Gaussian clusters a class in 40 dimensions, a fifth of the labels wrong.

    Attributes:
        schedule: gives the rate of each epoch.
        seed: the seed of data, weights and batches.
        points: the number of points for training; there are as many for validation, with the
            right labels.
        width: the width of each of the two hidden layers.
        batch_norm: whether each hidden layer has a BatchNorm.
        weight_decay: the weight decay of SGD with momentum 0.9 in batches of 64.
    """

    schedule: Schedule
    seed: int
    points: int = 3000
    width: int = 256
    batch_norm: bool = True
    weight_decay: float = 5e-3


@dataclass(frozen=True, kw_only=True)
class PatternTraining:
    """A training on two halves, 10 patterns a class and 100, a tenth of the labels wrong.

    Attributes:
        schedule: gives the rate of each epoch.
        seed: the seed of data, weights and batches.
        points: the number of points for training, half of them in each half.
        width: the width of each of the two hidden layers.
    """

    schedule: Schedule
    seed: int
    points: int = 20_000
    width: int = 256


def cluster_scores(setting: ClusterTraining) -> np.ndarray:
    """After each epoch the share of wrong labels fitted, and the validation accuracy.

    Returns:
        Shape (epochs, 2).
    """
    with kept_random_state():
        seed_everything(derived_seed(setting.seed, 1))
        centres = 0.85 * torch.randn(_CLASSES, 3, 40)
        x, right = _clusters(centres, setting.points)
        validation = _clusters(centres, setting.points)
        y, wrong = _with_wrong_labels(right, 0.2)
        model = mlp(40, setting.width, batch_norm=setting.batch_norm)

        def score() -> tuple[float, float]:
            return _accuracy(model, (x[wrong], y[wrong])), _accuracy(model, validation)

        return _scores_of_training(
            model, (x, y), setting.schedule, score, batch=64, weight_decay=setting.weight_decay
        )


def pattern_scores(setting: PatternTraining) -> np.ndarray:
    """After each epoch the accuracy on new points of the simple half, and of the complex half.

    Each pattern is a location on the unit sphere in three dimensions. The standard deviation of its
    points is 0.02 in the simple half and 0.005 in the complex half. A point has six dimensions:
    the simple half has zeros in the last three, the complex half in the first three.

    Returns:
        Shape (epochs, 2).
    """
    with kept_random_state():
        seed_everything(derived_seed(setting.seed, 1))
        kinds = [
            (functional.normalize(torch.randn(_CLASSES, patterns, 3), dim=2), std, offset)
            for patterns, std, offset in ((10, 0.02, 0), (100, 0.005, 3))
        ]
        halves = [_patterns(*kind, setting.points // 2) for kind in kinds]
        validation = [_patterns(*kind, 5000) for kind in kinds]
        x = torch.cat([half[0] for half in halves])
        y, _ = _with_wrong_labels(torch.cat([half[1] for half in halves]), 0.1)
        model = mlp(6, setting.width)

        def score() -> tuple[float, float]:
            return _accuracy(model, validation[0]), _accuracy(model, validation[1])

        return _scores_of_training(
            model, (x, y), setting.schedule, score, batch=128, weight_decay=0.0
        )


def _clusters(centres: torch.Tensor, count: int) -> Pair:
    """Points with unit variance around random centres, and the class of each."""
    y = torch.randint(_CLASSES, (count,))
    cluster = torch.randint(centres.shape[1], (count,))
    return centres[y, cluster] + torch.randn(count, centres.shape[2]), y


def _patterns(centres: torch.Tensor, std: float, offset: int, count: int) -> Pair:
    """Points around random patterns, in three of six dimensions from `offset` on, and classes."""
    y = torch.randint(_CLASSES, (count,))
    pattern = torch.randint(centres.shape[1], (count,))
    x = torch.zeros(count, 6)
    x[:, offset : offset + 3] = centres[y, pattern] + std * torch.randn(count, 3)
    return x, y


def _with_wrong_labels(right: torch.Tensor, share: float) -> Pair:
    """The labels with a share of them changed to another class, and a mask of the changed ones."""
    wrong = torch.rand(len(right)) < share
    shift = torch.randint(1, _CLASSES, (len(right),))
    return torch.where(wrong, (right + shift) % _CLASSES, right), wrong


def _accuracy(model: nn.Module, pair: Pair) -> float:
    """The share of points that are classified correctly."""
    model.eval()
    with torch.no_grad():
        return float((model(pair[0]).argmax(1) == pair[1]).float().mean())


def _scores_of_training(
    model: nn.Module,
    pair: Pair,
    schedule: Schedule,
    score: Callable[[], tuple[float, ...]],
    *,
    batch: int,
    weight_decay: float,
) -> np.ndarray:
    """Train one epoch for each step of the schedule; the scores after each epoch."""
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
