"""Generative and contrastive work: losses that are negative, adversarial, or of random difficulty."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from watch_families.data import characters
from watch_families.work import Batch, Batches, Task, Work, dense

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAMILIES"]


@lru_cache
def _drawings() -> tuple[torch.Tensor, torch.Tensor]:
    """Characters for training and for validation, (n, 144)."""
    pictures = characters()[:100].reshape(2000, 144)
    order = torch.randperm(2000, generator=torch.Generator().manual_seed(1))
    return pictures[order[:1700]], pictures[order[1700:]]


class _Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = dense(144, 48, 16), dense(8, 48, 144)
        self.log_std = nn.Parameter(torch.tensor(-0.5))

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_var = self.encoder(x).chunk(2, -1)
        code = mean + (0.5 * log_var).exp() * noise
        divergence = 0.5 * (log_var.exp() + mean.square() - 1 - log_var).sum(1)
        return self.decoder(code), divergence


def _elbo(*, gaussian: bool) -> Callable[[int, bool], Work]:
    """A variational autoencoder; with a Gaussian likelihood its loss is far below 0."""

    def make(seed: int, shuffled: bool) -> Work:
        x, val_x = _drawings()
        model = _Autoencoder()
        batches = Batches((x,), 64, seed, shuffled=shuffled)
        noise = torch.Generator().manual_seed(seed)

        def negative_elbo(x: torch.Tensor, draw: torch.Tensor) -> torch.Tensor:
            output, divergence = model(x, draw)
            if gaussian:
                scaled = (output - x) * (-model.log_std).exp()
                error = 0.5 * scaled.square() + model.log_std + 0.5 * math.log(2 * math.pi)
            else:
                error = functional.binary_cross_entropy_with_logits(output, x, reduction="none")
            total: torch.Tensor = (error.sum(1) + divergence).mean()
            return total

        def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            value = negative_elbo(batch[0], torch.randn(len(batch[0]), 8, generator=noise))
            return value, value

        def metric() -> float:
            draw = torch.randn(len(val_x), 8, generator=torch.Generator().manual_seed(1))
            return negative_elbo(val_x, draw).item()

        return Work.in_passes(model, batches, loss, metric, zero=False)

    return make


class _Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = dense(4, 32, 32, 2, activation=nn.ReLU)
        self.critic = dense(2, 32, 32, 1, activation=nn.ReLU)


def _points(name: str, count: int, generator: torch.Generator) -> torch.Tensor:
    """Points of eight Gaussians on a ring, or of two half circles."""
    noise = torch.randn(count, 2, generator=generator)
    turn = torch.rand(count, generator=generator)
    if name == "ring":
        angle = (turn * 8).floor() * math.pi / 4
        return torch.stack([angle.cos(), angle.sin()], 1) + 0.1 * noise
    side = (torch.rand(count, generator=generator) < 0.5).float()
    angle = math.pi * turn + math.pi * side
    arcs = torch.stack([angle.cos() + side - 0.5, angle.sin() + 0.25 - 0.5 * (1 - side)], 1)
    return arcs + 0.08 * noise


def _energy_distance(x: torch.Tensor, y: torch.Tensor) -> float:
    between = torch.cdist(x, y).mean()
    return (2 * between - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()).item()


def _adversarial(name: str) -> Callable[[int, bool], Work]:
    def make(seed: int, shuffled: bool) -> Work:
        model = _Pair()
        noise = torch.Generator().manual_seed(seed)
        target = _points(name, 400, torch.Generator().manual_seed(2))
        softplus = functional.softplus

        def batch(number: int) -> Batch:
            generator = torch.Generator().manual_seed(100_000 * seed + number)
            return (_points(name, 64, generator),)

        def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            fake = model.generator(torch.randn(64, 4, generator=noise))
            real_score, fake_score = model.critic(batch[0]), model.critic(fake.detach())
            critic_loss = softplus(-real_score).mean() + softplus(fake_score).mean()
            model.critic.requires_grad_(False)
            generator_loss = softplus(-model.critic(fake)).mean()
            model.critic.requires_grad_(True)
            reported = generator_loss if name == "ring" else critic_loss
            return critic_loss + generator_loss, reported

        def metric() -> float:
            draw = torch.randn(400, 4, generator=torch.Generator().manual_seed(1))
            return _energy_distance(model.generator(draw), target)

        return Work(model=model, batch=batch, loss=loss, metric=metric, zero=False)

    return make


def _diffusion(name: str) -> Callable[[int, bool], Work]:
    """The noise in noised data is predicted, at noise levels drawn anew for each example."""

    def make(seed: int, shuffled: bool) -> Work:
        if name == "drawings":
            x, val_x = (2 * part - 1 for part in _drawings())
        else:
            points = _points(name, 2600, torch.Generator().manual_seed(3))
            x, val_x = points[:2000], points[2000:]
        width = x.shape[1]
        model = dense(width + 2, 64, 64, width, activation=nn.SiLU)
        batches = Batches((x,), 64, seed, shuffled=shuffled)
        noise = torch.Generator().manual_seed(seed)

        def error(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            time = torch.rand(len(x), 1, generator=generator)
            signal, spread = (math.pi / 2 * time).cos(), (math.pi / 2 * time).sin()
            drawn = torch.randn(x.shape, generator=generator)
            inputs = torch.cat([signal * x + spread * drawn, signal, spread], 1)
            return functional.mse_loss(model(inputs), drawn)

        def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            value = error(batch[0], noise)
            return value, value

        def metric() -> float:
            return error(val_x, torch.Generator().manual_seed(1)).item()

        return Work(
            model=model,
            batch=batches,
            loss=loss,
            metric=metric,
            steps_per_epoch=batches.steps_per_epoch,
            zero=False,
        )

    return make


def _contrastive(*, symmetric: bool) -> Callable[[int, bool], Work]:
    """Two drawings of a character are alike; the loss begins near the logarithm of the batch."""

    def make(seed: int, shuffled: bool) -> Work:
        pictures = characters()[200:500].flatten(2)
        models = [dense(144, 64, 16) for _ in range(1 + symmetric)]
        model = nn.ModuleList(models)

        def error(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            left = functional.normalize(models[0](first), dim=1)
            right = functional.normalize(models[-1](second), dim=1)
            scores = left @ right.T / 0.2
            rows = torch.arange(len(scores))
            value = functional.cross_entropy(scores, rows)
            if symmetric:
                value = (value + functional.cross_entropy(scores.T, rows)) / 2
            return value

        def batch(number: int) -> Batch:
            generator = torch.Generator().manual_seed(100_000 * seed + number)
            kinds = torch.randperm(240, generator=generator)[:48]
            drawers = torch.randint(20, (2, 48), generator=generator)
            return pictures[kinds, drawers[0]], pictures[kinds, drawers[1]]

        def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            value = error(batch[0], batch[1])
            return value, value

        def metric() -> float:
            pairs = [error(pictures[240:, k], pictures[240:, 10 + k]) for k in range(5)]
            return torch.stack(pairs).mean().item()

        return Work(
            model=model,
            batch=batch,
            loss=loss,
            metric=metric,
            validation=metric,
            zero=False,
        )

    return make


_INPUTS_ALONE = frozenset({"shuffled_labels", "unshuffled"})
_DRAWN = frozenset({"shuffled_labels", "unshuffled", "unnormalised"})

FAMILIES = {
    "vae": (
        Task(
            name="gaussian",
            make=_elbo(gaussian=True),
            optimizers=("adam",),
            steps=180,
            blanks=_INPUTS_ALONE,
        ),
        Task(
            name="bernoulli",
            make=_elbo(gaussian=False),
            optimizers=("adamw",),
            steps=160,
            blanks=_DRAWN,
        ),
    ),
    "gan": (
        Task(
            name="ring",
            make=_adversarial("ring"),
            optimizers=("adam",),
            steps=220,
            objective="adversarial",
            blanks=_DRAWN,
        ),
        Task(
            name="arcs",
            make=_adversarial("arcs"),
            optimizers=("rmsprop",),
            steps=200,
            objective="adversarial",
            blanks=_DRAWN,
        ),
    ),
    "diffusion": (
        Task(
            name="arcs",
            make=_diffusion("arcs"),
            optimizers=("adamw", "momentum"),
            steps=240,
            objective="denoising",
            blanks=_INPUTS_ALONE,
        ),
        Task(
            name="drawings",
            make=_diffusion("drawings"),
            optimizers=("adam",),
            steps=220,
            objective="denoising",
            blanks=_INPUTS_ALONE,
        ),
    ),
    "contrastive": (
        Task(
            name="two-towers",
            make=_contrastive(symmetric=True),
            optimizers=("adamw",),
            steps=160,
            objective="contrastive",
            blanks=_INPUTS_ALONE,
        ),
        Task(
            name="shared",
            make=_contrastive(symmetric=False),
            optimizers=("momentum",),
            steps=160,
            objective="contrastive",
            blanks=_INPUTS_ALONE,
        ),
    ),
}
