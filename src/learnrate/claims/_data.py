"""The real data that claims are tested on.

Digits come with scikit-learn. The full tests also read Fashion-MNIST, as Debian's package
dataset-fashion-mnist installs it, and CIFAR-10 and text from the folder that `LEARNRATE_DATA` names.
"""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate._errors import FileError, needing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Examples",
    "NoisyExamples",
    "cifar",
    "digits",
    "fashion",
    "noisy_digits",
    "shakespeare",
]

_FASHION = Path("/usr/share/datasets/fashion-mnist")

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Examples:
    """Inputs with classes, and others held out.

    Attributes:
        x: inputs to learn from, shape (examples, ...).
        y: their classes, shape (examples,).
        held_x: inputs held out.
        held_y: their classes.
        name: what reports call them.
    """

    x: torch.Tensor
    y: torch.Tensor
    held_x: torch.Tensor
    held_y: torch.Tensor
    name: str

    def batches(self, size: int) -> Callable[[int], Iterator[Pair]]:
        """A pass in an order of the seed's own, the last batch left out unless it is whole."""

        def one_pass(seed: int) -> Iterator[Pair]:
            order = torch.randperm(len(self.x), generator=torch.Generator().manual_seed(seed))
            for rows in order[: len(order) // size * size].split(size):
                yield self.x[rows], self.y[rows]

        return one_pass

    def first(self, count: int) -> Examples:
        """The first so many to learn from; all that are held out."""
        return replace(self, x=self.x[:count], y=self.y[:count])


@dataclass(frozen=True)
class NoisyExamples(Examples):
    """Examples whose inputs get new Gaussian noise in every batch, so that none comes twice.

    Attributes:
        spread: the noise's standard deviation.
    """

    spread: float = 1.0

    def batches(self, size: int) -> Callable[[int], Iterator[Pair]]:
        """A pass in an order of the seed's own, with noise of its own."""
        still = super().batches(size)

        def one_pass(seed: int) -> Iterator[Pair]:
            noise = torch.Generator().manual_seed(seed + 1)
            for x, y in still(seed):
                yield x + self.spread * torch.randn(x.shape, generator=noise), y

        return one_pass


@cache
def digits() -> Examples:
    """scikit-learn's 1,797 digits of 8 x 8 pixels, 600 of them held out."""
    with needing("sklearn", "claims", "Testing a claim"):
        from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to load
    images, labels = load_digits(return_X_y=True)
    x = (torch.tensor(images, dtype=torch.float32) - 4.88) / 6.02
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, held = order[600:], order[:600]
    return Examples(x[train], y[train], x[held], y[held], "digits")


@cache
def noisy_digits() -> NoisyExamples:
    """Digits under new noise in every batch; those held out four times over, with noise that stays.

    A small set is soon known by heart, and its gradients are then no longer noisy: what a decay is
    for cannot be seen on it. This one cannot be learned by heart.
    """
    known = digits()
    held_x, held_y = known.held_x.repeat(4, 1), known.held_y.repeat(4)
    noise = torch.randn(held_x.shape, generator=torch.Generator().manual_seed(0))
    return NoisyExamples(known.x, known.y, held_x + noise, held_y, "noisy digits")


@cache
def fashion() -> Examples:
    """20,000 of Fashion-MNIST's training images, 3,000 of its test images held out; (784,) each.

    Raises:
        FileError: it is not installed.
    """

    def part(prefix: str, count: int) -> Pair:
        images = _idx(f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 784)[:count]
        classes = _idx(f"{prefix}-labels-idx1-ubyte.gz", 8)[:count]
        x = (torch.from_numpy(images.copy()).float() / 255 - 0.286) / 0.353
        return x, torch.from_numpy(classes.astype(np.int64))

    return Examples(*part("train", 20_000), *part("t10k", 3_000), "Fashion-MNIST")


@cache
def cifar() -> Examples:
    """4,000 of CIFAR-10's images and 1,000 held out, (3, 32, 32) each.

    Raises:
        FileError: the file `cifar10_exact_4k1k.npz` is not in the folder of `LEARNRATE_DATA`.
    """
    with np.load(_file("cifar10_exact_4k1k.npz")) as kept:
        arrays = dict(kept)

    def part(name: str) -> Pair:
        x = torch.from_numpy(arrays[f"x_{name}"]).permute(0, 3, 1, 2).float()
        y = torch.from_numpy(arrays[f"y_{name}"].astype(np.int64).reshape(-1))
        return ((x / 255 - 0.473) / 0.25).contiguous(), y

    return Examples(*part("train"), *part("test"), "CIFAR-10")


@cache
def shakespeare() -> tuple[torch.Tensor, torch.Tensor, int]:
    """Tiny Shakespeare by characters: those to learn from, the last tenth held out, how many differ.

    Raises:
        FileError: the file `tinyshakespeare.txt` is not in the folder of `LEARNRATE_DATA`.
    """
    text = _file("tinyshakespeare.txt").read_text(encoding="utf-8")
    place = {char: index for index, char in enumerate(sorted(set(text)))}
    tokens = torch.tensor([place[char] for char in text])
    cut = len(tokens) * 9 // 10
    return tokens[:cut], tokens[cut:], len(place)


def _idx(name: str, start: int) -> np.ndarray:
    path = _FASHION / name
    if not path.is_file():
        raise FileError(
            f"--full reads Fashion-MNIST, and there is no {path}. "
            "Install it with: apt-get install dataset-fashion-mnist"
        )
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=start)


def _file(name: str) -> Path:
    folder = os.environ.get("LEARNRATE_DATA")
    if folder is None or not (Path(folder) / name).is_file():
        said = "is not set" if folder is None else f"is {folder!r}"
        raise FileError(
            f"--full reads {name}, from the folder that LEARNRATE_DATA names; it {said}. "
            "Set it to a folder with that file."
        )
    return Path(folder) / name
