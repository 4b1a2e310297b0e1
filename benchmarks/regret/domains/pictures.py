"""Pictures beyond classes of photos: handwriting, segmentation, denoising, and contrastive pairs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name
from torch import nn

from regret import data, models
from regret.workload import Sampled, Workload, generator

__all__ = ["WORKLOADS", "handwriting", "handwriting_classes"]

Batch = tuple[torch.Tensor, ...]


@lru_cache
def handwriting() -> torch.Tensor:
    """Omniglot's characters by 20 drawers, 14 x 14 pixels from 0 to 1: (901, 20, 14, 14)."""
    with np.load(data.folder() / "omniglot28.npz") as file:
        images = torch.from_numpy(file["images"]).float() / 255
    return F.avg_pool2d(images[:, None], 2)[:, 0].reshape(901, 20, 14, 14).contiguous()


@lru_cache
def handwriting_classes(first: int, count: int) -> data.Examples:
    """Some of Omniglot's characters as classes; the last five drawers are for validation.

    Args:
        first: the first character.
        count: number of characters.
    """
    images = handwriting()[first : first + count, :, None]
    labels = torch.arange(count)[:, None].expand(count, 20)

    def part(drawers: slice) -> data.Pair:
        return images[:, drawers].flatten(0, 1), labels[:, drawers].reshape(-1)

    return data.Examples(*part(slice(0, 15)), *part(slice(15, 20)))


@lru_cache
def _photo(name: str) -> torch.Tensor:
    """A photo that comes with scikit-learn, every third pixel: (3, height, width)."""
    from sklearn.datasets import load_sample_image  # noqa: PLC0415 - slow to load

    image = torch.from_numpy(np.array(load_sample_image(name)))
    return F.avg_pool2d(image.permute(2, 0, 1).float() / 255, 3)


def _patches(image: torch.Tensor, size: int) -> torch.Tensor:
    """All patches of a size that do not overlap."""
    channels = image.shape[0]
    patches = image.unfold(1, size, size).unfold(2, size, size)
    return patches.permute(1, 2, 0, 3, 4).reshape(-1, channels, size, size)


@lru_cache
def _sky() -> data.Examples:
    """Patches in grey with noise, and whether each pixel of the photo is bluer than red."""
    patches = _patches(_photo("china.jpg"), 12)
    noise = 0.1 * torch.randn(len(patches), 1, 12, 12, generator=generator(0))
    grey = patches.mean(1, keepdim=True) + noise
    blue = (patches[:, 2] > patches[:, 0] + 0.05).long()
    return _shuffled((grey - 0.5) / 0.25, blue, 80)


@lru_cache
def _flower() -> data.Examples:
    """Patches with noise, and without."""
    patches = _patches(_photo("flower.jpg"), 12)
    noise = 0.2 * torch.randn(patches.shape, generator=generator(0))
    return _shuffled(patches + noise - 0.5, patches - 0.5, 80)


def _shuffled(x: torch.Tensor, y: torch.Tensor, validation: int) -> data.Examples:
    order = torch.randperm(len(x), generator=generator(1))
    train, rest = order[validation:], order[:validation]
    return data.Examples(x[train], y[train], x[rest], y[rest])


@lru_cache
def _stained() -> Sampled:
    """Characters of which a square is erased and the rest is noisy, and the whole character."""
    images = handwriting().flatten(0, 1)[:6000, None]

    def draw(random: torch.Generator, size: int | None) -> Batch:
        clean = images[torch.randint(5500, (size or 64,), generator=random)]
        return _stain(clean, random), clean

    return Sampled(draw, (_stain(images[5500:], generator(0)), images[5500:]))


def _stain(clean: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    stained = clean + 0.3 * torch.randn(clean.shape, generator=random)
    stained[:, :, 5:9, 5:9] = 0
    return stained


@lru_cache
def _views() -> Sampled:
    """Two drawers of the same characters."""
    images = handwriting()[:, :, None]

    def draw(random: torch.Generator, size: int | None) -> Batch:
        characters = torch.randperm(800, generator=random)[: size or 64]
        drawers = torch.randint(20, (2, len(characters)), generator=random)
        return images[characters, drawers[0]], images[characters, drawers[1]]

    return Sampled(draw, (images[800:, 0], images[800:, 1]))


@lru_cache
def _noisy_digits() -> Sampled:
    """The same digits with two kinds of noise."""
    digits = data.digits()

    def blur(x: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        hidden = torch.rand(x.shape, generator=random) < 0.3
        return (x + 0.1 * torch.randn(x.shape, generator=random)).masked_fill(hidden, 0)

    def draw(random: torch.Generator, size: int | None) -> Batch:
        x = digits.x[torch.randperm(len(digits.x), generator=random)[: size or 64]]
        return blur(x, random), blur(x, random)

    fixed = generator(0)
    x = digits.held_x[:128]
    return Sampled(draw, (blur(x, fixed), blur(x, fixed)))


def _contrast(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Cross-entropy of finding the partner of each example among all of a batch."""
    first, second = (F.normalize(model(view), dim=1) for view in batch)
    scores = first @ second.T / 0.2
    partner = torch.arange(len(scores))
    return (F.cross_entropy(scores, partner) + F.cross_entropy(scores.T, partner)) / 2


def _small_cnn(outputs: int, *, norm: bool = False) -> nn.Sequential:
    """Two convolutions over 14 x 14 pixels, with or without BatchNorm."""

    def block(inputs: int, width: int) -> list[nn.Module]:
        layers: list[nn.Module] = [nn.Conv2d(inputs, width, 3, stride=2, padding=1)]
        return [*layers, *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU()]

    return nn.Sequential(*block(1, 8), *block(8, 16), nn.Flatten(), nn.Linear(256, outputs))


def _dense_cnn(channels: int, outputs: int, *, norm: bool = False) -> nn.Sequential:
    """Three convolutions that keep the size, with or without BatchNorm."""
    layers: list[Any] = [nn.Conv2d(channels, 8, 3, padding=1)]
    layers += [nn.BatchNorm2d(8)] if norm else []
    layers += [nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)]
    layers += [nn.BatchNorm2d(8)] if norm else []
    return nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(8, outputs, 3, padding=1))


_HAND, _DENSE, _PAIRS = "handwriting", "segmentation and denoising", "contrastive"

WORKLOADS = {
    "omniglot-cnn": Workload(_HAND, lambda: _small_cnn(20), lambda: handwriting_classes(0, 20)),
    "omniglot-bn": Workload(
        _HAND, lambda: _small_cnn(20, norm=True), lambda: handwriting_classes(0, 20)
    ),
    "sky-cnn": Workload(_DENSE, lambda: _dense_cnn(1, 2), _sky),
    "sky-bn": Workload(_DENSE, lambda: _dense_cnn(1, 2, norm=True), _sky),
    "flower-denoise": Workload(_DENSE, lambda: _dense_cnn(3, 3), _flower, nn.MSELoss()),
    "omniglot-restore": Workload(
        _DENSE, lambda: _dense_cnn(1, 1), _stained, nn.BCEWithLogitsLoss()
    ),
    "omniglot-pairs": Workload(_PAIRS, lambda: _small_cnn(16), _views, _contrast),
    "digits-pairs": Workload(_PAIRS, lambda: models.mlp(64, 48, 16), _noisy_digits, _contrast),
}
