"""A live training, used temporarily and restored bit for bit."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from learnrate._checks import kind_of
from learnrate._errors import ArgumentError, TaskError
from learnrate.trials import kept_random_state, kept_state, without_hooks

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


@contextmanager
def forked(
    model: nn.Module, optimizer: Optimizer | None, extra_state: Iterable[Any] = ()
) -> Iterator[Callable[[], None]]:
    """Use a live training temporarily; yields a function that restores its state.

    The state is also restored on leaving, even after an error or Ctrl-C: weights, buffers, gradients,
    modes, the optimizer's state and rates, the global random generators, and the objects in
    `extra_state`. The optimizer's hooks are not called meanwhile, so that an attached run does not
    notice.

    Args:
        model: the model that is trained.
        optimizer: its optimizer; None if the state is not used.
        extra_state: further objects with a state.
    """
    stateful: list[Any] = [model, *extra_state]
    with ExitStack() as stack:
        if optimizer is not None:
            model_parameters = {id(parameter) for parameter in model.parameters()}
            outside = [
                parameter
                for parameter in _parameters(optimizer)
                if id(parameter) not in model_parameters
            ]
            stateful += [optimizer, nn.ParameterList(outside)]
            stack.enter_context(without_hooks(optimizer))
        stack.enter_context(kept_random_state())
        restore = stack.enter_context(kept_state(stateful))
        stack.enter_context(torch.enable_grad())
        yield restore


def check_model(call: str, model: object) -> nn.Module:
    """The model, if one process holds all of it.

    Raises:
        ArgumentError: it is not a module, has nothing to train, or is split over processes.
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"{call}(model=...) must be a torch.nn.Module; got {kind_of(model)}.")
    if isinstance(model, DistributedDataParallel):
        raise ArgumentError(
            f"{call}(model=...) must be the module itself, because a probe runs in one "
            "process; got a DistributedDataParallel. Give model.module, on one rank."
        )
    if any(
        hasattr(parameter, "to_local") or getattr(parameter, "_is_flat_param", False)
        for parameter in model.parameters()
    ):
        raise ArgumentError(
            f"{call}(model=...) must hold whole weights; these are split over processes. "
            "Probe a checkpoint in one process."
        )
    if not trainable(model):
        raise ArgumentError(f"{call}(model=...) must have a trainable parameter; it has none.")
    return model


def check_optimizer(call: str, optimizer: Any) -> Optimizer:
    """The optimizer, without the wrapper of accelerate.

    Raises:
        ArgumentError: it is not an optimizer.
    """
    inner = getattr(optimizer, "optimizer", None)
    if isinstance(inner, Optimizer):
        return check_optimizer(call, inner)
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            f"{call}(optimizer=...) must be a torch.optim.Optimizer; got {kind_of(optimizer)}."
        )
    return optimizer


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of a model that require a gradient, each once."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def loss_at(call: str, loss_of: Loss, model: nn.Module, batch: Any) -> torch.Tensor:
    """The loss of a batch.

    Args:
        call: the public function that needs it, for messages.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        model: the model that is trained.
        batch: what the loss is computed on.

    Raises:
        TaskError: it is not a tensor of one number.
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
    """The loss of a batch and its gradient; the parameters' own `.grad` is not changed.

    Args:
        call: the public function that needs it, for messages.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        model: the model that is trained.
        batch: what the loss is computed on.
        parameters: the order of the gradient's parts.
    """
    loss = loss_at(call, loss_of, model, batch)
    parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return float(loss.detach()), flat(parts)


def flat(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    """Tensors as one vector, in at least single precision, on the device of the first."""
    detached = [tensor.detach() for tensor in parts]
    home = detached[0].device
    wide = [
        tensor.to(home, torch.promote_types(tensor.dtype, torch.float32)) for tensor in detached
    ]
    return torch.cat([tensor.reshape(-1) for tensor in wide])


def examples_of(call: str, batch: Any, batch_size: int | None) -> int:
    """How many examples a batch has: `batch_size`, or the length of its first tensor.

    Args:
        call: the public function that needs it, for messages.
        batch: any nesting of tensors.
        batch_size: what the user gave; None to read it from the batch.

    Raises:
        ArgumentError: `batch_size` is None, and the batch has no tensor.
    """
    if batch_size is not None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ArgumentError(
                f"{call}(batch_size=...) must be a whole number, at least 1; got {batch_size!r}."
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
        f"{call}(batch_size=...) must be given, because the size of a batch that is "
        f"{kind_of(batch)} is not known."
    )


def now() -> float:
    """Seconds of a clock, after all devices have finished their work."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def _parameters(optimizer: Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
