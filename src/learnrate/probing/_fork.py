"""A live training, used for a moment and put back to the bit."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from learnrate._errors import ArgumentError, TaskError
from learnrate.trials import kept_random_state, kept_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Loss = Callable[[nn.Module, Any], torch.Tensor]

__all__ = [
    "check_model",
    "check_optimizer",
    "examples_of",
    "flat",
    "forked",
    "gradient",
    "loss_at",
    "now",
    "trainable",
]

_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


@contextmanager
def forked(
    model: nn.Module, optimizer: Optimizer | None, also: Iterable[Any] = ()
) -> Iterator[Callable[[], None]]:
    """Use a live training for a moment; yields a function that puts it back now.

    It is put back on leaving too, also after an error or Ctrl-C: weights, buffers, gradients,
    modes, the optimizer's state and rates, the global random generators, and whatever else `also`
    names. Meanwhile the optimizer's own hooks rest, so that who is attached to it sees nothing.
    """
    kept: list[Any] = [model, *also]
    with ExitStack() as stack:
        if optimizer is not None:
            ours = {id(one) for one in model.parameters()}
            outside = [one for one in _parameters(optimizer) if id(one) not in ours]
            kept += [optimizer, nn.ParameterList(outside)]
            stack.enter_context(_quiet(optimizer))
        stack.enter_context(kept_random_state())
        restore = stack.enter_context(kept_state(kept))
        stack.enter_context(torch.enable_grad())
        yield restore


@contextmanager
def _quiet(optimizer: Optimizer) -> Iterator[None]:
    held = {name: getattr(optimizer, name) for name in _HOOKS}
    try:
        for name in held:
            setattr(optimizer, name, OrderedDict())
        yield
    finally:
        for name, hooks in held.items():
            setattr(optimizer, name, hooks)


def check_model(call: str, model: object) -> nn.Module:
    """The module, if one process can work with it alone.

    Raises:
        ArgumentError: it is none, has nothing to train, or is spread over processes.
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"{call}(model=...) must be a module; got a {type(model).__name__}.")
    if isinstance(model, DistributedDataParallel):
        raise ArgumentError(
            f"{call}(model=...) must be the module itself, since a probe runs in one process; "
            "got it wrapped by DistributedDataParallel. Give model.module, on one rank."
        )
    if any(
        hasattr(one, "to_local") or getattr(one, "_is_flat_param", False)
        for one in model.parameters()
    ):
        raise ArgumentError(
            f"{call}(model=...) must have its weights whole; these are split over processes."
        )
    if not trainable(model):
        raise ArgumentError(f"{call}(model=...) must have a trainable parameter; it has none.")
    return model


def check_optimizer(call: str, optimizer: Any) -> Optimizer:
    """The optimizer itself, without accelerate's wrapper.

    Raises:
        ArgumentError: it is none.
    """
    inner = getattr(optimizer, "optimizer", None)
    if isinstance(inner, Optimizer):
        return check_optimizer(call, inner)
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            f"{call}(optimizer=...) must be a torch.optim.Optimizer; "
            f"got a {type(optimizer).__name__}."
        )
    return optimizer


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that are trained."""
    return [one for one in model.parameters() if one.requires_grad]


def loss_at(call: str, loss_of: Loss, model: nn.Module, batch: Any) -> torch.Tensor:
    """The loss of a batch.

    Raises:
        TaskError: it is no tensor of one number.
    """
    loss = loss_of(model, batch)
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        shown = f"shape {tuple(loss.shape)}" if hasattr(loss, "shape") else repr(loss)[:80]
        raise TaskError(
            f"{call}: loss_of(model, batch) must return a tensor of one number; got {shown}."
        )
    return loss.reshape(())


def gradient(
    call: str, loss_of: Loss, model: nn.Module, batch: Any, parameters: list[nn.Parameter]
) -> tuple[float, torch.Tensor]:
    """Loss and gradient of a batch; the parameters' own `.grad` is left alone."""
    loss = loss_at(call, loss_of, model, batch)
    parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return float(loss.detach()), flat(parts)


def flat(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    """Tensors as one vector, in single precision at least, on the first one's device."""
    held = [one.detach() for one in parts]
    home = held[0].device
    wide = [one.to(home, torch.promote_types(one.dtype, torch.float32)) for one in held]
    return torch.cat([one.reshape(-1) for one in wide])


def examples_of(call: str, batch: Any, batch_size: int | None) -> int:
    """How many examples a batch has: what is said, or the length of its first tensor.

    Raises:
        ArgumentError: it is not said, and the batch has no tensor.
    """
    if batch_size is not None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ArgumentError(
                f"{call}(batch_size=...) must be a whole number of at least 1; got {batch_size!r}."
            )
        return batch_size
    parts = [batch]
    while parts:
        part = parts.pop(0)
        if isinstance(part, torch.Tensor) and part.ndim:
            return int(part.shape[0])
        if isinstance(part, dict):
            parts += part.values()
        elif isinstance(part, list | tuple):
            parts += part
    raise ArgumentError(
        f"{call}: how many examples a batch has cannot be seen from a {type(batch).__name__}. "
        "Give batch_size=."
    )


def now() -> float:
    """Seconds of a clock, once devices have done what they were told."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def _parameters(optimizer: Optimizer) -> list[torch.Tensor]:
    return [one for group in optimizer.param_groups for one in group["params"]]
