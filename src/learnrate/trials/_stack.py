"""Several trials of one seed in one tensor: one forward and one backward pass for all of them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate.trials._batchable import batchable
from learnrate.trials._flat_optimizers import Rule, rule_for
from learnrate.trials._training import Training, rate_ratios

if TYPE_CHECKING:
    from torch import nn

    from learnrate.task import Batch, Task

__all__ = ["Stack", "StackError"]


class StackError(Exception):
    """Trials cannot be stacked; the message is a clause that says why."""


class Stack:
    """A task's model under one seed, `width` times, each with its own rate from then on.

    The parameters lie in one (width, n) buffer, in the order of the optimizer's groups; the model
    is run under `torch.vmap` on views of it. The batches are shared, so that each is read once.
    Draws from the global generators, seeded here; use inside `preserved(task)`, one at a time.

    Raises:
        StackError: the parameters are not of one kind, or not all the model's.
    """

    def __init__(self, task: Task, seed: int, width: int) -> None:
        self.training = Training(task, seed)
        self._task = task
        optimizer = self.training.optimizer
        self._ratios = rate_ratios(optimizer)
        self._parameters = _trained(self.training.model, optimizer)
        self._batchable = batchable(self.training.model)
        self._slots = _slots(self.training.model, self._parameters)
        self._sizes = [parameter.numel() for parameter in self._parameters]
        self._orders = [tuple(range(parameter.dim())) for parameter in self._parameters]
        self._rules: list[tuple[int, int, Rule]] = []
        end = 0
        for group in optimizer.param_groups:
            start, end = end, end + sum(p.numel() for p in group["params"] if p.requires_grad)
            self._rules.append((start, end, rule_for(optimizer, group)))
        self._laid_out = any(rule.shaped for _, _, rule in self._rules)
        self._hold(self._started(width))

    @property
    def device(self) -> torch.device:
        """Where it is trained."""
        return self._values.device

    @property
    def width(self) -> int:
        """How many trials it holds."""
        return len(self._values)

    def update(self, lr: np.ndarray) -> list[float]:
        """Make one update of every trial at its own rate; returns their mean training losses.

        Args:
            lr: the rates, shape (width,).
        """
        losses = np.zeros(self.width)
        for repeat in range(self._task.accumulate):
            losses += self._accumulate(first=repeat == 0)
        with torch.no_grad():
            self._clip()
            for (start, end, rule), ratio in zip(self._rules, self._ratios, strict=True):
                columns = slice(start, end)
                rule.update(self._values[:, columns], self._gradient[:, columns], lr * ratio)
        return [float(loss) for loss in losses / self._task.accumulate]

    def keep(self, positions: list[int]) -> None:
        """Drop every trial but those at `positions`; the others are compacted."""
        index = torch.tensor(positions, dtype=torch.long, device=self._values.device)
        for _, _, rule in self._rules:
            rule.keep(index)
        self._hold(self._values[index])

    def validate(self, position: int) -> float | None:
        """The task's validation loss of one trial's model as it is, or None without one."""
        with torch.no_grad():
            for parameter, leaf in zip(self._parameters, self._leaves, strict=True):
                parameter.copy_(leaf[position])
        return self.training.validate()

    def _started(self, width: int) -> torch.Tensor:
        """The first weights, once a trial, each parameter laid out in its order of dimensions."""
        with torch.no_grad():
            parts = [
                parameter.permute(order).reshape(-1)
                for parameter, order in zip(self._parameters, self._orders, strict=True)
            ]
            return torch.cat(parts).repeat(width, 1)

    def _lay_out(self, gradients: tuple[torch.Tensor, ...]) -> None:
        """Lay every parameter out as its gradient comes, which saves copying each gradient."""
        self._orders = [_order(gradient) for gradient in gradients]
        self._laid_out = True
        self._hold(self._started(self.width))

    def _hold(self, values: torch.Tensor) -> None:
        self._values = values
        self._gradient = torch.empty_like(values)
        # Leaves of their own that share the buffer's memory: autograd gives a gradient for each,
        # and updating the buffer updates them.
        self._leaves = [
            _shaped(part, parameter.shape, order).detach().requires_grad_()
            for part, parameter, order in zip(
                values.split(self._sizes, dim=1), self._parameters, self._orders, strict=True
            )
        ]

    def _accumulate(self, *, first: bool) -> np.ndarray:
        batch = self.training.next_batch()

        def loss_of_one(values: list[torch.Tensor]) -> torch.Tensor:
            return self._loss_with(values, batch)

        with self._batchable, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop")  # auto measures it
            losses = torch.vmap(loss_of_one, randomness="different")(self._leaves)
        loss = losses.sum() / self._task.accumulate
        gradients = torch.autograd.grad(loss, self._leaves, allow_unused=True)
        if any(gradient is None for gradient in gradients):
            raise StackError("a parameter gets no gradient, and so is not to be updated at all")
        if not self._laid_out:
            self._lay_out(gradients)
        parts = [
            gradient.permute(0, *(1 + dim for dim in order)).reshape(self.width, -1)
            for gradient, order in zip(gradients, self._orders, strict=True)
        ]
        if first:
            torch.cat(parts, dim=1, out=self._gradient)
        else:
            self._gradient += torch.cat(parts, dim=1)
        return np.asarray(losses.detach().double().cpu().numpy())

    def _loss_with(self, values: list[torch.Tensor], batch: Batch) -> torch.Tensor:
        """The loss of the model with `values` in place of its trained parameters."""
        for holder, name, index in self._slots:
            holder[name] = values[index]
        try:
            return self.training.loss_of(batch)
        finally:
            for holder, name, index in self._slots:
                holder[name] = self._parameters[index]

    def _clip(self) -> None:
        """Scale down the gradient of each trial whose norm is above the task's limit."""
        if self._task.clip_norm is None:
            return
        norms = torch.linalg.vector_norm(self._gradient, dim=1, keepdim=True)
        self._gradient *= (self._task.clip_norm / (norms + 1e-6)).clamp(max=1.0)


def _trained(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """What the optimizer trains, in the order of its groups."""
    own = {id(parameter) for parameter in model.parameters()}
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    if any(id(parameter) not in own for parameter in trained):
        raise StackError("its optimizer trains parameters that are not the model's")
    if len({(parameter.dtype, parameter.device) for parameter in trained}) != 1:
        raise StackError("its parameters are of several types or on several devices")
    if trained[0].is_complex():
        raise StackError("its parameters are complex")
    return trained


def _slots(
    model: nn.Module, parameters: list[nn.Parameter]
) -> list[tuple[dict[str, Any], str, int]]:
    """Every place in the model where a trained parameter is held, shared ones several times."""
    index = {id(parameter): at for at, parameter in enumerate(parameters)}
    return [
        (module._parameters, name, index[id(parameter)])  # noqa: SLF001 - as functional_call does
        for module in model.modules()
        for name, parameter in module._parameters.items()  # noqa: SLF001
        if id(parameter) in index
    ]


def _order(gradient: torch.Tensor) -> tuple[int, ...]:
    """The dimensions of one trial's gradient, from the slowest in memory to the fastest."""
    strides = gradient.stride()[1:]
    return tuple(sorted(range(len(strides)), key=lambda dim: -strides[dim]))


def _shaped(part: torch.Tensor, shape: torch.Size, order: tuple[int, ...]) -> torch.Tensor:
    """A (width, size) part of the buffer as (width, *shape), its memory in `order`."""
    stored = part.view(len(part), *(shape[dim] for dim in order))
    back = sorted(range(len(order)), key=order.__getitem__)
    return stored.permute(0, *(1 + dim for dim in back))
