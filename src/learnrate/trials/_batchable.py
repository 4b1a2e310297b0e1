"""Layers that `torch.vmap` has no rule for, decomposed into operations that it has rules for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch._decomp import decompositions
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["batchable"]

# Fused kernels of recurrent layers, with torch's own decompositions into matrix products.
_RECURRENT: dict[Any, Any] = {
    torch.gru: decompositions.gru_impl,
    torch.lstm: decompositions.lstm_impl,
    torch.rnn_tanh: decompositions.rnn_tanh_input,
    torch.rnn_relu: decompositions.rnn_relu_input,
}


@contextlib.contextmanager
def _without_onednn() -> Iterator[None]:
    """No kernels of oneDNN, which torch chooses for an LSTM whose tensors need no gradient.

    Under `torch.vmap` no tensor shows that it needs one. `torch.backends.mkldnn.flags` also sets the
    precision, which warns on some machines.
    """
    enabled = torch._C._get_mkldnn_enabled()  # noqa: SLF001
    torch._C._set_mkldnn_enabled(False)  # noqa: SLF001
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)  # noqa: SLF001


class _Decomposed(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        # With packed sequences, the batch sizes come before the state and the weights.
        if func not in _RECURRENT or not isinstance(args[2], list | tuple):
            return func(*args, **(kwargs or {}))
        with _without_onednn():
            return _RECURRENT[func](*args, **(kwargs or {}))


def batchable(model: nn.Module) -> contextlib.AbstractContextManager[Any]:
    """A context in which a model's recurrent and attention layers run under `torch.vmap`.

    Make it once for each model, and enter it for every pass. It costs nothing for a model without
    such layers.
    """
    parts = list(model.modules())
    recurrent = any(isinstance(part, nn.RNNBase) for part in parts)
    # On CPU only the MATH backend of attention has a rule; the others would run trial by trial.
    attention = any(isinstance(part, nn.MultiheadAttention) for part in parts)
    if not recurrent and not attention:
        return contextlib.nullcontext()
    return _BatchableContext(recurrent=recurrent, attention=attention)


class _BatchableContext:
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
