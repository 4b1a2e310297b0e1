"""Pictures: classes and masks with convolutions, and fine-tuning with a small fall."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from watch_families.data import characters, photographs
from watch_families.work import Batch, Batches, Task, Work, dense, supervised

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAMILIES"]

_PRETRAINING = 500  # updates before fine-tuning begins


def _photographs(seed: int, shuffled: bool) -> Work:
    x, y, val_x, val_y = photographs()
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 10),
    )
    batches = Batches((x, y), 32, seed, shuffled=shuffled)

    def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        value = functional.cross_entropy(model(batch[0]), batch[1])
        return value, value

    def metric() -> float:
        model.eval()
        value = functional.cross_entropy(model(val_x), val_y).item()
        model.train()
        return value

    return Work.in_passes(model, batches, loss, metric)


@lru_cache
def _discs() -> tuple[torch.Tensor, torch.Tensor]:
    """Discs under noise, and where they are."""
    generator = torch.Generator().manual_seed(6)
    places = 2 + 8 * torch.rand(900, 2, generator=generator)
    radius = 1.5 + 2 * torch.rand(900, 1, 1, generator=generator)
    row, column = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    distance = (row - places[:, :1, None]) ** 2 + (column - places[:, 1:, None]) ** 2
    masks = (distance < radius**2).float()[:, None]
    return masks + 0.8 * torch.randn(masks.shape, generator=generator), masks


def _masks(*, denoising: bool) -> Callable[[int, bool], Work]:
    def make(seed: int, shuffled: bool) -> Work:
        x, y = _discs()
        model = nn.Sequential(
            nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 1, 5, padding=2)
        )
        batches = Batches((x[:700], y[:700]), 16, seed, shuffled=shuffled)
        criterion = (
            functional.mse_loss if denoising else functional.binary_cross_entropy_with_logits
        )

        def loss(inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return criterion(model(inputs), target)

        return supervised(model, batches, loss, (x[700:], y[700:]))

    return make


def _letters(*, slanted: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Characters of 15 classes, upright or slanted, each with noise in four draws."""
    x = characters()[100:115].reshape(300, 1, 12, 12)
    if slanted:
        grid = functional.affine_grid(
            torch.tensor([[[1.0, 0.35, 0.0], [0.0, 1.0, 0.0]]]).repeat(300, 1, 1),
            [300, 1, 12, 12],
            align_corners=False,
        )
        x = functional.grid_sample(x, grid, align_corners=False)
    generator = torch.Generator().manual_seed(8)
    x = x.flatten(1).repeat(4, 1)
    y = torch.arange(15).repeat_interleave(20).repeat(4)
    order = torch.randperm(1200, generator=generator)
    return (x + 0.5 * torch.randn(x.shape, generator=generator))[order], y[order]


def _signal(*, shifted: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """A function of six inputs under noise; shifted, its inputs and two terms differ a little."""
    generator = torch.Generator().manual_seed(10 + shifted)
    x = torch.randn(1200, 6, generator=generator) + 0.3 * shifted
    y = x[:, :1] * x[:, 1:2] + (2 * x[:, 2:3]).sin() + (0.5 + 0.2 * shifted) * x[:, 3:4]
    return x, y + 0.5 * torch.randn(y.shape, generator=generator)


@lru_cache
def _pretrained(name: str) -> dict[str, torch.Tensor]:
    """The state of a model trained on the data before the change."""
    x, y = _letters(slanted=False) if name == "letters" else _signal(shifted=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = _dense_for(name)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        batches = Batches((x, y), 32, 0)
        for step in range(_PRETRAINING):
            inputs, target = batches(step)
            optimizer.zero_grad()
            _criterion(name)(model(inputs), target).backward()
            optimizer.step()
    return model.state_dict()


def _dense_for(name: str) -> nn.Sequential:
    return dense(144, 48, 15) if name == "letters" else dense(6, 48, 32, 1)


def _criterion(name: str) -> Callable[..., torch.Tensor]:
    return functional.cross_entropy if name == "letters" else functional.mse_loss


def _fine_tuning(name: str) -> Callable[[int, bool], Work]:
    def make(seed: int, shuffled: bool) -> Work:
        x, y = _letters(slanted=True) if name == "letters" else _signal(shifted=True)
        model, criterion = _dense_for(name), _criterion(name)
        model.load_state_dict(_pretrained(name))
        batches = Batches((x[:900], y[:900]), 16, seed, shuffled=shuffled)

        def loss(inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return criterion(model(inputs), target)

        return supervised(model, batches, loss, (x[900:], y[900:]))

    return make


FAMILIES = {
    "images": (
        Task(
            name="photographs",
            make=_photographs,
            has_classes=True,
            optimizers=("momentum",),
            steps=150,
        ),
        Task(name="masks", make=_masks(denoising=False), optimizers=("adam",), steps=150),
    ),
    "fine-tuning": (
        Task(
            name="letters",
            make=_fine_tuning("letters"),
            has_classes=True,
            optimizers=("sgd",),
            steps=180,
        ),
        Task(name="signal", make=_fine_tuning("signal"), optimizers=("adam",), steps=200),
    ),
}
