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
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

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
    def __init__(self, forms: Mapping[Any, Callable[..., Any]]) -> None:
        super().__init__()
        self._forms = forms
        self.replaced: set[Any] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        form = self._forms.get(func)
        if form is not None:
            result = form(*args, **(kwargs or {}))
            if result is not None:
                self.replaced.add(func)
                return result
        # With packed sequences, the batch sizes come before the state and the weights.
        if func not in _RECURRENT or not isinstance(args[2], list | tuple):
            return func(*args, **(kwargs or {}))
        with _without_onednn():
            return _RECURRENT[func](*args, **(kwargs or {}))


def batchable(
    model: nn.Module,
    forms: Mapping[Any, Callable[..., Any]] | None = None,
    worth: Collection[Any] = (),
) -> contextlib.AbstractContextManager[Any]:
    """A context in which a model's recurrent and attention layers run under `torch.vmap`.

    Make it once for each model, and enter it for every pass. It costs nothing for a model that has no
    such layers and calls none of the functions in `worth` in its first pass.

    Args:
        model: whose layers are looked at.
        forms: functions that are called in place of torch's; one that returns None leaves it to torch.
        worth: the functions for which it pays to look at every call.
    """
    parts = list(model.modules())
    recurrent = any(isinstance(part, nn.RNNBase) for part in parts)
    # On CPU only the MATH backend of attention has a rule; the others would run trial by trial.
    attention = any(isinstance(part, nn.MultiheadAttention) for part in parts)
    if not recurrent and not attention and not forms:
        return contextlib.nullcontext()
    mode = _Decomposed(forms or {}) if recurrent or forms else None
    return _BatchableContext(mode, None if recurrent or attention else worth, attention=attention)


class _BatchableContext:
    """Enters the contexts of a pass.

    Args:
        mode: looks at every call.
        worth: after the first pass, the mode is kept if it replaced one of these; None keeps it.
        attention: whether the model has an attention layer.
    """

    def __init__(
        self, mode: _Decomposed | None, worth: Collection[Any] | None, *, attention: bool
    ) -> None:
        self._mode = mode
        self._worth = worth
        self._attention = attention
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> None:
        if self._mode is not None:
            self._stack.enter_context(self._mode)
        if self._attention:
            self._stack.enter_context(sdpa_kernel(SDPBackend.MATH))

    def __exit__(self, *raised: object) -> None:
        self._stack.close()
        if self._mode is not None and self._worth is not None:
            if self._mode.replaced.isdisjoint(self._worth):
                self._mode = None
            self._worth = None
