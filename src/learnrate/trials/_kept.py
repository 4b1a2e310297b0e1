"""Objects of the user's, restored exactly after training with them."""

from __future__ import annotations

import copy
from collections import OrderedDict
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer

from learnrate._checks import kind_of
from learnrate._errors import ArgumentError
from learnrate.task import lazy_copy, shares_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["kept_state", "without_hooks"]

_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


@contextmanager
def without_hooks(optimizer: Optimizer) -> Iterator[None]:
    """Call none of the optimizer's hooks, so that whoever is attached to it sees nothing."""
    hooks_by_name = {name: getattr(optimizer, name) for name in _HOOKS}
    try:
        for name in hooks_by_name:
            setattr(optimizer, name, OrderedDict())
        yield
    finally:
        for name, hooks in hooks_by_name.items():
            setattr(optimizer, name, hooks)


@contextmanager
def kept_state(objects: Iterable[Any]) -> Iterator[Callable[[], None]]:
    """Restore modules, optimizers, and other objects with a `state_dict`, on leaving the block.

    They are restored after an error or Ctrl-C too. Yields a function that restores them at once.
    Modules get back weights, buffers (non-persistent ones too), gradients and modes; optimizers get
    back state and rates. Tensors are restored in place.

    Args:
        objects: modules, optimizers, and objects with `state_dict` and `load_state_dict`.

    Raises:
        ArgumentError: an object has no `state_dict` and `load_state_dict`.
    """
    restorers = [_restorer(part) for part in objects]

    def restore() -> None:
        for restore_part in restorers:
            restore_part()

    try:
        yield restore
    finally:
        restore()


def _restorer(part: Any) -> Callable[[], None]:
    if isinstance(part, nn.Module):
        return _module_restorer(part)
    if isinstance(part, Optimizer) and type(part).state_dict is Optimizer.state_dict:
        return _optimizer_restorer(part)
    if hasattr(part, "state_dict") and hasattr(part, "load_state_dict"):
        state = copy.deepcopy(part.state_dict())
        return lambda: part.load_state_dict(copy.deepcopy(state))
    raise ArgumentError(
        "state=[...] takes objects with state_dict and load_state_dict (modules, optimizers, "
        f"schedulers, scalers); got {kind_of(part)}."
    )


def _module_restorer(module: nn.Module) -> Callable[[], None]:
    restorers = [
        _tensor_restorer(tensor) for tensor in chain(module.parameters(), module.buffers())
    ]
    gradients = [
        (parameter, parameter.grad, None if parameter.grad is None else parameter.grad.clone())
        for parameter in module.parameters()
    ]
    modes = [(submodule, submodule.training) for submodule in module.modules()]

    def restore() -> None:
        with torch.no_grad():
            for restore_tensor in restorers:
                restore_tensor()
            for parameter, gradient, saved in gradients:
                if gradient is not None and saved is not None:
                    gradient.copy_(saved)
                parameter.grad = gradient
        for submodule, mode in modes:
            submodule.training = mode

    return restore


def _tensor_restorer(tensor: torch.Tensor) -> Callable[[], None]:
    """Of a frozen weight, nothing is copied until something writes to it.

    A buffer is small, and may be written to past torch, through a numpy array that shares its memory.
    """
    is_frozen = isinstance(tensor, nn.Parameter) and not tensor.requires_grad
    shared = lazy_copy(tensor.detach()) if is_frozen else None
    if shared is None:
        value = tensor.detach().clone()
        return lambda: _copy(tensor, value)

    def restore() -> None:
        if not shares_memory(tensor, shared):
            tensor.copy_(shared)

    return restore


def _copy(tensor: torch.Tensor, value: torch.Tensor) -> None:
    tensor.copy_(value)


def _optimizer_restorer(optimizer: Optimizer) -> Callable[[], None]:
    """Not through `load_state_dict`, which rounds state of a higher precision than the weights."""
    state = {parameter: _value_restorer(values) for parameter, values in optimizer.state.items()}
    groups = [
        _value_restorer({name: value for name, value in group.items() if name != "params"})
        for group in optimizer.param_groups
    ]
    attributes = {
        name: value for name, value in vars(optimizer).items() if type(value) in {bool, int, float}
    }

    def restore() -> None:
        optimizer.state.clear()
        with torch.no_grad():
            for parameter, restored in state.items():
                optimizer.state[parameter] = restored()
            for group, restored in zip(optimizer.param_groups, groups, strict=True):
                options = restored()
                for name in group.keys() - options.keys() - {"params"}:
                    del group[name]
                group.update(options)
        vars(optimizer).update(attributes)

    return restore


def _value_restorer(value: Any) -> Callable[[], Any]:
    """A function that returns the value as it is now: tensors in place, the rest as copies."""
    if isinstance(value, torch.Tensor):
        saved = value.detach().clone()
        return lambda: value.copy_(saved)
    if type(value) is dict:
        parts = {key: _value_restorer(part) for key, part in value.items()}
        return lambda: {key: restored() for key, restored in parts.items()}
    copied = copy.deepcopy(value)
    return lambda: copy.deepcopy(copied)
