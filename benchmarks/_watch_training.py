"""Real trainings of a few seconds each, with everything about each update recorded."""

from __future__ import annotations

import gzip
import math
import os
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, parameters_to_vector

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(os.environ.get("LEARNRATE_DATA", "../shared/data"))
FASHION = Path("/usr/share/datasets/fashion-mnist")
CONTEXT = 32  # characters that the language model sees

Pair = tuple[torch.Tensor, torch.Tensor]
Split = tuple[Pair, Pair]


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training: what is trained, at which rates, and with which faults.

    Attributes:
        task: one of `TASKS`.
        optimizer: one of `OPTIMIZERS`.
        rates: the rate of every update, as applied.
        seed: of the weights and of the order of the examples.
        batch: examples per update.
        clip: the norm that gradients are clipped to, if any.
        wrong: the share of training labels replaced once, before training.
        noise: the share of the labels of a batch that is replaced at every update.
        examples: the number of training examples used; all by default.
        kick: the number of updates from one bad batch to the next, which has wrong labels and
            `force` times the loss; 0 for none.
        force: the factor on the loss of a bad batch.
        frozen: whether the optimizer holds copies of the weights, so that nothing is learned.
        blank: whether the inputs are all 0.
        shuffled: whether the labels of a batch are those of its other examples.
        sharpness_every: updates between measurements of the largest curvature; 0 for none.
    """

    task: str
    optimizer: str
    rates: np.ndarray
    seed: int
    batch: int = 64
    clip: float | None = None
    wrong: float = 0.0
    noise: float = 0.0
    examples: int | None = None
    kick: int = 0
    force: float = 1.0
    frozen: bool = False
    blank: bool = False
    shuffled: bool = False
    sharpness_every: int = 0


class CharacterTransformer(nn.Module):
    """A transformer of one layer over characters."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(65, 64)
        self.position = nn.Parameter(0.02 * torch.randn(CONTEXT, 64))
        self.layer = nn.TransformerEncoderLayer(
            64, 4, 128, dropout=0.0, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(64, 65)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the next character, at every position, as (positions, 65)."""
        hidden = self.layer(self.embed(x) + self.position, src_mask=self.mask, is_causal=True)
        return torch.as_tensor(self.head(hidden)).flatten(0, 1)


class Images(nn.Module):
    """Two convolutions over 28 x 28 pixels, then a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=3),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 9, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores."""
        return torch.as_tensor(self.body(x.view(-1, 1, 28, 28)))


def dense(*widths: int) -> Callable[[], nn.Module]:
    """A function that makes dense layers of these widths, with ReLU between them."""

    def make() -> nn.Module:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    return make


@cache
def digits() -> Split:
    """Digits, 8 x 8 pixels, from scikit-learn."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to load

    bunch = load_digits()
    x = torch.tensor(bunch.data / 16.0, dtype=torch.float32)
    y = torch.tensor(bunch.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return (x[order[:1400]], y[order[:1400]]), (x[order[1400:]], y[order[1400:]])


@cache
def fashion() -> Split:
    """Fashion-MNIST from Debian's package."""

    def read(name: str, start: int) -> np.ndarray:
        with gzip.open(FASHION / name) as file:
            return np.frombuffer(file.read(), dtype=np.uint8)[start:]

    pairs = []
    for name, count in (("train", 20_000), ("t10k", 1_000)):
        x = read(f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 784)[:count] / 255.0 - 0.29
        y = read(f"{name}-labels-idx1-ubyte.gz", 8)[:count]
        pairs.append((torch.tensor(x / 0.35, dtype=torch.float32), torch.tensor(y).long()))
    return pairs[0], pairs[1]


@cache
def adult() -> Split:
    """UCI Adult as 123 binary features."""
    arrays = np.load(DATA / "adult_a9a.npz")
    pairs = []
    for part, count in (("train", 20_000), ("test", 2_000)):
        x = np.unpackbits(arrays[f"x_{part}"], axis=1)[:count, :123]
        y = (arrays[f"y_{part}"][:count] > 0).astype(np.int64)
        pairs.append((torch.tensor(x, dtype=torch.float32), torch.tensor(y)))
    return pairs[0], pairs[1]


@cache
def shakespeare() -> Split:
    """Windows of characters of tiny Shakespeare, each with the window one character further."""
    text = (DATA / "tinyshakespeare.txt").read_text()
    number = {character: index for index, character in enumerate(sorted(set(text)))}
    codes = torch.tensor([number[character] for character in text])
    windows = codes[: len(codes) // (CONTEXT + 1) * (CONTEXT + 1)].view(-1, CONTEXT + 1)
    order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))
    x, y = windows[order, :-1], windows[order, 1:]
    return (x[500:], y[500:]), (x[:200], y[:200])


TASKS: dict[str, tuple[Callable[[], Split], Callable[[], nn.Module], int]] = {
    "digits": (digits, dense(64, 64, 10), 10),
    "digits-deep": (digits, dense(64, 64, 64, 64, 10), 10),
    "fashion": (fashion, dense(784, 64, 10), 10),
    "fashion-cnn": (fashion, Images, 10),
    "adult": (adult, dense(123, 32, 2), 2),
    "adult-linear": (adult, dense(123, 2), 2),
    "shakespeare": (shakespeare, CharacterTransformer, 65),
}
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=1.0),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=1.0, momentum=0.9),
    "nesterov": lambda parameters: torch.optim.SGD(
        parameters, lr=1.0, momentum=0.9, nesterov=True
    ),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1.0),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1.0, weight_decay=0.01),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=1.0),
}


def train(  # noqa: C901, PLR0915 - one loop with every fault
    training: Training,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Train, and return the columns and the facts; training ends 20 updates after a NaN."""
    load, make, classes = TASKS[training.task]
    torch.manual_seed(training.seed)
    model = make()
    (x, y), check = load()
    drawn = torch.Generator().manual_seed(training.seed + 1)
    x, y = x[: training.examples], y[: training.examples]
    y = replaced(y, training.wrong, classes, drawn)
    x = torch.zeros_like(x) if training.blank else x
    weights = list(model.parameters())
    trained = [weight.detach().clone() for weight in weights] if training.frozen else weights
    optimizer = OPTIMIZERS[training.optimizer](trained)
    total_steps = len(training.rates)
    names = ("lr", "loss", "validation", "gradient_norm", "update_ratio", "clipped")
    columns = {name: np.full(total_steps, np.nan) for name in names}
    sharp: list[list[float]] = []
    order = torch.empty(0, dtype=torch.long)
    done = 0
    for step in range(total_steps):
        if len(order) < training.batch:
            order = torch.randperm(len(x), generator=drawn)
        rows, order = order[: training.batch], order[training.batch :]
        data, wanted = x[rows], replaced(y[rows], training.noise, classes, drawn)
        if training.shuffled:
            wanted = wanted.flatten()[torch.randperm(wanted.numel(), generator=drawn)]
        kicked = bool(training.kick) and step % training.kick == training.kick - 1
        if kicked:
            wanted = replaced(wanted, 1.0, classes, drawn)
        if training.sharpness_every and step % training.sharpness_every == 0:
            sharp.append([step, sharpness(model, (x[:500], y[:500]))])
        for group in optimizer.param_groups:
            group["lr"] = float(training.rates[step])
        loss = nn.functional.cross_entropy(model(data), wanted.flatten())
        model.zero_grad()
        (training.force * loss if kicked else loss).backward()
        norm = float(clip_grad_norm_(weights, training.clip or math.inf))
        before = parameters_to_vector(weights).detach()
        optimizer.step()
        moved = float((parameters_to_vector(weights).detach() - before).norm() / before.norm())
        columns["lr"][step] = training.rates[step]
        columns["loss"][step] = recorded(float(loss.detach()))
        columns["gradient_norm"][step] = recorded(norm)
        columns["update_ratio"][step] = moved
        if training.clip is not None:
            columns["clipped"][step] = norm > training.clip
        if step % max(1, total_steps // 20) == max(1, total_steps // 20) - 1:
            columns["validation"][step] = recorded(evaluated(model, check))
        done = step + 1
        if done > 20 and not np.isfinite(columns["loss"][done - 20 : done]).any():
            break
    facts = {
        "optimizer": training.optimizer,
        "classes": classes,
        "chance": chance(load, max(training.wrong, training.noise)),
        "steps_per_epoch": len(x) // training.batch,
    }
    if training.clip is not None:
        facts["clip_norm"] = training.clip
    if sharp:
        facts["sharpness"] = sharp
    return {name: values[:done] for name, values in columns.items()}, facts


def replaced(
    labels: torch.Tensor, share: float, classes: int, drawn: torch.Generator
) -> torch.Tensor:
    """Labels, a share of them replaced by random ones."""
    if not share:
        return labels
    random = torch.randint(classes, labels.shape, generator=drawn)
    return torch.where(torch.rand(labels.shape, generator=drawn) < share, random, labels)


@cache
def chance(load: Callable[[], Split], noise: float = 0.0) -> float:
    """The loss of a model that has learned only how frequent labels are, a share being random."""
    counts = torch.bincount(load()[0][1].flatten()).double()
    shares = (1.0 - noise) * counts / counts.sum() + noise / counts.numel()
    shares = shares[shares > 0]
    return float(-(shares * shares.log()).sum())


def recorded(value: float) -> float:
    """A value as columns have it: inf if it is not finite."""
    return value if math.isfinite(value) else math.inf


def evaluated(model: nn.Module, check: Pair) -> float:
    """The loss on the held-out examples."""
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(check[0]), check[1].flatten()))


def sharpness(model: nn.Module, batch: Pair, products: int = 12) -> float:
    """The largest eigenvalue of the Hessian over a batch, by power iteration."""
    weights = list(model.parameters())
    loss = nn.functional.cross_entropy(model(batch[0]), batch[1].flatten())
    slopes = torch.autograd.grad(loss, weights, create_graph=True)
    generator = torch.Generator().manual_seed(0)
    along = [torch.randn(weight.shape, generator=generator) for weight in weights]
    value = 0.0
    for _ in range(products):
        size = math.sqrt(sum(float((part * part).sum()) for part in along))
        along = [part / size for part in along]
        curved = torch.autograd.grad(slopes, weights, along, retain_graph=True)
        value = sum(float((a * b).sum()) for a, b in zip(along, curved, strict=True))
        along = [part.detach() for part in curved]
    return value
