"""The real data, read once a process, with a fixed validation set each.

Where it lies is one setting, `LEARNRATE_DATA` or `--data`; digits come with scikit-learn, and
Fashion-MNIST with Debian's package dataset-fashion-mnist.
"""

from __future__ import annotations

import gzip
import os
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Examples", "Text", "adult", "chars", "cifar", "digits", "fashion", "folder", "words"]

FASHION = Path("/usr/share/datasets/fashion-mnist")
LENGTH = 32  # tokens the text models see at once
WORDS = 1000  # the most frequent words of WikiText-2 are told apart, all others are <unk>
_DEFAULT = Path(__file__).parents[3] / "shared" / "data"

Pair = tuple[torch.Tensor, torch.Tensor]


def folder() -> Path:
    """Where the data lies."""
    return Path(os.environ.get("LEARNRATE_DATA", _DEFAULT))


def _file(name: str) -> Path:
    path = folder() / name
    if not path.is_file():
        raise SystemExit(f"there is no {path}; set LEARNRATE_DATA, or give --data FOLDER.")
    return path


def _drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Examples:
    """Inputs with classes, and others held out for validation."""

    x: torch.Tensor
    y: torch.Tensor
    held_x: torch.Tensor
    held_y: torch.Tensor

    def batches(self, size: int) -> Callable[[int], Iterator[Pair]]:
        """A pass in an order of the seed's own, the last batch left out unless it is whole."""

        def one_pass(seed: int) -> Iterator[Pair]:
            order = torch.randperm(len(self.x), generator=_drawn(seed))
            for rows in order[: len(order) // size * size].split(size):
                yield self.x[rows], self.y[rows]

        return one_pass

    def of_classes(self, lowest: int, highest: int) -> Examples:
        """Those of some classes alone, counted from 0."""

        def chosen(x: torch.Tensor, y: torch.Tensor) -> Pair:
            rows = (lowest <= y) & (y <= highest)
            return x[rows], y[rows] - lowest

        return Examples(*chosen(self.x, self.y), *chosen(self.held_x, self.held_y))

    def first(self, count: int) -> Examples:
        """The first examples to learn from; all for validation."""
        return Examples(self.x[:count], self.y[:count], self.held_x, self.held_y)


@dataclass(frozen=True)
class Text:
    """Tokens to learn from, and windows held out for validation."""

    tokens: torch.Tensor
    held_x: torch.Tensor
    held_y: torch.Tensor
    vocabulary: int

    def batches(self, size: int) -> Callable[[int], Iterator[Pair]]:
        """Windows from places drawn by the seed."""

        def one_pass(seed: int) -> Iterator[Pair]:
            generator = _drawn(seed)
            span = torch.arange(LENGTH + 1)
            for _ in range(1000):
                starts = torch.randint(len(self.tokens) - LENGTH, (size, 1), generator=generator)
                windows = self.tokens[starts + span]
                yield windows[:, :-1], windows[:, 1:]

        return one_pass


def _text(tokens: torch.Tensor, held: torch.Tensor, vocabulary: int, windows: int) -> Text:
    starts = torch.linspace(0, len(held) - LENGTH - 1, windows).long()[:, None]
    held_out = held[starts + torch.arange(LENGTH + 1)]
    return Text(tokens, held_out[:, :-1], held_out[:, 1:], vocabulary)


@lru_cache
def digits() -> Examples:
    """scikit-learn's 1,797 digits of 8 x 8 pixels, 40 % held out."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to load, and seldom needed

    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32) / 16
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=_drawn(0))
    train, held = order[:1078], order[1078:]
    return Examples(x[train], y[train], x[held], y[held])


def _idx(name: str, start: int) -> np.ndarray:
    path = FASHION / name
    if not path.is_file():
        raise SystemExit(f"there is no {path}; apt-get install dataset-fashion-mnist.")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=start)


@lru_cache
def fashion() -> Examples:
    """20,000 of Fashion-MNIST's training images, and 3,000 of its test images held out."""

    def part(prefix: str, count: int) -> Pair:
        images = _idx(f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 784)[:count]
        labels = _idx(f"{prefix}-labels-idx1-ubyte.gz", 8)[:count]
        x = (torch.from_numpy(images.copy()).float() / 255 - 0.286) / 0.353
        return x, torch.from_numpy(labels.astype(np.int64))

    return Examples(*part("train", 20_000), *part("t10k", 3_000))


@lru_cache
def cifar() -> Examples:
    """4,000 and 1,000 of CIFAR-10's images, scaled to mean 0 and deviation about 1."""
    with np.load(_file("cifar10_exact_4k1k.npz")) as held:
        arrays = {name: held[name] for name in ("x_train", "y_train", "x_test", "y_test")}

    def part(name: str) -> Pair:
        x = torch.from_numpy(arrays[f"x_{name}"]).permute(0, 3, 1, 2).float()
        y = torch.from_numpy(arrays[f"y_{name}"].astype(np.int64).reshape(-1))
        return ((x / 255 - 0.473) / 0.25).contiguous(), y

    return Examples(*part("train"), *part("test"))


@lru_cache
def adult() -> Examples:
    """UCI Adult as 123 binary features, 4,000 of its test rows held out."""
    with np.load(_file("adult_a9a.npz")) as held:
        arrays = dict(held)

    def part(name: str) -> Pair:
        x = torch.from_numpy(
            np.unpackbits(arrays[f"x_{name}"], axis=1)[:, :123].astype(np.float32)
        )
        y = torch.from_numpy((arrays[f"y_{name}"].reshape(-1) > 0).astype(np.int64))
        return x, y

    held_x, held_y = part("test")
    return Examples(*part("train"), held_x[:4000], held_y[:4000])


@lru_cache
def chars() -> Text:
    """Tiny Shakespeare by characters; its last tenth is held out, 500 windows of it."""
    text = _file("tinyshakespeare.txt").read_text()
    place = {char: index for index, char in enumerate(sorted(set(text)))}
    tokens = torch.tensor([place[char] for char in text])
    cut = len(tokens) * 9 // 10
    return _text(tokens[:cut], tokens[cut:], len(place), 500)


@lru_cache
def words() -> Text:
    """WikiText-2 by words, the most frequent ones told apart; 400 validation windows."""

    def read(name: str) -> list[str]:
        with gzip.open(_file(f"wikitext-2/{name}.txt.gz"), "rt", encoding="utf-8") as lines:
            return [word for line in lines for word in [*line.split(), "<eos>"]]

    train, valid = read("train"), read("valid")
    common = [word for word, _ in Counter(train).most_common(WORDS)]
    place = {word: index for index, word in enumerate(common)}
    unknown = place["<unk>"]
    tokens, held = (
        torch.tensor([place.get(word, unknown) for word in part]) for part in (train, valid)
    )
    return _text(tokens, held, WORDS, 400)
