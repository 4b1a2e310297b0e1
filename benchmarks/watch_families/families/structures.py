"""Sequences, text, graphs, recommendation and equations."""

from __future__ import annotations

import gzip
import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from watch_families.data import folder
from watch_families.work import Batch, Batches, Task, Work, dense, supervised

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAMILIES"]

_LENGTH = 16  # characters in a window


class _Recurrent(nn.Module):
    def __init__(self, inputs: int, width: int, outputs: int, *, last: bool) -> None:
        super().__init__()
        self.cell, self.head = (
            nn.GRU(inputs, width, batch_first=True),
            nn.Linear(width, outputs),
        )
        self._last = last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.cell(x)
        result: torch.Tensor = self.head(states[:, -1] if self._last else states)
        return result


@lru_cache
def _series(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(3)
    if name == "adding":
        numbers = rng.uniform(size=(2400, 7))
        marks = np.zeros((2400, 7))
        for row in range(2400):
            marks[row, rng.choice(7, 2, replace=False)] = 1
        x = np.stack([numbers, marks], 2)
        y = (numbers * marks).sum(1, keepdims=True) - 1
    elif name == "forecast":  # Mackey-Glass
        values = [1.2] * 18
        for _ in range(3200):
            values.append(0.9 * values[-1] + 0.2 * values[-18] / (1 + values[-18] ** 10))
        course = (np.array(values[200:]) - 0.9) / 0.25
        rows = np.arange(2400)
        x = course[rows[:, None] + np.arange(8)][:, :, None]
        y = course[rows + 14][:, None]
        order = rng.permutation(2400)
        x, y = x[order], y[order]
    else:  # the parity so far of bits
        bits = rng.integers(2, size=(2400, 7))
        x, y = 2.0 * bits[:, :, None] - 1, np.cumsum(bits, 1) % 2
        return torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


def _sequence(name: str) -> Callable[[int, bool], Work]:
    def make(seed: int, shuffled: bool) -> Work:
        x, y = _series(name)
        labelled = name == "parity"
        model = _Recurrent(x.shape[2], 24, 2 if labelled else 1, last=not labelled)
        batches = Batches((x[:2000], y[:2000]), 32, seed, shuffled=shuffled)

        def criterion(inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            outputs = model(inputs)
            if labelled:
                return functional.cross_entropy(outputs.flatten(0, 1), target.flatten())
            return functional.mse_loss(outputs, target)

        return supervised(model, batches, criterion, (x[2000:], y[2000:]))

    return make


@lru_cache
def _text() -> tuple[torch.Tensor, int]:
    """Characters of WikiText-2; those that are not frequent are one character."""
    with gzip.open(folder() / "wikitext-2" / "train.txt.gz", "rt", encoding="utf8") as file:
        text = file.read(220_000).lower()
    alphabet = "abcdefghijklmnopqrstuvwxyz ,.=@-\n0123456789"
    return torch.tensor([alphabet.find(letter) + 1 for letter in text]), len(alphabet) + 1


class _Transformer(nn.Module):
    def __init__(self, vocabulary: int, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(0.02 * torch.randn(_LENGTH, width))
        self.norm, self.mixing = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.second, self.dense = nn.LayerNorm(width), dense(width, 2 * width, width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens) + self.place
        query, key, value = self.mixing(self.norm(x)).unsqueeze(1).chunk(3, -1)
        x = x + functional.scaled_dot_product_attention(query, key, value, is_causal=True)[:, 0]
        result: torch.Tensor = self.head(x + self.dense(self.second(x)))
        return result


class _Window(nn.Module):
    """The next character from the last four."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 12)
        self.dense = dense(48, 64, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens)
        x = functional.pad(x, (0, 0, 3, 0)).unfold(1, 4, 1).flatten(2)
        result: torch.Tensor = self.dense(x)
        return result


def _language(kind: type[nn.Module]) -> Callable[[int, bool], Work]:
    def make(seed: int, shuffled: bool) -> Work:
        tokens, vocabulary = _text()
        model = kind(vocabulary)
        span, train = torch.arange(_LENGTH + 1), len(tokens) * 9 // 10
        starts = torch.linspace(train, len(tokens) - _LENGTH - 2, 48).long()[:, None]
        windows = tokens[starts + span]

        def batch(number: int) -> Batch:
            generator = torch.Generator().manual_seed(100_000 * seed + number)
            rows = torch.randint(train - _LENGTH - 1, (16, 1), generator=generator)
            if not shuffled:  # neighbouring windows, from the start again every 40 batches
                rows = (number % 40 * 16 + torch.arange(16))[:, None] * _LENGTH
            drawn = tokens[rows + span]
            return drawn[:, :-1], drawn[:, 1:]

        def criterion(inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(model(inputs).flatten(0, 1), target.flatten())

        def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            value = criterion(*batch)
            return value, value

        def metric() -> float:
            return criterion(windows[:, :-1], windows[:, 1:]).item()

        return Work(model=model, batch=batch, loss=loss, metric=metric, validation=metric)

    return make


@lru_cache
def _graph() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Adjacency, features, communities and a smooth signal of a stochastic block model."""
    generator = torch.Generator().manual_seed(4)
    count = 240
    community = torch.arange(count) % 4
    same = community[:, None] == community
    edges = torch.rand(count, count, generator=generator) < torch.where(same, 0.06, 0.012)
    edges = (edges | edges.T).float().fill_diagonal_(1)
    scale = edges.sum(1).rsqrt()
    adjacency = scale[:, None] * edges * scale
    features = torch.randn(count, 12, generator=generator)
    features[:, :4] += 0.9 * functional.one_hot(community, 4)
    signal = (adjacency @ adjacency @ features[:, 4:6].prod(1, keepdim=True)) * 5
    return adjacency, features, community, signal


def _graph_work(*, communities: bool) -> Callable[[int, bool], Work]:
    def make(seed: int, shuffled: bool) -> Work:
        adjacency, features, community, signal = _graph()
        first, second = nn.Linear(12, 24), nn.Linear(24, 4 if communities else 1)
        model = nn.Sequential(first, second)
        is_train = torch.randperm(240, generator=torch.Generator().manual_seed(7)) < 140

        def output(x: torch.Tensor) -> torch.Tensor:
            hidden = (adjacency @ first(x)).relu()
            result: torch.Tensor = second(adjacency @ hidden)
            return result

        def criterion(x: torch.Tensor, target: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            if communities:
                return functional.cross_entropy(output(x)[rows], target[rows])
            return functional.mse_loss(output(x)[rows], target[rows])

        target = community if communities else signal

        def batch(number: int) -> Batch:
            return features, target

        def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            value = criterion(batch[0], batch[1], is_train)
            return value, value

        def metric() -> float:
            return criterion(features, target, ~is_train).item()

        return Work(model=model, batch=batch, loss=loss, metric=metric, validation=metric)

    return make


class _Factors(nn.Module):
    def __init__(self, users: int, items: int, width: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(users, width), nn.Embedding(items, width)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.1)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = (self.users(pairs[:, 0]) * self.items(pairs[:, 1])).sum(
            1
        ) + self.bias
        return result


@lru_cache
def _ratings() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    taste, kind = (torch.randn(count, 3, generator=generator) for count in (120, 80))
    users = (120 * torch.rand(6000, generator=generator) ** 2).long()
    items = (80 * torch.rand(6000, generator=generator) ** 2).long()
    noise = 0.5 * torch.randn(6000, generator=generator)
    return torch.stack([users, items], 1), (taste[users] * kind[items]).sum(1) + noise


def _recommendation(*, clicks: bool) -> Callable[[int, bool], Work]:
    def make(seed: int, shuffled: bool) -> Work:
        pairs, ratings = _ratings()
        target = (ratings > 0).float() if clicks else ratings
        model = _Factors(120, 80, 4)
        batches = Batches((pairs[:5000], target[:5000]), 128, seed, shuffled=shuffled)
        criterion = functional.binary_cross_entropy_with_logits if clicks else functional.mse_loss

        def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            value = criterion(model(batch[0].long()), batch[1])
            return value, value

        def metric() -> float:
            return criterion(model(pairs[5000:]), target[5000:]).item()

        return Work.in_passes(model, batches, loss, metric)

    return make


def _slope(outputs: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(outputs.sum(), inputs, create_graph=True)[0]


def _equation(name: str) -> Callable[[int, bool], Work]:
    """A network that solves an equation: -u'' = f on [0, 1], or a damped oscillation."""

    def make(seed: int, shuffled: bool) -> Work:
        model = dense(1, 24, 24, 1)
        grid = torch.linspace(0, 1, 101)[:, None]
        if name == "poisson":
            exact = torch.sin(math.pi * grid) + 0.3 * torch.sin(3 * math.pi * grid)
        else:  # u'' + 2 u' + 26 u = 0, u(0) = 1, u'(0) = -1
            exact = torch.exp(-grid) * torch.cos(5 * grid)

        def batch(number: int) -> Batch:
            generator = torch.Generator().manual_seed(100_000 * seed + number)
            return (torch.rand(48, 1, generator=generator),)

        def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            x = batch[0].clone().requires_grad_()
            u = model(x)
            first = _slope(u, x)
            second = _slope(first, x)
            if name == "poisson":
                source = math.pi**2 * (torch.sin(math.pi * x) + 2.7 * torch.sin(3 * math.pi * x))
                ends = model(torch.tensor([[0.0], [1.0]])).square().mean()
                value = (second + source).square().mean() / 50 + 10 * ends
            else:
                start = torch.zeros(1, 1, requires_grad=True)
                begin = model(start)
                ends = (begin - 1).square().mean() + (_slope(begin, start) + 1).square().mean()
                value = (second + 2 * first + 26 * u).square().mean() / 100 + 10 * ends
            return value, value

        def metric() -> float:
            return float(((model(grid) - exact).square().mean() / exact.square().mean()).item())

        return Work(model=model, batch=batch, loss=loss, metric=metric)

    return make


_NO_LABELS = frozenset({"shuffled_labels", "unshuffled", "unnormalised", "zero_inputs"})
_TOKENS = frozenset({"unnormalised"})
_ONE_BATCH = frozenset({"unshuffled"})

FAMILIES = {
    "sequence": (
        Task(name="adding", make=_sequence("adding"), optimizers=("adam",), steps=160),
        Task(
            name="forecast",
            make=_sequence("forecast"),
            optimizers=("momentum",),
            steps=150,
        ),
    ),
    "language": (
        Task(
            name="transformer",
            make=_language(_Transformer),
            optimizers=("adamw",),
            steps=150,
            blanks=_TOKENS,
        ),
        Task(
            name="window",
            make=_language(_Window),
            optimizers=("momentum",),
            steps=160,
            blanks=_TOKENS,
        ),
    ),
    "graph": (
        Task(
            name="communities",
            make=_graph_work(communities=True),
            optimizers=("adam",),
            steps=160,
            blanks=_ONE_BATCH,
        ),
        Task(
            name="signal",
            make=_graph_work(communities=False),
            optimizers=("momentum",),
            steps=180,
            blanks=_ONE_BATCH,
        ),
    ),
    "recommendation": (
        Task(
            name="ratings",
            make=_recommendation(clicks=False),
            optimizers=("adagrad",),
            steps=200,
            blanks=_TOKENS,
        ),
        Task(
            name="clicks",
            make=_recommendation(clicks=True),
            optimizers=("sgd",),
            steps=200,
            blanks=_TOKENS,
        ),
    ),
    "equation": (
        Task(
            name="poisson",
            make=_equation("poisson"),
            optimizers=("adam",),
            steps=150,
            blanks=_NO_LABELS,
        ),
        Task(
            name="oscillation",
            make=_equation("oscillation"),
            optimizers=("momentum",),
            steps=150,
            blanks=_NO_LABELS,
        ),
    ),
}
