"""Weights of one sign after activations of one sign."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from learnrate.claims._data import noisy_digits
from learnrate.claims._measurement import factor
from learnrate.claims._measures import geometric_grid
from learnrate.claims._tasks import task_on
from learnrate.claims._variants import LOSS, RATE, VariantPair, variants_claim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTH = 32
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"ReLU": nn.ReLU, "sigmoid": nn.Sigmoid}


class _NonNegativeLinear(nn.Linear):
    """A linear layer that uses the absolute values of its weights; its biases have both signs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight.abs(), self.bias)


def _network(
    layer: type[nn.Linear], activation: Callable[[], nn.Module], inputs: int
) -> nn.Sequential:
    """Two hidden layers. The first one is a usual linear layer, and the later ones are `layer`.

    Args:
        layer: the layer after the activations.
        activation: makes the activation of a hidden layer.
        inputs: features of an example.
    """
    first = nn.Linear(inputs, _WIDTH)
    return nn.Sequential(
        first, activation(), layer(_WIDTH, _WIDTH), activation(), layer(_WIDTH, 10)
    )


def _pairs(_full: bool) -> Sequence[VariantPair]:
    """Digits with new noise and both activations."""
    examples, inputs = noisy_digits(), 64
    pairs = []
    for name, activation in _ACTIVATIONS.items():
        task, variant = (
            task_on(
                examples,
                partial(_network, layer, activation, inputs),
                "Adam",
                batch=32,
                steps=60,
                label=f"{name} MLP",
            )
            for layer in (nn.Linear, _NonNegativeLinear)
        )
        variant = replace(variant, name=f"{variant.name}, non-negative weights")
        where = f"{examples.name}, {name}"
        pairs.append(VariantPair(where, task, variant, geometric_grid(1e-3, 0.3, 2)))
    return pairs


CLAIM = variants_claim(
    topic="stability",
    statement="Behind non-negative activations, weights must have both signs.",
    source="""
        common explanation of networks; Chorowski and Zurada 2015, Learning understandable neural
        networks with nonnegative weight constraints, train without
    """,
    design="""
        Networks with two hidden layers of 32 units, with ReLU or with sigmoid, learn digits with
        new noise by Adam in 60 updates, at rates two a decade. In the variant, the weights after
        the first layer are the absolute values of the trained parameters, so they are never
        negative. Biases and the first layer keep both signs.
    """,
    figures=(
        factor(LOSS, "loss with non-negative weights over that with both signs", low=1.0),
        factor(RATE, "best rate with non-negative weights over that with both signs"),
    ),
    pairs=_pairs,
    seeds=(4, 8),
    remark="""
        The claim counts as true if the network is worse without negative weights. It does not say
        by how much. The last layer loses nothing, because a softmax does not change if a number is
        added to all weights of a unit.
    """,
)
