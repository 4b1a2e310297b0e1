"""Functions and equations: smooth functions, pictures as functions, and differential equations.

The loss may fall by orders of magnitude, and the best rate is often just below divergence.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name
from torch import nn

from regret import data
from regret.workload import Sampled, Workload, generator

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WORKLOADS"]

Batch = tuple[torch.Tensor, ...]


def _smooth(inputs: int, width: int, layers: int = 2) -> nn.Sequential:
    """Dense layers with tanh, which have derivatives of every order."""
    modules: list[nn.Module] = [nn.Linear(inputs, width), nn.Tanh()]
    for _ in range(layers - 1):
        modules += [nn.Linear(width, width), nn.Tanh()]
    return nn.Sequential(*modules, nn.Linear(width, 1))


@lru_cache
def _function(name: str) -> Sampled:
    """Points of a function without noise."""
    functions: dict[str, tuple[int, Callable[[torch.Tensor], torch.Tensor]]] = {
        "wave": (1, lambda x: torch.sin(3 * x) * torch.exp(-(x**2))),
        "ridge": (2, lambda x: torch.cos(2 * x[:, :1] - x[:, 1:]) + 0.5 * x[:, 1:] ** 2),
    }
    inputs, function = functions[name]

    def draw(random: torch.Generator, size: int | None) -> Batch:
        x = 4 * torch.rand(size or 256, inputs, generator=random) - 2
        return x, function(x)

    return Sampled(draw, draw(generator(0), 500))


class _Sines(nn.Module):
    """A network of sines (Sitzmann et al., 2020, arXiv 2006.09661)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, 3)]
        )
        first, *others = [weight for weight in self.parameters() if weight.ndim > 1]
        nn.init.uniform_(first, -0.5, 0.5)
        bound = (6 / width) ** 0.5 / 20
        for weight in others:
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            x = torch.sin(20 * layer(x))
        return torch.as_tensor(self.layers[-1](x))


@lru_cache
def _pixels() -> data.Examples:
    """Places in a photo, and their colours; every fourth pixel is for validation."""
    from sklearn.datasets import load_sample_image  # noqa: PLC0415 - slow to load

    image = torch.from_numpy(np.array(load_sample_image("flower.jpg"))).permute(2, 0, 1)
    image = F.avg_pool2d(image.float() / 127.5 - 1, 10)
    height, width = image.shape[1:]
    rows, columns = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    x, y = torch.stack([rows, columns], -1).reshape(-1, 2), image.permute(1, 2, 0).reshape(-1, 3)
    chosen = torch.arange(len(x)) % 4 == 0
    return data.Examples(x[~chosen], y[~chosen], x[chosen], y[chosen])


def _slope(value: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    return slope


@lru_cache
def _times() -> Sampled:
    """Times, and the place of a damped oscillator that starts at 1 at rest, in the validation set."""
    times = torch.linspace(0, 4, 200)[:, None]
    frequency = (4.0 - 0.04) ** 0.5
    place = torch.exp(-0.2 * times) * (
        torch.cos(frequency * times) + 0.2 / frequency * torch.sin(frequency * times)
    )

    def draw(random: torch.Generator, size: int | None) -> Batch:
        return (4 * torch.rand(size or 64, 1, generator=random),)

    return Sampled(draw, (times, place))


def _oscillator(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The residual of the equation x'' + 0.4 x' + 4 x = 0, and of the start."""
    with torch.enable_grad():
        times = batch[0].detach().requires_grad_()
        place = model(times)
        speed = _slope(place, times)
        residual = _slope(speed, times) + 0.4 * speed + 4 * place
        start = torch.zeros(1, 1, requires_grad=True)
        first = model(start)
        at_rest = _slope(first, start)
    return torch.as_tensor((residual**2).mean() + 10 * ((first - 1) ** 2 + at_rest**2).mean())


def _place_error(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The squared error of the solution."""
    return F.mse_loss(model(batch[0]), batch[1])


@lru_cache
def _square() -> Sampled:
    """Points of the unit square and of its edge, and the solution of Poisson's equation."""

    def draw(random: torch.Generator, size: int | None) -> Batch:
        count = size or 64
        inside = torch.rand(count, 2, generator=random)
        edge = torch.rand(count, 2, generator=random)
        side = torch.randint(2, (count, 1), generator=random)
        end = torch.randint(2, (count, 1), generator=random).float()
        return inside, torch.where(torch.arange(2) == side, end, edge)

    x = torch.rand(500, 2, generator=generator(0))
    return Sampled(draw, (x, torch.sin(torch.pi * x).prod(1, keepdim=True)))


def _poisson(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The residual of Poisson's equation, scaled, and the values on the edge."""
    inside, edge = batch
    with torch.enable_grad():
        x = inside.detach().requires_grad_()
        slopes = _slope(model(x), x)
        laplacian = sum(_slope(slopes[:, i], x)[:, i] for i in range(2))
    source = 2 * torch.sin(torch.pi * inside).prod(1)
    residual = laplacian / torch.pi**2 + source
    return torch.as_tensor((residual**2).mean() + 5 * (model(edge) ** 2).mean())


_FUNCTIONS, _PINN = "smooth functions", "PINN"

WORKLOADS = {
    "wave-mlp": Workload(
        _FUNCTIONS, lambda: _smooth(1, 24), partial(_function, "wave"), nn.MSELoss()
    ),
    "ridge-mlp": Workload(
        _FUNCTIONS, lambda: _smooth(2, 32), partial(_function, "ridge"), nn.MSELoss()
    ),
    "flower-sines": Workload(_FUNCTIONS, lambda: _Sines(32), _pixels, nn.MSELoss()),
    "oscillator-pinn": Workload(_PINN, lambda: _smooth(1, 24), _times, _oscillator, _place_error),
    "poisson-pinn": Workload(_PINN, lambda: _smooth(2, 24), _square, _poisson, _place_error),
}
