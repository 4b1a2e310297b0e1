"""Copies of a module that share the memory of frozen weights until something writes to it."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import chain
from typing import Any

import torch
from torch import nn

__all__ = ["copied_model", "lazy_copy", "shares_memory"]

# Makes a tensor that shares memory until one of the two is written to; torch then gives this one its own
# memory. The function is not public, so a plain copy is made if torch removes it.
_LAZY_CLONE: Any = getattr(torch, "_lazy_clone", None)
_ADDRESS: Any = getattr(torch._C, "_data_address", None)  # noqa: SLF001 - data_ptr() ends the sharing


def copied_model(model: nn.Module) -> nn.Module:
    """A deep copy of a module whose frozen weights and buffers take no memory until they change.

    Both modules can be used, changed and saved as if they shared nothing. Memory that torch does not
    own, such as that of a mapped file, of a numpy array, or of several processes, is copied.
    """
    frozen = (p for p in model.parameters() if type(p) is nn.Parameter and not p.requires_grad)
    buffers = (buffer for buffer in model.buffers() if type(buffer) is torch.Tensor)
    uses = Counter(map(_storage, chain(model.parameters(), model.buffers())))
    copies: dict[int, Any] = {}
    for tensor in chain(frozen, buffers):
        storage = _storage(tensor)
        if storage is None or uses[storage] > 1 or tensor.requires_grad:
            continue  # a view of another tensor must be one of its copy, too
        shared = lazy_copy(tensor.detach())
        if shared is not None:
            is_parameter = isinstance(tensor, nn.Parameter)
            copies[id(tensor)] = nn.Parameter(shared, False) if is_parameter else shared
    return copy.deepcopy(model, copies)


def lazy_copy(tensor: torch.Tensor) -> torch.Tensor | None:
    """A copy without memory until it or the tensor is written to; None if that is impossible.

    Args:
        tensor: without a gradient.
    """
    if _LAZY_CLONE is None or _ADDRESS is None or tensor.layout is not torch.strided:
        return None
    try:
        shared: torch.Tensor = _LAZY_CLONE(tensor)
    except (RuntimeError, NotImplementedError):  # of memory that torch does not own
        return None
    return shared


def shares_memory(tensor: torch.Tensor, shared: torch.Tensor) -> bool:
    """Whether neither a tensor nor its lazy copy has been written to since the copy."""
    return bool(_ADDRESS(tensor) == _ADDRESS(shared))


def _storage(tensor: torch.Tensor) -> int | None:
    """The identity of the storage of a tensor; None if it has none."""
    if tensor.layout is not torch.strided:
        return None
    try:
        identity: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - data_ptr() ends the sharing
    except (RuntimeError, NotImplementedError):
        return None
    return identity
