"""Parameters of which each process holds only a part, as under FSDP and tensor parallelism."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["is_flat_part", "is_sharded", "whole_tensor"]


def is_sharded(parameter: torch.Tensor) -> bool:
    """Whether this process holds only a part of a parameter (FSDP, tensor parallelism)."""
    return is_flat_part(parameter) or hasattr(parameter, "to_local")


def whole_tensor(parameter: torch.Tensor) -> torch.Tensor:
    """All values of a parameter. Those of a DTensor are collected, so each process must call this."""
    values = parameter.detach()
    whole: torch.Tensor = values.full_tensor() if hasattr(values, "full_tensor") else values
    return whole


def is_flat_part(parameter: torch.Tensor) -> bool:
    """Whether a parameter of `FullyShardedDataParallel` lacks the shape that it has in the model."""
    flat = getattr(parameter, "_is_flat_param", False)
    return bool(flat or getattr(parameter, "_fsdp_flattened", False))
