"""Layers that `torch.vmap` has no rule for, in terms of operations it has rules for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch._decomp import decompositions
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["batchable"]

# The fused kernels of recurrent layers, and torch's own decompositions of them into matrix products.
_RECURRENT: dict[Any, Any] = {
    torch.gru: decompositions.gru_impl,
    torch.lstm: decompositions.lstm_impl,
    torch.rnn_tanh: decompositions.rnn_tanh_input,
    torch.rnn_relu: decompositions.rnn_relu_input,
}


class _Decomposed(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        # Packed sequences have their batch sizes before the state and the weights.
        if func in _RECURRENT and isinstance(args[2], list | tuple):
            func = _RECURRENT[func]
        return func(*args, **(kwargs or {}))


def batchable(model: nn.Module) -> contextlib.AbstractContextManager[Any]:
    """Within it, a model's recurrent and attention layers run under `torch.vmap`.

    Make it once a model and enter it for every pass; a model that needs nothing costs nothing.
    """
    parts = list(model.modules())
    recurrent = any(isinstance(part, nn.RNNBase) for part in parts)
    # Only the plain form of attention has a rule on CPU; the others would run trial by trial.
    attention = any(isinstance(part, nn.MultiheadAttention) for part in parts)
    if not recurrent and not attention:
        return contextlib.nullcontext()
    return _Entered(recurrent=recurrent, attention=attention)


class _Entered:
    def __init__(self, *, recurrent: bool, attention: bool) -> None:
        self._recurrent = recurrent
        self._attention = attention
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> None:
        if self._recurrent:
            self._stack.enter_context(_Decomposed())
        if self._attention:
            self._stack.enter_context(sdpa_kernel(SDPBackend.MATH))

    def __exit__(self, *raised: object) -> None:
        self._stack.close()
