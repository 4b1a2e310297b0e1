"""Many small networks, one for each combination of hyper-parameters, trained at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import torch

from learnrate.claims import _data as data
from learnrate.trials import kept_random_state, seed_everything

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NetworkStack", "final_losses", "main_effects", "tuning_gains"]


@dataclass(frozen=True)
class NetworkStack:
    """Networks of one shape that differ in three hyper-parameters.

    Attributes:
        batch: examples in a batch.
        width: the width of the hidden layer.
        rates: the first axis of the result.
        decays: weight decays, the second axis.
        momenta: the third axis.
        passes: over the data.
        seed: the seed of initial weights and batches, the same for all networks.
        large: whether to train on Fashion-MNIST instead of digits.
    """

    batch: int
    width: int
    rates: tuple[float, ...]
    decays: tuple[float, ...]
    momenta: tuple[float, ...]
    passes: int
    seed: int
    large: bool = False


def final_losses(stack: NetworkStack) -> np.ndarray:
    """The validation loss of each network after training, shape (rates, decays, momenta).

    Each has one hidden layer with ReLU and trains with SGD as in torch: d = g + decay w,
    m = momentum m + d, w <- w - lr m, with lr linear to 0. A network whose loss ends above its
    start, or is not finite, counts with the loss at its start: it has learned nothing.
    """
    examples = data.fashion().first(2400) if stack.large else data.digits()
    inputs = examples.x[0].numel()
    table = torch.tensor(list(product(stack.rates, stack.decays, stack.momenta)))
    lr, decay, momentum = (column[:, None, None] for column in table.T)
    with kept_random_state():
        seed_everything(stack.seed)
        layers = [torch.nn.Linear(inputs, stack.width), torch.nn.Linear(stack.width, 10)]
    first = [part.detach() for layer in layers for part in (layer.weight.T, layer.bias[None])]
    weights = [torch.stack([part] * len(table)).requires_grad_() for part in first]
    moments = [torch.zeros_like(part) for part in weights]
    updates = stack.passes * (len(examples.x) // stack.batch)
    start = _losses(weights, examples.held_x, examples.held_y).detach()
    step = 0
    for index in range(stack.passes):
        for x, y in examples.batches(stack.batch)(stack.seed + index):
            gradients = torch.autograd.grad(_losses(weights, x, y).sum(), weights)
            share = 1.0 - step / updates
            with torch.no_grad():
                for part, gradient, moment in zip(weights, gradients, moments, strict=True):
                    moment.mul_(momentum).add_(gradient + decay * part)
                    part.sub_(share * lr * moment)
            step += 1
    with torch.no_grad():
        ends = _losses(weights, examples.held_x, examples.held_y)
    ends = torch.where(ends < start, ends, start)  # a NaN counts as the start
    return ends.reshape(len(stack.rates), len(stack.decays), len(stack.momenta)).numpy()


def _losses(weights: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Each network's mean cross-entropy, shape (networks,)."""
    first, first_bias, last, last_bias = weights
    scores = torch.relu(x @ first + first_bias) @ last + last_bias
    log_chances = scores.log_softmax(dim=-1)
    return -log_chances[:, torch.arange(len(y)), y].mean(dim=1)


def main_effects(results: np.ndarray) -> list[float]:
    """For each axis of a full factorial, the share of the variance that it explains by itself.

    The share is the variance of the means at its levels over the total variance. The rest, up to 1,
    is explained by interactions.

    Examples:
        >>> import numpy as np
        >>> main_effects(np.array([[0.0, 0.0], [1.0, 1.0]]))
        [1.0, 0.0]
        >>> main_effects(np.array([[0.0, 1.0], [2.0, 3.0]]))
        [0.8, 0.2]
    """
    whole = float(results.var())
    axes = range(results.ndim)
    others = [tuple(other for other in axes if other != axis) for axis in axes]
    return [float(results.mean(axis=rest).var()) / whole for rest in others]


def tuning_gains(results: np.ndarray) -> list[float]:
    """For each axis, how far the mean result falls if only this hyper-parameter is tuned.

    The others are drawn at random.

    Examples:
        >>> import numpy as np
        >>> tuning_gains(np.array([[0.0, 1.0], [2.0, 3.0]]))
        [1.0, 0.5]
    """
    whole = float(results.mean())
    return [whole - float(results.min(axis=axis).mean()) for axis in range(results.ndim)]
