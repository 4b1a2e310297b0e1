"""The sizes of every layer's output and updates in a live model, which does not change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from learnrate.transfer._layers import own_parameters
from learnrate.trials import kept_random_state, seed_everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LayerProbe", "LayerSizes"]


@dataclass(frozen=True)
class LayerSizes:
    """Root mean squares of a layer's output.

    Attributes:
        start: that of the output before the first update.
        update: that of the change by the layer's own updates, for the input that it had first.
        change: that of the whole change.
        features: how many numbers its output has for the batch.
    """

    start: float
    update: float
    change: float
    features: int


class LayerProbe:
    """Remembers a new model's outputs and weights, and compares later ones with them.

    Args:
        model: the model, before its first update.
        forward: runs it on a fixed batch.
        seed: the seed of what the model draws, such as dropout masks.
    """

    def __init__(self, model: nn.Module, forward: Callable[[], Any], seed: int) -> None:
        self._model = model
        self._forward = forward
        self._seed = seed
        self._layers = [
            (_label(name, module), module)
            for name, module in _measured_modules(model)
            if _parameters(module)
        ]
        self._weights = {parameter: parameter.detach().clone() for parameter in model.parameters()}
        self._inputs: dict[str, tuple[Any, Any]] = {}
        self._first = self._outputs()

    def sizes(self) -> dict[str, LayerSizes]:
        """The sizes of every layer that was called, in the order of the forward pass."""
        outputs = self._outputs()
        updates = self._own_updates()
        return {
            label: LayerSizes(
                start=_size(first),
                update=_size(updates[label]),
                change=_size(outputs[label] - first),
                features=first.numel(),
            )
            for label, first in self._first.items()
            if label in outputs and label in updates and outputs[label].shape == first.shape
        }

    def _outputs(self) -> dict[str, torch.Tensor]:
        """The output of every layer; the first time its input is remembered too."""
        outputs: dict[str, torch.Tensor] = {}

        def record(label: str) -> Callable[..., None]:
            def hook(_: nn.Module, arguments: Any, keywords: Any, output: Any) -> None:
                tensor = _tensor(output)
                if label in outputs or tensor is None:
                    return
                outputs[label] = tensor.detach().clone()
                self._inputs.setdefault(label, (_copied(arguments), _copied(keywords)))

            return hook

        hooks = [
            module.register_forward_hook(record(label), with_kwargs=True)
            for label, module in self._layers
        ]
        try:
            with kept_random_state(), torch.no_grad():
                seed_everything(self._seed)
                self._forward()
        finally:
            for hook in hooks:
                hook.remove()
        return outputs

    def _own_updates(self) -> dict[str, torch.Tensor]:
        """The change of each layer's output by its own updates, for the input that it had first."""
        updates = {}
        present = {parameter: parameter.data for parameter in self._weights}
        try:
            for parameter, first in self._weights.items():
                parameter.data = first
            for label, module in self._layers:
                if label not in self._inputs:
                    continue
                before = self._output_of(label, module)
                for parameter in _parameters(module):
                    parameter.data = present[parameter]
                after = self._output_of(label, module)
                for parameter in _parameters(module):
                    parameter.data = self._weights[parameter]
                updates[label] = after - before
        finally:
            for parameter, data in present.items():
                parameter.data = data
        return updates

    def _output_of(self, label: str, module: nn.Module) -> torch.Tensor:
        """The output of a layer by itself, for the input that it had first."""
        arguments, keywords = self._inputs[label]
        with kept_random_state(), torch.no_grad():
            seed_everything(self._seed)
            output = _tensor(module.forward(*_copied(arguments), **_copied(keywords)))
        assert output is not None  # noqa: S101 - it was a tensor in the first pass
        return output.detach().clone()


def _measured_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules that have parameters; what is inside of attention counts as its own."""
    inside = ""
    for name, module in model.named_modules():
        if not (inside and name.startswith(inside)):
            if isinstance(module, nn.MultiheadAttention):
                inside = f"{name}."
            yield name, module


def _parameters(module: nn.Module) -> list[nn.Parameter]:
    if isinstance(module, nn.MultiheadAttention):
        return list(module.parameters())
    return [parameter for _, parameter in own_parameters(module)]


def _label(name: str, module: nn.Module) -> str:
    """A layer's name; a module with layers inside is named by its own parameters."""
    if isinstance(module, nn.MultiheadAttention) or not list(module.children()):
        return name or type(module).__name__
    prefix = f"{name}." if name else ""
    return " and ".join(f"{prefix}{parameter}" for parameter, _ in own_parameters(module))


def _tensor(output: Any) -> torch.Tensor | None:
    """The first tensor of a layer's output; None if there is none."""
    if isinstance(output, torch.Tensor):
        return output if output.is_floating_point() else None
    parts = output.values() if isinstance(output, dict) else output
    if not isinstance(output, dict | list | tuple):
        return None
    return next((part for part in map(_tensor, parts) if part is not None), None)


def _copied(value: Any) -> Any:
    """A copy of the tensors in a layer's arguments, which a later layer may change in place."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    if type(value) in {list, tuple}:
        return type(value)(map(_copied, value))
    return value


def _size(tensor: torch.Tensor) -> float:
    return float(tensor.double().pow(2).mean().sqrt())
