"""The real data that claims are tested on.

The digits come with scikit-learn. The full tests also read Fashion-MNIST from Debian's package
dataset-fashion-mnist, and CIFAR-10, Omniglot and a text from the folder in `LEARNRATE_DATA`.
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
from torch.nn.functional import avg_pool2d

from learnrate._errors import FileError, needing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Examples",
    "NoisyExamples",
    "cifar",
    "digits",
    "fashion",
    "fashion_at_half_size",
    "noisy_digits",
    "omniglot",
    "shakespeare",
]

_FASHION = Path("/usr/share/datasets/fashion-mnist")

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Examples:
    """Inputs with classes, and more of them for validation.

    Attributes:
        x: training inputs, shape (examples, ...).
        y: their classes, shape (examples,).
        held_x: validation inputs.
        held_y: their classes.
        name: the name in reports.
    """

    x: torch.Tensor
    y: torch.Tensor
    held_x: torch.Tensor
    held_y: torch.Tensor
    name: str

    def batches(self, size: int) -> Callable[[int], Iterator[Pair]]:
        """One pass in an order that depends on the seed, without an incomplete last batch."""

        def one_pass(seed: int) -> Iterator[Pair]:
            order = torch.randperm(len(self.x), generator=torch.Generator().manual_seed(seed))
            for rows in order[: len(order) // size * size].split(size):
                yield self.x[rows], self.y[rows]

        return one_pass

    def first(self, count: int) -> Examples:
        """The first `count` training examples, and all validation examples."""
        return replace(self, x=self.x[:count], y=self.y[:count])


@dataclass(frozen=True)
class NoisyExamples(Examples):
    """Examples whose inputs get new Gaussian noise in every batch.

    Attributes:
        noise_std: standard deviation of the noise.
    """

    noise_std: float = 1.0

    def batches(self, size: int) -> Callable[[int], Iterator[Pair]]:
        """One pass in an order, and with noise, that depend on the seed."""
        without_noise = super().batches(size)

        def one_pass(seed: int) -> Iterator[Pair]:
            noise = torch.Generator().manual_seed(seed + 1)
            for x, y in without_noise(seed):
                yield x + self.noise_std * torch.randn(x.shape, generator=noise), y

        return one_pass


@cache
def digits() -> Examples:
    """scikit-learn's 1,797 digits of 8 x 8 pixels, 600 of them for validation."""
    with needing("sklearn", "claims", "Testing a claim"):
        from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to load
    images, labels = load_digits(return_X_y=True)
    x = (torch.tensor(images, dtype=torch.float32) - 4.88) / 6.02
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, validation = order[600:], order[:600]
    return Examples(x[train], y[train], x[validation], y[validation], "digits")


@cache
def noisy_digits() -> NoisyExamples:
    """Digits with new noise in every batch; four noisy copies of each validation digit.

    A network soon memorises a small data set, and its gradients are then no longer noisy, so that
    a decay has no effect to show. This data set cannot be memorised.
    """
    clean = digits()
    held_x, held_y = clean.held_x.repeat(4, 1), clean.held_y.repeat(4)
    noise = torch.randn(held_x.shape, generator=torch.Generator().manual_seed(0))
    return NoisyExamples(clean.x, clean.y, held_x + noise, held_y, "noisy digits")


@cache
def fashion() -> Examples:
    """20,000 training images of Fashion-MNIST, and 3,000 test images for validation; (784,) each.

    Raises:
        FileError: Fashion-MNIST is not installed.
    """

    def part(prefix: str, count: int) -> Pair:
        images = _idx(f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 784)[:count]
        classes = _idx(f"{prefix}-labels-idx1-ubyte.gz", 8)[:count]
        x = (torch.from_numpy(images.copy()).float() / 255 - 0.286) / 0.353
        return x, torch.from_numpy(classes.astype(np.int64))

    return Examples(*part("train", 20_000), *part("t10k", 3_000), "Fashion-MNIST")


@cache
def fashion_at_half_size() -> Examples:
    """Fashion-MNIST at 14 x 14 pixels, each the mean of four; (196,) each.

    Raises:
        FileError: Fashion-MNIST is not installed.
    """

    def halved(x: torch.Tensor) -> torch.Tensor:
        return avg_pool2d(x.unflatten(1, (1, 28, 28)), 2).flatten(1)

    full_size = fashion()
    return replace(full_size, x=halved(full_size.x), held_x=halved(full_size.held_x))


@cache
def cifar() -> Examples:
    """4,000 images of CIFAR-10, and 1,000 for validation; (3, 32, 32) each.

    Raises:
        FileError: the file `cifar10_exact_4k1k.npz` is not in the folder of `LEARNRATE_DATA`.
    """
    with np.load(_file("cifar10_exact_4k1k.npz")) as file:
        arrays = dict(file)

    def part(name: str) -> Pair:
        x = torch.from_numpy(arrays[f"x_{name}"]).permute(0, 3, 1, 2).float()
        y = torch.from_numpy(arrays[f"y_{name}"].astype(np.int64).reshape(-1))
        return ((x / 255 - 0.473) / 0.25).contiguous(), y

    return Examples(*part("train"), *part("test"), "CIFAR-10")


@cache
def omniglot() -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Characters of Omniglot, shape (images, 1, 28, 28), with the character and alphabet of each.

    Raises:
        FileError: the file `omniglot28.npz` is not in the folder of `LEARNRATE_DATA`.
    """
    with np.load(_file("omniglot28.npz")) as file:
        arrays = dict(file)
    images = torch.from_numpy(arrays["images"]).float()[:, None] / 255
    return images, arrays["char"], arrays["alphabet"]


@cache
def shakespeare() -> tuple[torch.Tensor, torch.Tensor, int]:
    """Tiny Shakespeare by characters: for training, the last tenth for validation, and the alphabet's size.

    Raises:
        FileError: the file `tinyshakespeare.txt` is not in the folder of `LEARNRATE_DATA`.
    """
    text = _file("tinyshakespeare.txt").read_text(encoding="utf-8")
    place = {char: index for index, char in enumerate(sorted(set(text)))}
    tokens = torch.tensor([place[char] for char in text])
    cut = len(tokens) * 9 // 10
    return tokens[:cut], tokens[cut:], len(place)


def _idx(name: str, start: int) -> np.ndarray:
    """The bytes of a Fashion-MNIST file after its header."""
    path = _FASHION / name
    if not path.is_file():
        raise FileError(
            f"--full reads Fashion-MNIST, but {path} does not exist. "
            "Install it with: apt-get install dataset-fashion-mnist"
        )
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=start)


def _file(name: str) -> Path:
    """The path of a file in the folder of the data."""
    folder = os.environ.get("LEARNRATE_DATA")
    if folder is None or not (Path(folder) / name).is_file():
        state = "is not set" if folder is None else f"is {folder!r}"
        raise FileError(
            f"--full reads {name} from the folder in LEARNRATE_DATA, which {state}. "
            "Set it to a folder that has this file."
        )
    return Path(folder) / name
