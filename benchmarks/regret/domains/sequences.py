"""Time series, sequences with a label for each position, and rules on symbols."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import torch
from torch import nn

from regret import data
from regret.workload import Workload, generator

from .tables import frame

__all__ = ["WORKLOADS"]

_WINDOW = 24


@lru_cache
def _series(name: str) -> data.Examples:
    """Windows of a series, and the value after each; the last fifth is for validation."""
    values = torch.as_tensor(_values(name).copy(), dtype=torch.float32).reshape(-1)
    cut = len(values) * 4 // 5
    values = (values - values[:cut].mean()) / values[:cut].std()
    windows = values.unfold(0, _WINDOW + 1, 1)
    train, validation = windows[: cut - _WINDOW], windows[cut:]

    def parts(rows: torch.Tensor) -> data.Pair:
        return rows[:, :-1, None].contiguous(), rows[:, -1:].contiguous()

    return data.Examples(*parts(train), *parts(validation[-800:]))


def _values(name: str) -> np.ndarray:
    if name == "lorenz":
        return _lorenz(4000)
    if name == "mackey":
        return _mackey_glass(3000)
    package, column = {
        "sunspot.month": ("datasets", "value"),
        "nottem": ("datasets", "value"),
        "elecdemand": ("fpp2", "Demand"),
    }[name]
    return frame(package, name)[column].to_numpy(np.float64)[:5000]


def _lorenz(count: int) -> np.ndarray:
    """The first coordinate of Lorenz's system, by Euler's method."""
    states, state = np.empty((count, 3)), np.array([1.0, 1.0, 20.0])
    for index in range(count):
        for _ in range(10):
            x, y, z = state
            state = state + 0.005 * np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
        states[index] = state
    return states[:, 0]


def _mackey_glass(count: int) -> np.ndarray:
    """Mackey and Glass's equation with a delay of 17, by Euler's method."""
    history = [1.2] * 18
    for _ in range(count + 200):
        late = history[-18]
        history.append(history[-1] + 0.2 * late / (1 + late**10) - 0.1 * history[-1])
    return np.array(history[-count:])


class _Forecaster(nn.Module):
    """A recurrent layer whose last state gives the next value."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.layer(x)
        return torch.as_tensor(self.head(states[:, -1]))


class _PostNorm(nn.Module):
    """torch's encoder with LayerNorm after each sum, and dropout."""

    def __init__(self, embed: nn.Module, width: int, outputs: int, *, pooled: bool) -> None:
        super().__init__()
        self.embed = embed
        self.position = nn.Parameter(0.02 * torch.randn(64, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, outputs)
        self.pooled = pooled

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = self.encoder(self.embed(x) + self.position[: x.shape[1]])
        scores = self.head(states.mean(1) if self.pooled else states)
        return torch.as_tensor(scores if self.pooled else scores.transpose(1, 2))


class _Tagger(nn.Module):
    """A recurrent layer in both directions, with a label for each position."""

    def __init__(self, symbols: int, width: int, labels: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        self.layer = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, labels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.layer(self.embed(x))
        return torch.as_tensor(self.head(states).transpose(1, 2))


@lru_cache
def _capitals() -> data.Examples:
    """Characters in lower case, and which of them are capitals in the text."""
    text = (data.folder() / "tinyshakespeare.txt").read_text()[:200_000]
    small = text.lower()
    place = {char: index for index, char in enumerate(sorted(set(small)))}
    symbols = torch.tensor([place[char] for char in small]).unfold(0, 24, 24)
    labels = torch.tensor([char.isupper() for char in text]).long().unfold(0, 24, 24)
    cut = len(symbols) - 800
    return data.Examples(symbols[:cut], labels[:cut], symbols[cut:], labels[cut:])


@lru_cache
def _hidden_states() -> data.Examples:
    """Symbols of a hidden Markov chain of four states, and its states."""
    random = np.random.default_rng(0)
    moves = random.dirichlet([0.4] * 4, size=4) * 0.6 + 0.4 * np.eye(4)
    signs = random.dirichlet([0.3] * 12, size=4)
    states = np.zeros((3000, 20), dtype=np.int64)
    states[:, 0] = random.integers(4, size=3000)
    for step in range(1, 20):
        chances = moves[states[:, step - 1]].cumsum(1)
        states[:, step] = (random.random((3000, 1)) > chances).sum(1).clip(max=3)
    chances = signs[states].cumsum(2)
    symbols = (random.random((3000, 20, 1)) > chances).sum(2).clip(max=11)
    x, y = torch.from_numpy(symbols), torch.from_numpy(states)
    return data.Examples(x[:2500], y[:2500], x[2500:], y[2500:])


@lru_cache
def _sums(modulus: int) -> data.Examples:
    """Pairs of numbers, and their sum modulo a prime."""
    pairs = torch.cartesian_prod(torch.arange(modulus), torch.arange(modulus))
    pairs = pairs[torch.randperm(len(pairs), generator=generator(0))]
    total, cut = pairs.sum(1) % modulus, len(pairs) * 4 // 5
    return data.Examples(pairs[:cut], total[:cut], pairs[cut:], total[cut:])


@lru_cache
def _majority() -> data.Examples:
    """Sequences of five symbols, and the symbol that is most frequent."""
    x = torch.randint(5, (4000, 16), generator=generator(0))
    y = torch.nn.functional.one_hot(x, 5).sum(1).argmax(1)
    return data.Examples(x[:3500], y[:3500], x[3500:], y[3500:])


def _pair_mlp(modulus: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Embedding(modulus, width),
        nn.Flatten(),
        nn.Linear(2 * width, 64),
        nn.ReLU(),
        nn.Linear(64, modulus),
    )


_SERIES, _LABELS, _RULES = "time series", "sequence labelling", "rules on symbols"

WORKLOADS = {
    "sunspots-gru": Workload(
        _SERIES,
        lambda: _Forecaster(nn.GRU(1, 16, batch_first=True), 16),
        partial(_series, "sunspot.month"),
        nn.MSELoss(),
    ),
    "demand-lstm": Workload(
        _SERIES,
        lambda: _Forecaster(nn.LSTM(1, 16, batch_first=True), 16),
        partial(_series, "elecdemand"),
        nn.MSELoss(),
        clip_norm=1.0,
    ),
    "nottem-gru": Workload(
        _SERIES,
        lambda: _Forecaster(nn.GRU(1, 8, batch_first=True), 8),
        partial(_series, "nottem"),
        nn.L1Loss(),
    ),
    "lorenz-gru": Workload(
        _SERIES,
        lambda: _Forecaster(nn.GRU(1, 16, batch_first=True), 16),
        partial(_series, "lorenz"),
        nn.MSELoss(),
    ),
    "mackey-rnn": Workload(
        _SERIES,
        lambda: _Forecaster(nn.RNN(1, 24, batch_first=True), 24),
        partial(_series, "mackey"),
        nn.MSELoss(),
    ),
    "capitals-gru": Workload(_LABELS, lambda: _Tagger(39, 16, 2), _capitals),
    "capitals-postnorm": Workload(
        _LABELS,
        lambda: _PostNorm(nn.Embedding(39, 16), 16, 2, pooled=False),
        _capitals,
    ),
    "states-gru": Workload(_LABELS, lambda: _Tagger(12, 16, 4), _hidden_states),
    "majority-postnorm": Workload(
        _RULES, lambda: _PostNorm(nn.Embedding(5, 16), 16, 5, pooled=True), _majority
    ),
    "sums-mlp": Workload(_RULES, lambda: _pair_mlp(23, 24), partial(_sums, 23)),
}
