"""Tasks with two rates each, of nine domains, whose whole runs take about a second."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable  # noqa: TC003 - the type of a field
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import nn
from torch.nn import functional

from learnrate import Task

Tensors = tuple[torch.Tensor, torch.Tensor]
Rates = str | dict[str, Any]


@dataclass(frozen=True)
class RateCase:
    """A task with two rates.

    Attributes:
        name: of the task.
        make: makes the task.
        rates: which rates it has, as `learnrate.plan(task, rates=...)` takes them.
        centre: the middle of the grid that is swept.
    """

    name: str
    make: Callable[[], Task]
    rates: Rates
    centre: tuple[float, float]


class Shuffled:
    """Batches of examples in a random order, drawn anew in each pass."""

    def __init__(self, examples: Tensors, size: int, seed: int) -> None:
        self._examples, self._size, self._seed = examples, size, seed

    def __iter__(self) -> Any:
        inputs, targets = self._examples
        order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(self._seed))
        for first in range(0, len(order) - self._size + 1, self._size):
            chosen = order[first : first + self._size]
            yield inputs[chosen], targets[chosen]

    def __len__(self) -> int:
        return len(self._examples[0]) // self._size


def task_of(
    model: Callable[[], nn.Module],
    optimizer: Callable[..., Any],
    loss: nn.Module,
    examples: tuple[Tensors, Tensors],
    *,
    size: int = 32,
    total_steps: int = 200,
) -> Task:
    """A task of training and validation examples."""
    training, (inputs, targets) = examples
    return Task(
        model=model,
        optimizer=optimizer,
        loss=loss,
        data=lambda seed: Shuffled(training, size, seed),
        validate=lambda module: float(loss(module(inputs), targets)),
        total_steps=total_steps,
    )


@cache
def digits() -> tuple[Tensors, Tensors]:
    """Handwritten digits, 1,200 and 597."""
    data = load_digits()
    x = torch.tensor(data.data, dtype=torch.float32) / 16 - 0.3
    y = torch.tensor(data.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return (x[order[:1200]], y[order[:1200]]), (x[order[1200:]], y[order[1200:]])


def muon_digits() -> Task:
    """A dense network: Muon for the matrices of hidden layers, AdamW for the rest."""

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
        )

    def optimizers(module: Any) -> list[torch.optim.Optimizer]:
        hidden = [module[0].weight, module[2].weight]
        rest = [p for p in module.parameters() if all(p is not h for h in hidden)]
        return [
            torch.optim.Muon(hidden, lr=0.02),
            torch.optim.AdamW(rest, lr=3e-4),
        ]

    return task_of(model, optimizers, nn.CrossEntropyLoss(), digits())


class TextModel(nn.Module):
    """One block of attention over the last 16 symbols."""

    def __init__(self, symbols: int = 24, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        self.place = nn.Embedding(16, width)
        self.block = nn.TransformerEncoderLayer(
            width, 2, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(width, symbols)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        hidden = self.embed(x) + self.place(torch.arange(x.shape[1]))
        logits: torch.Tensor = self.head(self.block(hidden, src_mask=mask, is_causal=True))
        return logits.transpose(1, 2)


@cache
def sequences() -> tuple[Tensors, Tensors]:
    """Symbols drawn by a table of the last two symbols, in sequences of 16."""
    random = torch.Generator().manual_seed(1)
    table = torch.softmax(3 * torch.randn(24, 24, 24, generator=random), -1)
    x = torch.randint(0, 24, (2600, 17), generator=random)
    for place in range(2, 17):
        weights = table[x[:, place - 2], x[:, place - 1]]
        x[:, place] = torch.multinomial(weights, 1, generator=random)[:, 0]
    return (x[:2200, :16], x[:2200, 1:]), (x[2200:, :16], x[2200:, 1:])


def text() -> Task:
    """A small transformer: embeddings and head, and the block, with AdamW."""

    def optimizer(module: Any) -> torch.optim.Optimizer:
        block = [*module.block.parameters()]
        outer = [p for name, p in module.named_parameters() if not name.startswith("block")]
        return torch.optim.AdamW([{"params": outer}, {"params": block}], lr=1e-3)

    return task_of(
        TextModel, optimizer, nn.CrossEntropyLoss(), sequences(), size=16, total_steps=160
    )


class Ratings(nn.Module):
    """A rating from the embeddings of a user and of a film, through a small network."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.films = nn.Embedding(200, 8), nn.Embedding(150, 8)
        self.tower = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        embedded = torch.cat([self.users(x[:, 0]), self.films(x[:, 1])], 1)
        ratings: torch.Tensor = self.tower(embedded)[:, 0]
        return ratings


@cache
def ratings() -> tuple[Tensors, Tensors]:
    """Ratings of 150 films by 200 users, from hidden factors with noise."""
    random = torch.Generator().manual_seed(2)
    users, films = torch.randn(200, 3, generator=random), torch.randn(150, 3, generator=random)
    x = torch.stack(
        [
            torch.randint(0, 200, (9000,), generator=random),
            torch.randint(0, 150, (9000,), generator=random),
        ],
        1,
    )
    y = (users[x[:, 0]] * films[x[:, 1]]).sum(1) / math.sqrt(3)
    y = y + 0.3 * torch.randn(9000, generator=random)
    return (x[:8000], y[:8000]), (x[8000:], y[8000:])


def recommendation() -> Task:
    """Ratings: Adagrad for the embeddings, Adam for the network."""

    def optimizers(module: Any) -> list[torch.optim.Optimizer]:
        embeddings = [module.users.weight, module.films.weight]
        return [
            torch.optim.Adagrad(embeddings, lr=0.05),
            torch.optim.Adam(module.tower.parameters(), lr=1e-3),
        ]

    return task_of(Ratings, optimizers, nn.MSELoss(), ratings(), size=64)


class Adversaries(nn.Module):
    """A generator of points in the plane, and a discriminator."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
        self.discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))


def ring(count: int, seed: int) -> torch.Tensor:
    """Points around a circle."""
    random = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(count, generator=random)
    points = torch.stack([angle.cos(), angle.sin()], 1)
    return points + 0.1 * torch.randn(count, 2, generator=random)


def energy_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """The energy distance between two samples."""
    across = torch.cdist(first, second).mean()
    return float(
        2 * across - torch.cdist(first, first).mean() - torch.cdist(second, second).mean()
    )


def adversarial() -> Task:
    """A GAN on points: a rate for the generator and one for the discriminator."""
    data, held_out = ring(2048, 3), ring(512, 4)
    noise = torch.randn(512, 4, generator=torch.Generator().manual_seed(5))

    def update(module: Any, optimizers: list[torch.optim.Optimizer], batch: Any) -> float:
        of_generator, of_discriminator = optimizers
        points = batch[0]
        generated = module.generator(torch.randn(len(points), 4))
        real, fake = module.discriminator(points), module.discriminator(generated.detach())
        loss = functional.softplus(-real).mean() + functional.softplus(fake).mean()
        of_discriminator.zero_grad()
        loss.backward()
        of_discriminator.step()
        of_generator.zero_grad()
        functional.softplus(-module.discriminator(generated)).mean().backward()
        of_generator.step()
        return energy_distance(generated.detach(), points)

    def quality(module: Any) -> float:
        return 0.01 + max(0.0, energy_distance(module.generator(noise), held_out))

    return Task(
        model=Adversaries,
        optimizer=lambda module: [
            torch.optim.Adam(module.generator.parameters(), lr=1e-3, betas=(0.5, 0.9)),
            torch.optim.Adam(module.discriminator.parameters(), lr=1e-3, betas=(0.5, 0.9)),
        ],
        update=update,
        data=lambda seed: Shuffled((data, data), 64, seed),
        validate=quality,
        total_steps=200,
    )


class Adapted(nn.Module):
    """A frozen layer with a low-rank adapter."""

    def __init__(self, layer: nn.Linear, rank: int = 4) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(requires_grad=False)
        self.lora_A = nn.Linear(layer.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        adapted: torch.Tensor = self.layer(x) + 2 * self.lora_B(self.lora_A(x))
        return adapted


@cache
def pretrained() -> nn.Sequential:
    """A network that was trained on the digits 0 to 4."""
    torch.manual_seed(6)
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    (x, y), _ = digits()
    x, y = x[y < 5], y[y < 5]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(200):
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def adapters() -> Task:
    """Low-rank adapters that learn all digits: a rate for A and one for B."""
    base = pretrained()

    def model() -> nn.Module:
        return nn.Sequential(
            *(Adapted(copy.deepcopy(m)) if isinstance(m, nn.Linear) else nn.ReLU() for m in base)
        )

    def optimizer(module: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-3)

    return task_of(model, optimizer, nn.CrossEntropyLoss(), digits())


@cache
def diabetes() -> tuple[Tensors, Tensors]:
    """A table of 442 patients."""
    data = load_diabetes()
    x = torch.tensor(data.data, dtype=torch.float32) / 0.0476
    y = (torch.tensor(data.target, dtype=torch.float32) - 152) / 77
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(7))
    return (x[order[:300]], y[order[:300]]), (x[order[300:]], y[order[300:]])


class Squeezed(nn.Sequential):
    """A network with a single output, without its dimension."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return outputs[:, 0]


def regression() -> Task:
    """A table of values: SGD with momentum, a rate for the hidden layers and one for the head."""

    def model() -> nn.Module:
        return Squeezed(
            nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
        )

    def optimizer(module: Any) -> torch.optim.Optimizer:
        hidden = [p for layer in module[:-1] for p in layer.parameters()]
        groups = [{"params": hidden}, {"params": [*module[-1].parameters()]}]
        return torch.optim.SGD(groups, lr=0.01, momentum=0.9)

    return task_of(model, optimizer, nn.MSELoss(), diabetes(), size=16, total_steps=200)


class Forecaster(nn.Module):
    """A GRU that forecasts the next value of a series."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(1, 16, batch_first=True)
        self.head = nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        forecasts: torch.Tensor = self.head(self.gru(x[..., None])[0])[..., 0]
        return forecasts


@cache
def series() -> tuple[Tensors, Tensors]:
    """Sums of two sines with noise."""
    random = torch.Generator().manual_seed(8)
    place = torch.arange(17) / 3
    phases, paces = torch.rand(2, 1200, 1, generator=random) * 6.28, torch.tensor([1.0, 2.7])
    amplitudes = torch.rand(2, 1200, 1, generator=random)
    x = sum(
        amplitude * torch.sin(pace * place + phase)
        for amplitude, pace, phase in zip(amplitudes, paces, phases, strict=True)
    )
    x = x + 0.05 * torch.randn(1200, 17, generator=random)
    return (x[:900, :-1], x[:900, 1:]), (x[900:, :-1], x[900:, 1:])


def forecasting() -> Task:
    """A GRU with RMSprop: a rate for the recurrent part and one for the head."""

    def optimizer(module: Any) -> torch.optim.Optimizer:
        groups = [{"params": [*part.parameters()]} for part in (module.gru, module.head)]
        return torch.optim.RMSprop(groups, lr=1e-3)

    return task_of(Forecaster, optimizer, nn.MSELoss(), series(), size=16, total_steps=160)


class Waves(nn.Module):
    """A function as a network over waves whose frequencies are learned."""

    def __init__(self) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(3 * torch.randn(2, 24))
        self.dense = Squeezed(nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        waves = x @ self.frequencies
        values: torch.Tensor = self.dense(torch.cat([waves.sin(), waves.cos()], 1))
        return values


@cache
def surface() -> tuple[Tensors, Tensors]:
    """A smooth function of two variables, with a little noise."""
    random = torch.Generator().manual_seed(9)
    x = 2 * torch.rand(3000, 2, generator=random) - 1
    y = torch.sin(5 * x[:, 0]) * torch.cos(4 * x[:, 1]) + torch.tanh(8 * x[:, 0] * x[:, 1])
    y = y + 0.05 * torch.randn(3000, generator=random)
    return (x[:2400], y[:2400]), (x[2400:], y[2400:])


def function() -> Task:
    """A function fitted with learned frequencies: SGD for these, Adam for the network."""

    def optimizers(module: Any) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.SGD([module.frequencies], lr=0.1, momentum=0.9),
            torch.optim.Adam(module.dense.parameters(), lr=1e-3),
        ]

    return task_of(Waves, optimizers, nn.MSELoss(), surface(), size=64)


class Coded(nn.Module):
    """An autoencoder of digits through 8 numbers with noise."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 8))
        self.decoder = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        code = self.encoder(x)
        noise = 0.1 * torch.randn_like(code) if self.training else 0.0
        decoded: torch.Tensor = self.decoder(code + noise)
        return decoded


def autoencoder() -> Task:
    """An autoencoder: AdamW for the encoder, SGD with momentum for the decoder."""
    (x, _), (unseen, _) = digits()

    def optimizers(module: Any) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.AdamW(module.encoder.parameters(), lr=1e-3),
            torch.optim.SGD(module.decoder.parameters(), lr=0.1, momentum=0.9),
        ]

    return task_of(Coded, optimizers, nn.MSELoss(), ((x, x), (unseen, unseen)))


CASES = {
    case.name: case
    for case in (
        RateCase("digits, Muon and AdamW", muon_digits, "optimizers", (0.03, 0.01)),
        RateCase("text, outer and block", text, "groups", (0.01, 0.003)),
        RateCase("ratings, embeddings and network", recommendation, "optimizers", (0.3, 0.01)),
        RateCase("GAN, generator and discriminator", adversarial, "optimizers", (0.01, 0.01)),
        RateCase(
            "adapters, A and B",
            adapters,
            {"A": "*lora_A*", "B": "*lora_B*"},
            (0.01, 0.01),
        ),
        RateCase("table, hidden and head", regression, "groups", (0.01, 0.01)),
        RateCase("series, GRU and head", forecasting, "groups", (0.01, 0.01)),
        RateCase("function, frequencies and network", function, "optimizers", (0.1, 0.01)),
        RateCase("autoencoder, encoder and decoder", autoencoder, "optimizers", (0.01, 0.3)),
    )
}
