"""torch's optimizers on a stack of trials: parameters, gradients and state as (trials, n) tensors.

Each rule is torch's own arithmetic over a whole parameter group at once, with a rate a trial. Where
the order of operations differs, it is to save a pass over memory; the results agree to rounding.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch.optim._muon import muon

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Rule", "rule_for", "unsupported"]

_PER_TRIAL_OPTIONS = ("differentiable",)


class Rule(Protocol):
    """One parameter group's updates and their state.

    Attributes:
        shaped: whether it needs each parameter's own shape, rows in memory one after another.
    """

    shaped: bool

    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        """Change `values`, shape (trials, n), in place; `gradient` may be overwritten.

        Args:
            values: the parameters.
            gradient: of each trial's loss.
            lr: each trial's rate, shape (trials,).
        """

    def keep(self, index: torch.Tensor) -> None:
        """Drop the state of every trial but those at `index`."""


class _Stateful:
    """A rule whose state starts as zeros and is dropped with its trials."""

    shaped = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._set = settings
        self._state: dict[str, torch.Tensor] = {}
        self._updates = 0

    def keep(self, index: torch.Tensor) -> None:
        self._state = {name: value[index] for name, value in self._state.items()}

    def _zeros(self, name: str, like: torch.Tensor, start: float = 0.0) -> torch.Tensor:
        if name not in self._state:
            self._state[name] = torch.full_like(like, start, memory_format=torch.contiguous_format)
        return self._state[name]

    def _begin(self, gradient: torch.Tensor) -> torch.Tensor:
        self._updates += 1
        return gradient.neg_() if self._set.get("maximize") else gradient

    def _decayed(self, values: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient with the penalty's own."""
        decay = float(self._set["weight_decay"])
        return gradient.add_(values, alpha=decay) if decay else gradient


class _SGD(_Stateful):
    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        gradient = self._decayed(values, self._begin(gradient))
        momentum = float(self._set["momentum"])
        if momentum:
            first = self._updates == 1
            buffer = self._zeros("momentum", gradient)
            share = 1.0 if first else 1.0 - float(self._set["dampening"])
            buffer.mul_(momentum).add_(gradient, alpha=share)
            gradient = gradient.add_(buffer, alpha=momentum) if self._set["nesterov"] else buffer
        values.addcmul_(gradient, _column(-lr, values))


class _Adam(_Stateful):
    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        if values.device.type == "cpu" and not self._set["amsgrad"]:
            self._update_rows(values, gradient, lr)
        else:
            self._update_whole(values, gradient, lr)

    def _update_rows(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        """By torch's fused kernel, which takes one rate: a single pass over memory."""
        self._updates += 1
        decoupled = self._set.get("decoupled_weight_decay")
        kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
        beta1, beta2 = (float(beta) for beta in self._set["betas"])
        mean, square = self._zeros("mean", gradient), self._zeros("square", gradient)
        updates = [torch.tensor(float(self._updates))]
        settings: dict[str, Any] = {
            "beta1": beta1,
            "beta2": beta2,
            "weight_decay": float(self._set["weight_decay"]),
            "eps": float(self._set["eps"]),
            "amsgrad": False,
            "maximize": bool(self._set["maximize"]),
        }
        rows = zip(values, gradient, mean, square, lr.tolist(), strict=True)
        for own, slope, first, second, rate in rows:
            kernel([own], [slope], [first], [second], [], updates, lr=rate, **settings)

    def _update_whole(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        gradient = self._begin(gradient)
        decay = float(self._set["weight_decay"])
        if decay and self._set.get("decoupled_weight_decay"):
            values.mul_(_column(1.0 - lr * decay, values))
        elif decay:
            gradient = self._decayed(values, gradient)
        beta1, beta2 = (float(beta) for beta in self._set["betas"])
        mean, square = self._zeros("mean", gradient), self._zeros("square", gradient)
        mean.lerp_(gradient, 1.0 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
        if self._set["amsgrad"]:
            highest = self._zeros("highest", gradient)
            square = torch.maximum(highest, square, out=highest)
        # Multiplied through by the square root of the second moment's correction: a pass less.
        root = math.sqrt(1.0 - beta2**self._updates)
        rate = lr * root / (1.0 - beta1**self._updates)
        spread = torch.sqrt(square, out=gradient).add_(float(self._set["eps"]) * root)
        values.addcmul_(torch.div(mean, spread, out=spread), _column(-rate, values))


class _RMSprop(_Stateful):
    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        gradient = self._decayed(values, self._begin(gradient))
        memory, momentum = float(self._set["alpha"]), float(self._set["momentum"])
        square = self._zeros("square", gradient)
        square.mul_(memory).addcmul_(gradient, gradient, value=1.0 - memory)
        if self._set["centered"]:
            mean = self._zeros("mean", gradient).lerp_(gradient, 1.0 - memory)
            spread = torch.addcmul(square, mean, mean, value=-1.0).sqrt_()
        else:
            spread = square.sqrt()
        step = gradient.div_(spread.add_(float(self._set["eps"])))
        if momentum:
            step = self._zeros("momentum", step).mul_(momentum).add_(step)
        values.addcmul_(step, _column(-lr, values))


class _Adagrad(_Stateful):
    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        gradient = self._decayed(values, self._begin(gradient))
        start = float(self._set["initial_accumulator_value"])
        square = self._zeros("square", gradient, start).addcmul_(gradient, gradient)
        rate = lr / (1.0 + (self._updates - 1) * float(self._set["lr_decay"]))
        step = gradient.div_(square.sqrt().add_(float(self._set["eps"])))
        values.addcmul_(step, _column(-rate, values))


class _Muon(_Stateful):
    shaped = True

    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        """By torch's own, trial by trial: its matrix products are in bfloat16, and rounding counts."""
        momentum = self._zeros("momentum", gradient)
        settings = {
            name: self._set[name]
            for name in ("nesterov", "ns_coefficients", "ns_steps", "eps", "adjust_lr_fn")
        }
        for own, slope, buffer, rate in zip(values, gradient, momentum, lr.tolist(), strict=True):
            muon(
                self._matrices(own),
                self._matrices(slope),
                self._matrices(buffer),
                lr=rate,
                weight_decay=float(self._set["weight_decay"]),
                momentum=float(self._set["momentum"]),
                has_complex=False,
                **settings,
            )

    def _matrices(self, row: torch.Tensor) -> list[torch.Tensor]:
        shapes = [one.shape for one in self._set["params"] if one.requires_grad]
        parts = row.split([shape.numel() for shape in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _column(per_trial: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """One number a trial, shape (trials, 1), in the type and on the device of `like`."""
    return torch.from_numpy(np.ascontiguousarray(per_trial)).to(like)[:, None]


_RULES: dict[type[torch.optim.Optimizer], type[_Stateful]] = {
    torch.optim.SGD: _SGD,
    torch.optim.Adam: _Adam,
    torch.optim.AdamW: _Adam,
    torch.optim.RMSprop: _RMSprop,
    torch.optim.Adagrad: _Adagrad,
    torch.optim.Muon: _Muon,
}


def rule_for(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> Rule:
    """The updates of one of an optimizer's parameter groups, with the group's settings."""
    made: Rule = _RULES[type(optimizer)](group)  # type: ignore[assignment]  # each has an update
    return made


def unsupported(optimizer: torch.optim.Optimizer) -> str | None:
    """Why an optimizer has no stacked form; None if it has.

    Examples:
        >>> weight = torch.nn.Parameter(torch.zeros(2))
        >>> unsupported(torch.optim.Adamax([weight]))
        'its optimizer, Adamax, has no stacked form'
    """
    name = type(optimizer).__name__
    if type(optimizer) not in _RULES:
        return f"its optimizer, {name}, has no stacked form"
    for option in _PER_TRIAL_OPTIONS:
        if any(group.get(option) for group in optimizer.param_groups):
            return f"its optimizer, {name}, is made with {option}=True, which has no stacked form"
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)  # noqa: SLF001
    if any(hooks):
        return f"its optimizer, {name}, has hooks of its own, which see one model at a time"
    return None
