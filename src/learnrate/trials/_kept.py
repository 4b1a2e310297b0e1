"""Objects of the user's, put back exactly after being trained with."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["kept_state"]


@contextmanager
def kept_state(objects: Iterable[Any]) -> Iterator[Callable[[], None]]:
    """Put modules, optimizers, and whatever has a `state_dict`, back as they were.

    Yields a function that puts them back now; they are put back on leaving too, also after an
    error or Ctrl-C. Modules get back weights, buffers (those not saved too), gradients and modes.

    Raises:
        ArgumentError: an object has no `state_dict` and `load_state_dict`.
    """
    restorers = [_restorer(one) for one in objects]

    def restore() -> None:
        for put_back in restorers:
            put_back()

    try:
        yield restore
    finally:
        restore()


def _restorer(one: Any) -> Callable[[], None]:
    if isinstance(one, nn.Module):
        return _module_restorer(one)
    if hasattr(one, "state_dict") and hasattr(one, "load_state_dict"):
        state = copy.deepcopy(one.state_dict())
        return lambda: one.load_state_dict(copy.deepcopy(state))
    raise ArgumentError(
        "state=[...] takes objects with state_dict and load_state_dict (modules, optimizers, "
        f"schedulers, scalers); got a {type(one).__name__}."
    )


def _module_restorer(module: nn.Module) -> Callable[[], None]:
    tensors = [(one, one.detach().clone()) for one in chain(module.parameters(), module.buffers())]
    gradients = [
        (one, None if one.grad is None else one.grad.clone()) for one in module.parameters()
    ]
    modes = [(one, one.training) for one in module.modules()]

    def put_back() -> None:
        with torch.no_grad():
            for tensor, value in tensors:
                tensor.copy_(value)
        for parameter, gradient in gradients:
            parameter.grad = None if gradient is None else gradient.clone()
        for part, mode in modes:
            part.training = mode

    return put_back
