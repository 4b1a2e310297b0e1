"""The real data, each with a fixed validation set, read once in a process.

The folder is set by `LEARNRATE_DATA` or `--data`. The digits come with scikit-learn, and
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
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Examples", "Text", "adult", "chars", "cifar", "digits", "fashion", "folder", "words"]

FASHION = Path("/usr/share/datasets/fashion-mnist")
LENGTH = 32  # tokens in a window of the text models
WORDS = 1000  # size of the vocabulary of WikiText-2; all less frequent words are <unk>
_DEFAULT = Path(__file__).parents[3] / "shared" / "data"

Pair = tuple[torch.Tensor, torch.Tensor]


def folder() -> Path:
    """The folder of the data sets."""
    return Path(os.environ.get("LEARNRATE_DATA", _DEFAULT))


def _file(name: str) -> Path:
    path = folder() / name
    if not path.is_file():
        raise SystemExit(f"{path} does not exist; set LEARNRATE_DATA, or use --data FOLDER.")
    return path


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Pass:
    """One pass over examples, whose length is known.

    Args:
        x: inputs.
        y: classes or values.
        rows: of each batch.
    """

    x: torch.Tensor
    y: torch.Tensor
    rows: Sequence[torch.Tensor]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Pair]:
        return ((self.x[rows], self.y[rows]) for rows in self.rows)


@dataclass(frozen=True)
class Examples:
    """Inputs with classes or values, for training and for validation."""

    x: torch.Tensor
    y: torch.Tensor
    held_x: torch.Tensor
    held_y: torch.Tensor

    def batches(self, size: int | None) -> Callable[[int], Iterable[Pair]]:
        """One pass in an order that depends on the seed, without an incomplete last batch.

        Args:
            size: examples in a batch; None for all at once.
        """
        width = len(self.x) if size is None else size

        def one_pass(seed: int) -> Pass:
            order = torch.randperm(len(self.x), generator=_generator(seed))
            return Pass(self.x, self.y, order[: len(order) // width * width].split(width))

        return one_pass

    @property
    def validation(self) -> Pair:
        """The validation set, as one batch."""
        return self.held_x, self.held_y

    def of_classes(self, lowest: int, highest: int) -> Examples:
        """The examples of some classes, numbered from 0."""

        def chosen(x: torch.Tensor, y: torch.Tensor) -> Pair:
            rows = (lowest <= y) & (y <= highest)
            return x[rows], y[rows] - lowest

        return Examples(*chosen(self.x, self.y), *chosen(self.held_x, self.held_y))

    def first(self, count: int) -> Examples:
        """The first training examples, and all validation examples."""
        return Examples(self.x[:count], self.y[:count], self.held_x, self.held_y)


@dataclass(frozen=True)
class Text:
    """Tokens for training, and windows for validation."""

    tokens: torch.Tensor
    held_x: torch.Tensor
    held_y: torch.Tensor
    vocabulary: int

    @property
    def validation(self) -> Pair:
        """The validation windows, as one batch."""
        return self.held_x, self.held_y

    def batches(self, size: int | None) -> Callable[[int], Iterator[Pair]]:
        """Windows at positions that depend on the seed.

        Args:
            size: windows in a batch; None is refused, because the text has too many.

        Raises:
            ValueError: there is no size.
        """
        if size is None:
            raise ValueError("a text has no batch of all windows")

        def one_pass(seed: int) -> Iterator[Pair]:
            generator = _generator(seed)
            span = torch.arange(LENGTH + 1)
            for _ in range(1000):
                starts = torch.randint(len(self.tokens) - LENGTH, (size, 1), generator=generator)
                windows = self.tokens[starts + span]
                yield windows[:, :-1], windows[:, 1:]

        return one_pass


def _text(tokens: torch.Tensor, validation: torch.Tensor, vocabulary: int, windows: int) -> Text:
    starts = torch.linspace(0, len(validation) - LENGTH - 1, windows).long()[:, None]
    held_out = validation[starts + torch.arange(LENGTH + 1)]
    return Text(tokens, held_out[:, :-1], held_out[:, 1:], vocabulary)


@lru_cache
def digits() -> Examples:
    """scikit-learn's 1,797 digits of 8 x 8 pixels, 40 % of them for validation."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to load

    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32) / 16
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=_generator(0))
    train, validation = order[:1078], order[1078:]
    return Examples(x[train], y[train], x[validation], y[validation])


def _idx(name: str, start: int) -> np.ndarray:
    path = FASHION / name
    if not path.is_file():
        raise SystemExit(
            f"{path} does not exist; install it with: apt-get install dataset-fashion-mnist"
        )
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=start)


@lru_cache
def fashion() -> Examples:
    """20,000 training images of Fashion-MNIST, and 3,000 test images for validation."""

    def part(prefix: str, count: int) -> Pair:
        images = _idx(f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 784)[:count]
        labels = _idx(f"{prefix}-labels-idx1-ubyte.gz", 8)[:count]
        x = (torch.from_numpy(images.copy()).float() / 255 - 0.286) / 0.353
        return x, torch.from_numpy(labels.astype(np.int64))

    return Examples(*part("train", 20_000), *part("t10k", 3_000))


@lru_cache
def cifar() -> Examples:
    """4,000 images of CIFAR-10, and 1,000 for validation, scaled to mean 0 and standard deviation 1."""
    with np.load(_file("cifar10_exact_4k1k.npz")) as file:
        arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}

    def part(name: str) -> Pair:
        x = torch.from_numpy(arrays[f"x_{name}"]).permute(0, 3, 1, 2).float()
        y = torch.from_numpy(arrays[f"y_{name}"].astype(np.int64).reshape(-1))
        return ((x / 255 - 0.473) / 0.25).contiguous(), y

    return Examples(*part("train"), *part("test"))


@lru_cache
def adult() -> Examples:
    """UCI Adult as 123 binary features, with 4,000 of its test rows for validation."""
    with np.load(_file("adult_a9a.npz")) as file:
        arrays = dict(file)

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
    """Tiny Shakespeare by characters, with 500 windows of its last tenth for validation."""
    text = _file("tinyshakespeare.txt").read_text()
    place = {char: index for index, char in enumerate(sorted(set(text)))}
    tokens = torch.tensor([place[char] for char in text])
    cut = len(tokens) * 9 // 10
    return _text(tokens[:cut], tokens[cut:], len(place), 500)


@lru_cache
def words() -> Text:
    """WikiText-2 by words, the most frequent ones in the vocabulary; 400 validation windows."""

    def read(name: str) -> list[str]:
        with gzip.open(_file(f"wikitext-2/{name}.txt.gz"), "rt", encoding="utf-8") as lines:
            return [word for line in lines for word in [*line.split(), "<eos>"]]

    train, valid = read("train"), read("valid")
    common = [word for word, _ in Counter(train).most_common(WORDS)]
    place = {word: index for index, word in enumerate(common)}
    unknown = place["<unk>"]
    tokens, validation = (
        torch.tensor([place.get(word, unknown) for word in part]) for part in (train, valid)
    )
    return _text(tokens, validation, WORDS, 400)
