"""Numbers that a device knows, read in another thread than the training's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Floats"]


class Floats:
    """Copies device values where they are, and reads a whole column of them at once, later."""

    def __init__(self) -> None:
        self._stream: Any = None

    def later(self, value: torch.Tensor) -> torch.Tensor:
        """A copy on the device, so that neither the graph is kept nor a reused buffer is read."""
        if value.device.type == "cuda":
            self._stream = torch.cuda.current_stream(value.device)
        return value.detach().clone()

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """Floats in place of tensors."""
        found = list(values)
        at = [i for i, value in enumerate(found) if isinstance(value, torch.Tensor)]
        if at:
            with self._behind():
                read = torch.stack([found[i].reshape(()).to(found[at[0]].device) for i in at])
                numbers = (
                    read.to(torch.float64).tolist()
                    if read.device.type == "cpu"
                    else (read.float().tolist())
                )
            for i, number in zip(at, numbers, strict=True):
                found[i] = number
        return found

    def _behind(self) -> contextlib.AbstractContextManager[Any]:
        """After what the training has asked of the device, in its own stream."""
        if self._stream is None:
            return contextlib.nullcontext()
        stream: contextlib.AbstractContextManager[Any] = torch.cuda.stream(self._stream)
        return stream
