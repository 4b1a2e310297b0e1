"""The axis of the trials: hidden from a model as `torch.vmap` does, or shown to one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._C import _functorch as functorch
from torch._functorch.vmap import lazy_load_decompositions  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Opened", "over_trials"]


def over_trials(
    function: Callable[[list[torch.Tensor]], torch.Tensor], tensors: list[torch.Tensor]
) -> torch.Tensor:
    """`torch.vmap` of a function from a list of tensors to one, with random draws of each trial.

    `torch.vmap` looks for structure in arguments and results, which takes a third of the forward pass of
    a small model.

    Raises:
        TypeError: the result is not a tensor.
    """
    lazy_load_decompositions()
    width = len(tensors[0])
    level = functorch._vmap_increment_nesting(width, "different")  # noqa: SLF001
    try:
        hidden = [functorch._add_batch_dim(tensor, 0, level) for tensor in tensors]  # noqa: SLF001
        result = function(hidden)
        if not isinstance(result, torch.Tensor):
            raise TypeError(f"the loss must be a tensor; got {type(result).__name__}")
        return functorch._remove_batch_dim(result, level, width, 0)  # noqa: SLF001
    finally:
        functorch._vmap_decrement_nesting()  # noqa: SLF001


class Opened:
    """The tensors of a call, without the wrappers that `torch.vmap` puts around those of a trial.

    Attributes:
        width: number of trials.
        tensors: each with the trials as its first axis; None for an argument that is None.
        stacked: which of them differ from trial to trial.
    """

    def __init__(self, *arguments: torch.Tensor | None) -> None:
        self._level = functorch.maybe_current_level() or 0  # which is not a level
        self.width = 0
        self.stacked = [False] * len(arguments)
        self.tensors: list[Any] = list(arguments)
        for place, argument in enumerate(arguments):
            if argument is None or not functorch.is_batchedtensor(argument):
                continue
            if functorch.maybe_get_level(argument) == self._level:
                dim = functorch.maybe_get_bdim(argument)
                tensor = functorch.get_unwrapped(argument)
                self.tensors[place] = tensor.movedim(dim, 0) if dim else tensor
                self.stacked[place] = True
                self.width = len(self.tensors[place])
        for place, tensor in enumerate(self.tensors):
            if tensor is not None and self.width and not self.stacked[place]:
                self.tensors[place] = tensor.expand(self.width, *tensor.shape)

    def __enter__(self) -> None:
        """Leave `torch.vmap`, which looks at every call, also at those on plain tensors."""
        self._layer = functorch.pop_dynamic_layer_stack()

    def __exit__(self, *raised: object) -> None:
        functorch.push_dynamic_layer_stack(self._layer)

    def closed(self, result: torch.Tensor, dim: int = 0) -> torch.Tensor:
        """A result with the trials as axis `dim`, as a tensor of one trial."""
        return functorch._add_batch_dim(result, dim, self._level)  # noqa: SLF001
