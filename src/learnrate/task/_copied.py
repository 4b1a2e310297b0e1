"""Copies of a module that share the memory of what is not trained, until something writes to it."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import chain
from typing import Any

import torch
from torch import nn

__all__ = ["copied_model", "lazy_copy", "shares_memory"]

# Tensors that share memory until one of them is written to: torch then gives that one memory of its
# own, whoever writes. It has no public name, so the copy is a plain one if it should disappear.
_LAZY_CLONE: Any = getattr(torch, "_lazy_clone", None)
_ADDRESS: Any = getattr(torch._C, "_data_address", None)  # noqa: SLF001 - data_ptr() ends the sharing


def copied_model(model: nn.Module) -> nn.Module:
    """A deep copy of a module, whose frozen parameters and buffers take no memory while nobody writes.

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
    """A copy that takes no memory while nobody writes to it or to the tensor; None if there is none.

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
    """Whether nobody has written to a tensor, nor to its lazy copy, since the copy was made."""
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
