"""Tasks for measuring the engines: small models of several kinds, on random data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from learnrate import Task

if TYPE_CHECKING:
    from collections.abc import Callable


class Recurrent(nn.Module):
    """A GRU whose last state is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(16, 64, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores."""
        states, _ = self.cell(x)
        return torch.as_tensor(self.head(states[:, -1]))


class Transformer(nn.Module):
    """Two layers of width 64 over 64 tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 100)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores."""
        return torch.as_tensor(self.head(self.layers(self.embed(x))).transpose(1, 2))


class Residual(nn.Module):
    """Two convolutions with GroupNorm, and a shortcut around them."""

    def __init__(self, channels: int, wider: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, wider, 3, stride, 1, bias=False),
            nn.GroupNorm(4, wider),
            nn.ReLU(),
            nn.Conv2d(wider, wider, 3, 1, 1, bias=False),
            nn.GroupNorm(4, wider),
        )
        self.shortcut = nn.Conv2d(channels, wider, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The wider features."""
        return torch.relu(self.body(x) + self.shortcut(x))


def mlp() -> nn.Module:
    """Three dense layers, 64-128-128-10."""
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def cnn() -> nn.Module:
    """Two convolutions over 8 x 8 pixels."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def resnet() -> nn.Module:
    """Three residual blocks with GroupNorm, 16, 32 and 64 channels, over 32 x 32 pixels."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.GroupNorm(4, 16),
        nn.ReLU(),
        Residual(16, 16, 1),
        Residual(16, 32, 2),
        Residual(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def floats(*shape: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random inputs of a shape, in ten classes."""
    return [(torch.randn(shape), torch.randint(10, shape[:1])) for _ in range(16)]


def tokens(batch: int, length: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random tokens, each to be predicted from those before it."""
    sequences = [torch.randint(100, (batch, length + 1)) for _ in range(16)]
    return [(sequence[:, :-1], sequence[:, 1:]) for sequence in sequences]


def tasks(device: str) -> dict[str, Task]:
    """The tasks, by the name of their row."""
    settings: dict[str, tuple[Callable[[], nn.Module], Any]] = {
        "mlp-8": (mlp, floats(8, 64)),
        "mlp-64": (mlp, floats(64, 64)),
        "cnn": (cnn, floats(16, 1, 8, 8)),
        "resnet": (resnet, floats(16, 3, 32, 32)),
        "gru": (Recurrent, floats(16, 16, 16)),
        "transformer": (Transformer, tokens(16, 64)),
    }
    return {
        name: Task(model=model, loss=nn.CrossEntropyLoss(), data=data, device=device, name=name)
        for name, (model, data) in settings.items()
    }
