"""Graphs, recommendation, and word vectors: few weights are used by an example."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name
from torch import nn

from regret import data
from regret.workload import Sampled, Workload, generator

from .tables import frame

__all__ = ["WORKLOADS"]

Batch = tuple[torch.Tensor, ...]


class _Graph(nn.Module):
    """Two layers that mix the features of neighbours; the graph is fixed."""

    adjacency: torch.Tensor

    def __init__(self, adjacency: torch.Tensor, width: int, sizes: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency)
        self.first = nn.Linear(sizes[0], width)
        self.second = nn.Linear(width, sizes[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.relu(self.adjacency @ self.first(x))
        return torch.as_tensor(self.adjacency @ self.second(hidden))


def _node_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The cross-entropy of the nodes whose class is used."""
    features, nodes, classes = batch
    return F.cross_entropy(model(features)[nodes], classes)


def _normalised(edges: torch.Tensor) -> torch.Tensor:
    """The adjacency with loops, scaled by the degrees of both ends."""
    edges = ((edges + edges.T) > 0).float()
    edges.fill_diagonal_(1.0)
    scale = edges.sum(1).rsqrt()
    return scale[:, None] * edges * scale


@lru_cache
def _digits_graph() -> tuple[torch.Tensor, Sampled]:
    """600 digits joined to their five nearest, of which 60 have a class."""
    digits = data.digits()
    x, y = digits.x[:600], digits.y[:600]
    nearest = torch.cdist(x, x).topk(6, largest=False).indices
    edges = torch.zeros(600, 600).scatter_(1, nearest, 1.0)
    noisy = x + 0.5 * torch.randn(x.shape, generator=generator(0))
    return _normalised(edges), _nodes(noisy, y, 60)


@lru_cache
def _blocks() -> tuple[torch.Tensor, Sampled]:
    """A stochastic block model of four groups with weak features."""
    random = generator(0)
    group = torch.arange(400) % 4
    chance = torch.where(group[:, None] == group, 0.05, 0.012)
    edges = (torch.rand(400, 400, generator=random) < chance).float().triu(1)
    features = F.one_hot(group, 4) * 0.5 + torch.randn(400, 4, generator=random)
    noise = torch.randn(400, 12, generator=random)
    return _normalised(edges), _nodes(torch.cat([features, noise], dim=1), group, 120)


def _nodes(x: torch.Tensor, y: torch.Tensor, count: int) -> Sampled:
    """The whole graph at each update, or some of its nodes with a class."""
    order = torch.randperm(len(x), generator=generator(1))
    known, rest = order[:count], order[count:]

    def draw(random: torch.Generator, size: int | None) -> Batch:
        nodes = known if size is None else known[torch.randperm(count, generator=random)[:size]]
        return x, nodes, y[nodes]

    return Sampled(draw, (x, rest, y[rest]))


class _Factors(nn.Module):
    """A mean, a level of each user and film, and a product of their vectors."""

    def __init__(self, users: int, films: int, width: int, *, sparse: bool) -> None:
        super().__init__()
        self.user = nn.Embedding(users, width + 1, sparse=sparse)
        self.film = nn.Embedding(films, width + 1, sparse=sparse)
        for table in (self.user, self.film):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        user, film = self.user(pairs[:, 0]), self.film(pairs[:, 1])
        return (user[:, 1:] * film[:, 1:]).sum(1) + user[:, 0] + film[:, 0]


_USERS, _FILMS = 300, 500


@lru_cache
def _ratings() -> data.Examples:
    """MovieLens: the ratings of the most active users for the most rated films, less their mean."""
    table = frame("dslabs", "movielens")
    users = table["userId"].value_counts().index[:_USERS]
    films = table["movieId"].value_counts().index[:_FILMS]
    table = table[table["userId"].isin(users) & table["movieId"].isin(films)]
    pairs = np.stack([users.get_indexer(table["userId"]), films.get_indexer(table["movieId"])], 1)
    rating = torch.as_tensor(table["rating"].to_numpy(np.float32))
    order = torch.randperm(len(rating), generator=generator(0))
    x, y = torch.from_numpy(pairs)[order], (rating - rating.mean())[order]
    return data.Examples(x[2000:], y[2000:], x[:2000], y[:2000])


@lru_cache
def _contexts() -> Sampled:
    """Pairs of words of WikiText-2 within two places, and five random words."""
    tokens = data.words().tokens[:200_000]
    chances = torch.bincount(tokens, minlength=data.WORDS).float() ** 0.75

    def draw(random: torch.Generator, size: int | None) -> Batch:
        return pick(random, size or 64, 2, 180_000)

    def pick(random: torch.Generator, size: int, lowest: int, highest: int) -> Batch:
        centre = torch.randint(lowest, highest, (size,), generator=random)
        shift = torch.tensor([-2, -1, 1, 2])[torch.randint(4, (size,), generator=random)]
        noise = torch.multinomial(chances, 5 * size, replacement=True, generator=random)
        context = torch.cat([tokens[centre + shift][:, None], noise.reshape(size, 5)], dim=1)
        return tokens[centre], context

    return Sampled(draw, pick(generator(0), 3000, 180_000, 199_000))


class _WordVectors(nn.Module):
    def __init__(self, words: int, width: int, *, sparse: bool) -> None:
        super().__init__()
        self.word = nn.Embedding(words, width, sparse=sparse)
        self.context = nn.Embedding(words, width, sparse=sparse)
        for table in (self.word, self.context):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, word: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return (self.word(word)[:, None] * self.context(context)).sum(2)


def _context_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Logistic loss of the first context, which is true, against the others."""
    scores = model(*batch)
    signs = torch.tensor([1.0] + [-1.0] * 5)
    return F.softplus(-signs * scores).sum(1).mean()


_GRAPHS, _SPARSE = "graphs", "recommendation and word vectors"

WORKLOADS = {
    "digits-gcn": Workload(
        _GRAPHS,
        lambda: _Graph(_digits_graph()[0], 24, (64, 10)),
        lambda: _digits_graph()[1],
        _node_loss,
    ),
    "blocks-gcn": Workload(
        _GRAPHS,
        lambda: _Graph(_blocks()[0], 16, (16, 4)),
        lambda: _blocks()[1],
        _node_loss,
    ),
    "films-factors": Workload(
        _SPARSE,
        partial(_Factors, _USERS, _FILMS, 8, sparse=False),
        _ratings,
        nn.MSELoss(),
    ),
    "films-sparse": Workload(
        _SPARSE,
        partial(_Factors, _USERS, _FILMS, 8, sparse=True),
        _ratings,
        nn.MSELoss(),
    ),
    "words-vectors": Workload(
        _SPARSE,
        partial(_WordVectors, data.WORDS, 16, sparse=False),
        _contexts,
        _context_loss,
    ),
}
