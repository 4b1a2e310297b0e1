"""Small networks without dropout or BatchNorm, so that trials can be stacked."""

from __future__ import annotations

import math

import torch
from _tasks import Residual
from torch import nn

__all__ = ["GRUText", "TransformerText", "cnn", "digits_cnn", "mlp", "resnet"]


def mlp(inputs: int, width: int, classes: int, *, layers: int = 2) -> nn.Sequential:
    """Dense layers with ReLU.

    Args:
        inputs: features of an example.
        width: of each hidden layer.
        classes: outputs.
        layers: hidden layers.
    """
    modules: list[nn.Module] = [nn.Linear(inputs, width), nn.ReLU()]
    for _ in range(layers - 1):
        modules += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*modules, nn.Linear(width, classes))


def digits_cnn() -> nn.Sequential:
    """Two convolutions over 8 x 8 pixels."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )


def cnn(classes: int = 10) -> nn.Sequential:
    """Two convolutions of stride 2 over 28 x 28 pixels."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(784, classes),
    )


def resnet() -> nn.Sequential:
    """A stem of stride 2 and two residual blocks with GroupNorm, over 32 x 32 pixels in colour."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.GroupNorm(4, 8),
        nn.ReLU(),
        Residual(8, 16, 2),
        Residual(16, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


class GRUText(nn.Module):
    """A GRU that predicts the next token: scores of shape (batch, tokens, length)."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.cell = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, tokens)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the next token at each position."""
        states, _ = self.cell(self.embed(x))
        return torch.as_tensor(self.head(states).transpose(1, 2))


class CausalBlock(nn.Module):
    """Causal attention and a dense layer, each with LayerNorm and a residual connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dense = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The features after the block, with the same shape."""
        batch, length, width = x.shape
        shape = (batch, length, 3, self.heads, width // self.heads)
        query, key, value = self.mix(self.before(x)).reshape(shape).permute(2, 0, 3, 1, 4)
        # Not the fused form, because vmap has no rule for it and runs it trial by trial.
        scores = query @ key.transpose(-1, -2) / math.sqrt(shape[-1])
        future = torch.full((length, length), -1e9, device=x.device).triu(1)
        mixed = torch.softmax(scores + future, dim=-1) @ value
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return torch.as_tensor(x + self.dense(x))


class TransformerText(nn.Module):
    """A pre-norm transformer that predicts the next token, as `GRUText` does."""

    def __init__(self, tokens: int, width: int, length: int, layers: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks = nn.Sequential(
            *[CausalBlock(width, 4) for _ in range(layers)], nn.LayerNorm(width)
        )
        self.head = nn.Linear(width, tokens)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the next token at each position."""
        return torch.as_tensor(
            self.head(self.blocks(self.embed(x) + self.position)).transpose(1, 2)
        )
