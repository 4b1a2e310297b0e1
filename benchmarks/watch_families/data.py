"""The data that do not come with a package: in the folder that `LEARNRATE_DATA` names."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

__all__ = ["characters", "folder", "photographs"]

_DEFAULT = Path(__file__).parents[3] / "shared" / "data"


def folder() -> Path:
    """The folder of the data sets."""
    place = Path(os.environ.get("LEARNRATE_DATA", _DEFAULT))
    if not place.is_dir():
        raise SystemExit(f"{place} does not exist; set LEARNRATE_DATA, or use --data FOLDER.")
    return place


@lru_cache
def characters() -> torch.Tensor:
    """Omniglot's characters: (901, 20, 12, 12), each by 20 drawers, ink 1."""
    with np.load(folder() / "omniglot28.npz") as arrays:
        pictures = torch.tensor(arrays["images"], dtype=torch.float32)[:, None] / 255
    small = functional.adaptive_avg_pool2d(pictures, 12)
    return (small / 0.5).clamp(0, 1).reshape(901, 20, 12, 12)


@lru_cache
def photographs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """CIFAR-10 at 12 x 12 pixels: 3,000 for training and 600 for validation, with their classes."""

    def small(images: np.ndarray) -> torch.Tensor:
        tensor = torch.tensor(images, dtype=torch.float32).permute(0, 3, 1, 2) / 255
        return (functional.adaptive_avg_pool2d(tensor, 12) - 0.47) / 0.22

    with np.load(folder() / "cifar10_exact_4k1k.npz") as arrays:
        labels = [torch.tensor(arrays[name], dtype=torch.long) for name in ("y_train", "y_test")]
        images = [small(arrays[name]) for name in ("x_train", "x_test")]
    return images[0][:3000], labels[0][:3000], images[1][:600], labels[1][:600]
