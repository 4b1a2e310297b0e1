"""Several trials of one seed in one tensor: one forward and one backward pass for all."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._group_scales import rate_ratios
from learnrate.trials._batchable import batchable
from learnrate.trials._flat_optimizers import UpdateRule, update_rule_for
from learnrate.trials._stacked_functions import (
    LARGE,
    stacked_forms,
    stacked_forwards,
    with_stacked_loss,
)
from learnrate.trials._training import Training
from learnrate.trials._trial_axis import over_trials

if TYPE_CHECKING:
    from torch import nn

    from learnrate.task import Batch, Task

__all__ = ["Stack", "StackError"]


class StackError(Exception):
    """Trials cannot be stacked; the message is a clause that gives the reason."""


class Stack:
    """Several copies of a task's model, each trained at its own rate.

    The parameters are in one (width, n) buffer, in the order of the optimizer's groups; the model
    runs under `torch.vmap` on views of it. All trials share the batches, so each is read once.
    Draws from the global generators, which it seeds; use inside `preserved(task)`, one at a time.

    Args:
        task: what is trained.
        seed: of the first weights, the batches and every draw.
        width: how many copies.

    Raises:
        StackError: the parameters differ in type or device, or some are not the model's.
    """

    def __init__(self, task: Task, seed: int, width: int) -> None:
        self.training = Training(with_stacked_loss(task), seed)
        self._task = task
        optimizer = self.training.optimizer
        self._ratios = rate_ratios(optimizer.param_groups)
        self._parameters = _trained(self.training.model, optimizer)
        self._batchable = batchable(self.training.model, stacked_forms(self.training.model), LARGE)
        self._forwards = stacked_forwards(self.training.model)
        self._slots = _slots(self.training.model, self._parameters)
        self._sizes = [parameter.numel() for parameter in self._parameters]
        self._orders = [tuple(range(parameter.dim())) for parameter in self._parameters]
        self._rules: list[tuple[int, int, UpdateRule]] = []
        end = 0
        for group in optimizer.param_groups:
            start, end = end, end + sum(p.numel() for p in group["params"] if p.requires_grad)
            self._rules.append((start, end, update_rule_for(optimizer, group)))
        self._laid_out = any(rule.shaped for _, _, rule in self._rules)
        self._set_values(self._first_values(width))

    @property
    def device(self) -> torch.device:
        """The device it is trained on."""
        return self._values.device

    @property
    def width(self) -> int:
        """How many trials the stack has."""
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
            for (values, gradient, rule), ratio in zip(self._groups, self._ratios, strict=True):
                rule.update(values, gradient, lr * ratio)
        return [float(loss) for loss in losses / self._task.accumulate]

    def keep(self, positions: list[int]) -> None:
        """Drop every trial except those at `positions`, which move up."""
        index = torch.tensor(positions, dtype=torch.long, device=self._values.device)
        for _, _, rule in self._rules:
            rule.keep(index)
        self._set_values(self._values[index])

    def validate(self, position: int) -> float | None:
        """The validation loss of one trial's model as it is; None if the task has none."""
        with torch.no_grad():
            for parameter, leaf in zip(self._parameters, self._leaves, strict=True):
                parameter.copy_(leaf[position])
        return self.training.validate()

    def _first_values(self, width: int) -> torch.Tensor:
        """The first weights for each trial, each parameter in its order of dimensions."""
        with torch.no_grad():
            parts = [
                parameter.permute(order).reshape(-1)
                for parameter, order in zip(self._parameters, self._orders, strict=True)
            ]
            return torch.cat(parts).repeat(width, 1)

    def _lay_out(self, gradients: tuple[torch.Tensor, ...]) -> None:
        """Store every parameter in the memory order of its gradient, which saves copying gradients."""
        self._orders = [_order(gradient) for gradient in gradients]
        self._laid_out = True
        self._set_values(self._first_values(self.width))

    def _set_values(self, values: torch.Tensor) -> None:
        self._values = values
        self._gradient = torch.empty_like(values)
        self._groups = [
            (values[:, start:end], self._gradient[:, start:end], rule)
            for start, end, rule in self._rules
        ]
        # These leaves share the buffer's memory: autograd gives a gradient for each, and updating
        # the buffer updates them.
        self._leaves = [
            _shaped(part, parameter.shape, order).detach().requires_grad_()
            for part, parameter, order in zip(
                values.split(self._sizes, dim=1), self._parameters, self._orders, strict=True
            )
        ]

    def _accumulate(self, *, first: bool) -> np.ndarray:
        batch = self.training.next_batch()

        def loss_of_trial(values: list[torch.Tensor]) -> torch.Tensor:
            return self._loss_with(values, batch)

        with self._batchable, warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "There is a performance drop"
            )  # which `auto` measures
            losses = over_trials(loss_of_trial, self._leaves)
        share = torch.full_like(losses, 1 / self._task.accumulate)  # of each loss, in their sum
        gradients = torch.autograd.grad(losses, self._leaves, share, allow_unused=True)
        if any(gradient is None for gradient in gradients):
            raise StackError("a parameter gets no gradient, so torch would not update it")
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
        for layer, forward in self._forwards.items():
            vars(layer)["forward"] = forward
        try:
            return self.training.loss_of(batch)
        finally:
            for holder, name, index in self._slots:
                holder[name] = self._parameters[index]
            for layer in self._forwards:
                del vars(layer)["forward"]

    def _clip(self) -> None:
        """Clip the gradient norm of each trial to the task's limit."""
        if self._task.clip_norm is None:
            return
        norms = torch.linalg.vector_norm(self._gradient, dim=1, keepdim=True)
        self._gradient *= (self._task.clip_norm / (norms + 1e-6)).clamp(max=1.0)


def _trained(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """The parameters that the optimizer trains, in the order of its groups."""
    of_model = {id(parameter) for parameter in model.parameters()}
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    if any(id(parameter) not in of_model for parameter in trained):
        raise StackError("its optimizer trains parameters that are not the model's")
    if len({(parameter.dtype, parameter.device) for parameter in trained}) != 1:
        raise StackError("its parameters have several types or are on several devices")
    if trained[0].is_complex():
        raise StackError("its parameters are complex")
    return trained


def _slots(
    model: nn.Module, parameters: list[nn.Parameter]
) -> list[tuple[dict[str, Any], str, int]]:
    """Every place in the model that has a trained parameter; a shared one has several places."""
    index = {id(parameter): position for position, parameter in enumerate(parameters)}
    return [
        (module._parameters, name, index[id(parameter)])  # noqa: SLF001 - as functional_call does
        for module in model.modules()
        for name, parameter in module._parameters.items()  # noqa: SLF001
        if id(parameter) in index
    ]


def _order(gradient: torch.Tensor) -> tuple[int, ...]:
    """The dimensions of one trial's gradient, from the largest stride to the smallest."""
    strides = gradient.stride()[1:]
    return tuple(sorted(range(len(strides)), key=lambda dim: -strides[dim]))


def _shaped(part: torch.Tensor, shape: torch.Size, order: tuple[int, ...]) -> torch.Tensor:
    """View a (width, size) part of the buffer as (width, *shape), stored in `order`."""
    stored = part.view(len(part), *(shape[dim] for dim in order))
    back = sorted(range(len(order)), key=order.__getitem__)
    return stored.permute(0, *(1 + dim for dim in back))
