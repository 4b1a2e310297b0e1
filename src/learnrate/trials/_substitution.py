"""Other tensors in place of a model's parameters for one pass; the model is the same afterwards.

`torch.func.functional_call` restores a parameter that the model has under several names in the wrong
order, and leaves the tensors of the pass in the model. Here every place is restored, together with
all other attributes that a pass may set.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn

__all__ = ["Substitution"]

_COPIED = (dict, list, set)  # kinds of attributes that a pass may change in place


class Substitution:
    """The places of some parameters in a model, to run it with other tensors there.

    A parameter that is shared, or a module that is registered under several names, has several
    places; each gets the same tensor.

    Args:
        model: the module that is run.
        parameters: of the model, by any name.
    """

    def __init__(self, model: nn.Module, parameters: Mapping[str, torch.Tensor]) -> None:
        self._modules = list(model.modules())
        self._buffers = list(model.buffers())
        names = {id(parameter): name for name, parameter in parameters.items()}
        self._places = [
            (module, own_name, names[id(parameter)])
            for module in self._modules
            for own_name, parameter in module._parameters.items()  # noqa: SLF001
            if id(parameter) in names
        ]

    @contextmanager
    def active(self, tensors: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """Put a tensor in every place, and restore the model afterwards, also after an error.

        Args:
            tensors: by the names of the parameters.
        """
        saved = [(module, _attributes(module)) for module in self._modules]
        values = [(buffer, buffer._version, buffer.clone()) for buffer in self._buffers]  # noqa: SLF001
        try:
            for module, own_name, name in self._places:
                module._parameters[own_name] = tensors[name]  # type: ignore[assignment] # noqa: SLF001
            yield
        finally:
            for module, attributes in saved:
                _restore(module, attributes)
            with torch.no_grad():
                for buffer, version, value in values:
                    if buffer._version != version:  # noqa: SLF001
                        buffer.copy_(value)


def _attributes(module: nn.Module) -> dict[str, tuple[Any, Any]]:
    """Every attribute and, of a container, a copy of what it contains."""
    return {
        name: (value, type(value)(value) if type(value) in _COPIED else None)
        for name, value in vars(module).items()
    }


def _restore(module: nn.Module, attributes: dict[str, tuple[Any, Any]]) -> None:
    present = vars(module)
    for name in present.keys() - attributes.keys():
        del present[name]
    for name, (value, contents) in attributes.items():
        present[name] = value
        if type(value) is list:
            value[:] = contents
        elif type(value) in _COPIED:
            value.clear()
            value.update(contents)
