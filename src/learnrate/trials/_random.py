"""The global random number generators: saved, seeded and restored."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class RandomState:
    """The state of every global generator a training may draw from."""

    python: tuple[Any, ...]
    numpy: Any
    cpu: torch.Tensor
    cuda: list[torch.Tensor] | None
    mps: torch.Tensor | None

    @classmethod
    def capture(cls) -> RandomState:
        """Save Python's, NumPy's and torch's global generators, and those of devices in use."""
        return cls(
            python=random.getstate(),
            numpy=np.random.get_state(),  # noqa: NPY002 - the global generator is what users draw from
            cpu=torch.get_rng_state(),
            cuda=torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None,
            mps=torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        )

    def restore(self) -> None:
        """Restore all generators to the state that was captured, to the bit."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)  # noqa: NPY002 - the global generator is what users draw from
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state_all(self.cuda)
        if self.mps is not None:
            torch.mps.set_rng_state(self.mps)


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Restore the global generators on leaving the block, also after an error or Ctrl-C."""
    state = RandomState.capture()
    try:
        yield
    finally:
        state.restore()


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global generator is what users draw from
    torch.manual_seed(seed)


def derived_seed(seed: int, *path: int) -> int:
    """A seed derived from `seed`, so that no two uses of `seed` draw the same numbers.

    Args:
        seed: at least 0.
        path: whole numbers that identify the use.
    """
    return int(np.random.SeedSequence([seed, *path]).generate_state(1, np.uint32)[0])
