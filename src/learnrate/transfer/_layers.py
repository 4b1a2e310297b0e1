"""The parameters of a torch model: names, axes, and the layers that use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from learnrate.transfer._dimensions import Axes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ATTENTION_SCALES", "Place", "own_parameters", "places"]

ATTENTION_SCALES = ("scaling", "scale", "softmax_scale")
"""The attributes in which attention layers keep the factor of query times key."""

_OUT_FIRST = Axes(fan_in=1, fan_out=0)
_IN_FIRST = Axes(fan_in=0, fan_out=1)
_VECTOR = Axes(fan_in=None, fan_out=0)
_GUESS = Axes(fan_in=None, fan_out=None, known=False)


@dataclass(frozen=True)
class Place:
    """A parameter in a layer that uses it; a shared parameter has several.

    Attributes:
        parameter: the parameter.
        module: the layer.
        module_name: the layer's name in the model.
        axes: what the parameter's axes mean in this layer.
    """

    parameter: nn.Parameter
    module: nn.Module
    module_name: str
    axes: Axes


def places(model: nn.Module) -> Iterator[Place]:
    """Every place of every parameter, in the order of `model.named_parameters()`."""
    for module_name, module in model.named_modules():
        for name, parameter in own_parameters(module):
            yield Place(parameter, module, module_name, _axes(module, name, parameter))


def own_parameters(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters of a module itself, without its submodules."""
    return list(module.named_parameters(recurse=False, remove_duplicate=False))


def _axes(module: nn.Module, name: str, parameter: torch.Tensor) -> Axes:
    """The meaning of the axes of a layer's parameter."""
    if parameter.dim() == 1:
        return _VECTOR
    if isinstance(module, nn.Embedding | nn.EmbeddingBag | _ConvTransposeNd):
        return _IN_FIRST
    if isinstance(module, nn.Linear | _ConvNd | nn.RNNBase | nn.RNNCellBase):
        return _OUT_FIRST
    if isinstance(module, nn.MultiheadAttention) and name.endswith("weight"):
        return _OUT_FIRST
    if _is_transposed_linear(module):
        return _IN_FIRST
    return _GUESS


def _is_transposed_linear(module: nn.Module) -> bool:
    """Whether it is a dense layer with its weight transposed, such as the `Conv1D` of transformers."""
    weight = getattr(module, "weight", None)
    inputs, outputs = getattr(module, "nx", None), getattr(module, "nf", None)
    return isinstance(weight, torch.Tensor) and tuple(weight.shape) == (inputs, outputs)
