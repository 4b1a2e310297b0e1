"""Many small networks under every combination of some hyper-parameters, trained at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import torch

from learnrate.claims import _data as data
from learnrate.trials import kept_random_state, seed_everything

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Cell", "main_effects", "trained", "tuned_alone"]


@dataclass(frozen=True)
class Cell:
    """What one stack of networks shares, and what they do not.

    Attributes:
        batch: examples an update.
        width: of the hidden layer.
        rates: the rates, one axis of the result.
        decays: the weight decays, the next.
        momenta: the momenta, the last.
        passes: over the data.
        seed: of first weights and batches, the same for all.
        large: Fashion-MNIST instead of digits.
    """

    batch: int
    width: int
    rates: tuple[float, ...]
    decays: tuple[float, ...]
    momenta: tuple[float, ...]
    passes: int
    seed: int
    large: bool = False


def trained(cell: Cell) -> np.ndarray:
    """The loss on what is held out after training, shape (rates, decays, momenta).

    A hidden layer with ReLU under SGD as torch has it, d = g + decay w, m = momentum m + d,
    w <- w - lr m, the rate linear to 0. A network that ends above its start, or nowhere, counts
    with its start: it has learned nothing.
    """
    examples = data.fashion().first(2400) if cell.large else data.digits()
    inputs = examples.x[0].numel()
    table = torch.tensor(list(product(cell.rates, cell.decays, cell.momenta)))
    lr, decay, momentum = (column[:, None, None] for column in table.T)
    with kept_random_state():
        seed_everything(cell.seed)
        layers = [torch.nn.Linear(inputs, cell.width), torch.nn.Linear(cell.width, 10)]
    weights = [part.detach() for one in layers for part in (one.weight.T, one.bias[None])]
    stack = [torch.stack([part] * len(table)).requires_grad_() for part in weights]
    moments = [torch.zeros_like(part) for part in stack]
    updates = cell.passes * (len(examples.x) // cell.batch)
    start = _losses(stack, examples.held_x, examples.held_y).detach()
    step = 0
    for turn in range(cell.passes):
        for x, y in examples.batches(cell.batch)(cell.seed + turn):
            gradients = torch.autograd.grad(_losses(stack, x, y).sum(), stack)
            share = 1.0 - step / updates
            with torch.no_grad():
                for part, gradient, moment in zip(stack, gradients, moments, strict=True):
                    moment.mul_(momentum).add_(gradient + decay * part)
                    part.sub_(share * lr * moment)
            step += 1
    with torch.no_grad():
        ends = _losses(stack, examples.held_x, examples.held_y)
    ends = torch.where(ends < start, ends, start)  # written so that nan counts as the start
    return ends.reshape(len(cell.rates), len(cell.decays), len(cell.momenta)).numpy()


def _losses(stack: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Each network's mean cross-entropy, shape (networks,)."""
    first, first_bias, last, last_bias = stack
    scores = torch.relu(x @ first + first_bias) @ last + last_bias
    chances = scores.log_softmax(dim=-1)
    return -chances[:, torch.arange(len(y)), y].mean(dim=1)


def main_effects(results: np.ndarray) -> list[float]:
    """For each axis of a full factorial, the share of the variance that it explains by itself.

    The variance of the means at its levels over the variance of all. What is left to 1 is
    interactions.

    Examples:
        >>> import numpy as np
        >>> main_effects(np.array([[0.0, 0.0], [1.0, 1.0]]))
        [1.0, 0.0]
        >>> main_effects(np.array([[0.0, 1.0], [2.0, 3.0]]))
        [0.8, 0.2]
    """
    whole = float(results.var())
    others = [
        tuple(axis for axis in range(results.ndim) if axis != one) for one in range(results.ndim)
    ]
    return [float(results.mean(axis=rest).var()) / whole for rest in others]


def tuned_alone(results: np.ndarray) -> list[float]:
    """For each axis, how far the mean result falls if it is tuned alone and the others are drawn.

    Examples:
        >>> import numpy as np
        >>> tuned_alone(np.array([[0.0, 1.0], [2.0, 3.0]]))
        [1.0, 0.5]
    """
    whole = float(results.mean())
    return [whole - float(results.min(axis=axis).mean()) for axis in range(results.ndim)]
