"""A meter of the inputs of a model: their size, and whether examples differ."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from learnrate.run._module_hook import ModuleHook, is_compiled, tensors_in

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["InputMeter"]

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase)
_MOST_LAYERS = 256
_ERRORS = (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError)


class InputMeter:
    """Inspects the inputs of one forward pass in training, with hooks that are removed after it.

    Args:
        model: whose inputs are inspected; only a weak reference is kept.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = weakref.ref(model)
        self._handles: list[Any] = []
        self._columns: dict[str, Any] = {}
        self._inputs: weakref.ref[torch.Tensor] | None = None
        self._knows_layers = False

    def begin(self) -> None:
        """Look at the next forward pass."""
        self.close()
        model = self._model()
        if model is None or is_compiled(model):
            return
        self._columns, self._inputs = {}, None
        self._handles = [model.register_forward_pre_hook(ModuleHook(self._look), with_kwargs=True)]
        if not self._knows_layers:
            layers = [module for module in model.modules() if isinstance(module, _LAYERS)]
            for layer in layers[:_MOST_LAYERS]:
                handle = layer.register_forward_pre_hook(ModuleHook(self._look_at_layer))
                self._handles.append(handle)

    def end(self) -> Mapping[str, Any]:
        """The columns of the pass; none if there was none."""
        self.close()
        columns, self._columns, self._inputs = self._columns, {}, None
        if "input_rms" in columns and not self._knows_layers:
            columns.setdefault("input_direct", 0.0)
            self._knows_layers = True
        return columns

    def close(self) -> None:
        """Remove the hooks from the model, which is then as before."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _look(self, model: nn.Module, args: Any, kwargs: Any) -> None:
        if self._columns or not model.training:
            return
        if not torch.is_grad_enabled():
            return
        try:
            with torch.no_grad():
                self._columns = self._measured([*args, *kwargs.values()])
        except _ERRORS:
            self._columns = {}

    def _measured(self, arguments: list[Any]) -> dict[str, Any]:
        tensors = [tensor for tensor in tensors_in(arguments) if tensor.numel()]
        columns: dict[str, Any] = {}
        batches = [tensor for tensor in tensors if tensor.ndim and len(tensor) > 1]
        if batches:
            differs = [(tensor != tensor[:1]).any().float() for tensor in batches]
            columns["input_differs"] = torch.stack(differs).amax()
        numbers = [tensor for tensor in tensors if tensor.is_floating_point()]
        if numbers:
            columns["input_rms"] = numbers[0].float().square().mean().sqrt()
            self._inputs = weakref.ref(numbers[0])
        return columns

    def _look_at_layer(self, _layer: nn.Module, args: Any) -> None:
        inputs = None if self._inputs is None else self._inputs()
        if inputs is None or not args:
            return
        with suppress(*_ERRORS):
            if args[0] is inputs or _address(args[0]) == _address(inputs):
                self._columns["input_direct"] = 1.0


def _address(tensor: torch.Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), tensor.numel()
