"""Objects of the user's, put back exactly after being trained with."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["kept_state"]


@contextmanager
def kept_state(objects: Iterable[Any]) -> Iterator[Callable[[], None]]:
    """Put modules, optimizers, and whatever has a `state_dict`, back as they were.

    Yields a function that puts them back now; they are put back on leaving too, also after an
    error or Ctrl-C. Modules get back weights, buffers (those not saved too), gradients and modes;
    optimizers their state and rates. Tensors stay the same tensors, in place.

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
    if isinstance(one, Optimizer) and type(one).state_dict is Optimizer.state_dict:
        return _optimizer_restorer(one)
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
        (one, one.grad, None if one.grad is None else one.grad.clone())
        for one in module.parameters()
    ]
    modes = [(one, one.training) for one in module.modules()]

    def put_back() -> None:
        with torch.no_grad():
            for tensor, value in tensors:
                tensor.copy_(value)
            for parameter, gradient, slopes in gradients:
                if gradient is not None and slopes is not None:
                    gradient.copy_(slopes)
                parameter.grad = gradient
        for part, mode in modes:
            part.training = mode

    return put_back


def _optimizer_restorer(optimizer: Optimizer) -> Callable[[], None]:
    """Not through `load_state_dict`, which rounds what is kept in more bits than the weights."""
    state = {one: _keeper(held) for one, held in optimizer.state.items()}
    groups = [
        _keeper({k: v for k, v in one.items() if k != "params"}) for one in optimizer.param_groups
    ]
    flags = {
        name: held for name, held in vars(optimizer).items() if type(held) in {bool, int, float}
    }

    def put_back() -> None:
        optimizer.state.clear()
        with torch.no_grad():
            for one, held in state.items():
                optimizer.state[one] = held()
            for group, held in zip(optimizer.param_groups, groups, strict=True):
                kept = held()
                for name in group.keys() - kept.keys() - {"params"}:
                    del group[name]
                group.update(kept)
        vars(optimizer).update(flags)

    return put_back


def _keeper(held: Any) -> Callable[[], Any]:
    """What gives a value back as it is now: tensors as the same ones, the rest as copies."""
    if isinstance(held, torch.Tensor):
        value = held.detach().clone()
        return lambda: held.copy_(value)
    if type(held) is dict:
        parts = {key: _keeper(one) for key, one in held.items()}
        return lambda: {key: one() for key, one in parts.items()}
    value = copy.deepcopy(held)
    return lambda: copy.deepcopy(value)
