"""Models that generate: variational autoencoders, diffusion, and flows."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name
from torch import nn

from regret import data, models
from regret.workload import Sampled, Workload, generator

from .pictures import handwriting

__all__ = ["WORKLOADS"]

Batch = tuple[torch.Tensor, ...]
_LATENT = 4


@lru_cache
def _with_noise(name: str) -> Sampled:
    """Pictures from 0 to 1, and normal numbers for the latent variables."""
    if name == "digits":
        train, validation = data.digits().x, data.digits().held_x
    else:
        pictures = handwriting().flatten(2).flatten(0, 1)
        train, validation = pictures[:8000], pictures[8000:8500]

    def draw(random: torch.Generator, size: int | None) -> Batch:
        x = train[torch.randint(len(train), (size or 64,), generator=random)]
        return x, torch.randn(len(x), _LATENT, generator=random)

    fixed = torch.randn(len(validation), _LATENT, generator=generator(0))
    return Sampled(draw, (validation, fixed))


class _Autoencoder(nn.Module):
    def __init__(self, pixels: int, width: int) -> None:
        super().__init__()
        self.encode = models.mlp(pixels, width, 2 * _LATENT, layers=1)
        self.decode = models.mlp(_LATENT, width, pixels, layers=1)

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_variance = self.encode(x).chunk(2, dim=1)
        latent = mean + noise * (log_variance / 2).exp()
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return self.decode(latent), divergence


def _bound(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The negative evidence lower bound."""
    pixels, divergence = model(*batch)
    errors = F.binary_cross_entropy_with_logits(pixels, batch[0], reduction="none")
    return (errors.sum(1) + divergence).mean()


@lru_cache
def _noised(name: str) -> Sampled:
    """Points with noise, the level of it, and the noise."""
    points = _points(name)

    def mix(x: torch.Tensor, random: torch.Generator) -> Batch:
        level = torch.rand(len(x), 1, generator=random)
        noise = torch.randn(x.shape, generator=random)
        angle = level * torch.pi / 2
        return x * angle.cos() + noise * angle.sin(), level, noise

    def draw(random: torch.Generator, size: int | None) -> Batch:
        return mix(
            points[torch.randint(len(points) - 500, (size or 64,), generator=random)], random
        )

    return Sampled(draw, mix(points[-500:], generator(0)))


def _points(name: str) -> torch.Tensor:
    from sklearn import datasets  # noqa: PLC0415 - slow to load

    if name == "digits":
        return torch.cat([data.digits().x, data.digits().held_x]) * 4 - 2
    make = {"moons": datasets.make_moons, "roll": datasets.make_swiss_roll}[name]
    points, _ = make(4000, noise=0.05, random_state=0)
    return torch.as_tensor((points - points.mean(0)) / points.std(0), dtype=torch.float32)


class _Denoiser(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.layers = models.mlp(inputs + 9, width, inputs)

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        angles = level * torch.tensor([1.0, 2.0, 4.0, 8.0]) * torch.pi
        return torch.as_tensor(
            self.layers(torch.cat([x, level, angles.sin(), angles.cos()], dim=1))
        )


def _noise_error(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The squared error of the predicted noise."""
    x, level, noise = batch
    return F.mse_loss(model(x, level), noise)


class _Flow(nn.Module):
    """Four affine couplings of two coordinates."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(models.mlp(1, width, 2, layers=1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        volume = torch.zeros(len(x))
        for coupling in self.couplings:
            fixed, changed = x[:, :1], x[:, 1:]
            shift, scale = coupling(fixed).chunk(2, dim=1)
            x = torch.cat([changed * scale.tanh().exp() + shift, fixed], dim=1)
            volume = volume + scale.tanh()[:, 0]
        return x, volume


@lru_cache
def _moons() -> Sampled:
    points = _points("moons")

    def draw(random: torch.Generator, size: int | None) -> Batch:
        return (points[torch.randint(3500, (size or 64,), generator=random)],)

    return Sampled(draw, (points[3500:],))


def _likelihood(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The negative log-likelihood, of normal numbers in the latent space."""
    latent, volume = model(batch[0])
    return ((latent**2).sum(1) / 2 + np.log(2 * np.pi) - volume).mean()


_VAE, _DIFFUSION = "VAE", "diffusion and flows"

WORKLOADS = {
    "digits-vae": Workload(
        _VAE, lambda: _Autoencoder(64, 48), partial(_with_noise, "digits"), _bound
    ),
    "omniglot-vae": Workload(
        _VAE, lambda: _Autoencoder(196, 48), partial(_with_noise, "omniglot"), _bound
    ),
    "moons-diffusion": Workload(
        _DIFFUSION, lambda: _Denoiser(2, 48), partial(_noised, "moons"), _noise_error
    ),
    "roll-diffusion": Workload(
        _DIFFUSION, lambda: _Denoiser(3, 48), partial(_noised, "roll"), _noise_error
    ),
    "digits-diffusion": Workload(
        _DIFFUSION, lambda: _Denoiser(64, 64), partial(_noised, "digits"), _noise_error
    ),
    "moons-flow": Workload(_DIFFUSION, lambda: _Flow(16), _moons, _likelihood),
}
