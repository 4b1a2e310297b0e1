"""Hooks that only observe a module, and do nothing in its copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ModuleHook", "is_captured", "is_compiled", "tensors_in"]


class ModuleHook:
    """Calls a function at a forward pass of a module, unless the pass is compiled or captured.

    A module may be copied or pickled while it has the hook. The copy's hook does nothing.

    Args:
        look: called with the arguments of a hook of the module; returns nothing.
    """

    def __init__(self, look: Callable[..., None]) -> None:
        self._look = look

    def __call__(self, *arguments: Any) -> None:
        if not torch.compiler.is_compiling() and not is_captured():
            self._look(*arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return ModuleHook, (_look_at_nothing,)


def _look_at_nothing(*_arguments: Any) -> None:
    """Do nothing: the hook of a copied module looks at nothing."""


def is_captured() -> bool:
    """Whether the work is captured in a CUDA graph, where numbers cannot be read."""
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile made the module or its call, where hooks are not seen."""
    return hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None


def tensors_in(arguments: Any) -> Iterator[torch.Tensor]:
    """The tensors among arguments, and in the lists and dictionaries among them."""
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            yield argument
        elif isinstance(argument, dict):
            yield from tensors_in(argument.values())
        elif isinstance(argument, list | tuple):
            yield from tensors_in(argument)
