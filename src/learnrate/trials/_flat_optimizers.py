"""torch's optimizers on a stack of trials: parameters, gradients and state as (trials, n) tensors.

Each update rule is torch's own arithmetic over a whole parameter group at once, with a rate for each
trial. Where the order of operations differs, it saves a pass over memory; results agree to rounding.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch.optim._muon import muon

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UpdateRule", "unsupported", "update_rule_for"]

_PER_TRIAL_OPTIONS = ("differentiable",)


class UpdateRule(Protocol):
    """How an optimizer updates a parameter group of several trials, with its state.

    Attributes:
        shaped: whether it needs the shape of each parameter, contiguous in memory.
    """

    shaped: bool

    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        """Make one update, in place.

        Args:
            values: the parameters, shape (trials, n).
            gradient: of each trial's loss, shape (trials, n); may be overwritten.
            lr: each trial's rate, shape (trials,).
        """

    def keep(self, index: torch.Tensor) -> None:
        """Drop the state of every trial except those at `index`."""


class _Stateful:
    """State that starts as zeros and is dropped with its trials."""

    shaped = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
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
        return gradient.neg_() if self._settings.get("maximize") else gradient

    def _decayed(self, values: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient with that of the weight penalty."""
        decay = float(self._settings["weight_decay"])
        return gradient.add_(values, alpha=decay) if decay else gradient


class _SGD(_Stateful):
    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        gradient = self._decayed(values, self._begin(gradient))
        momentum = float(self._settings["momentum"])
        if momentum:
            first = self._updates == 1
            buffer = self._zeros("momentum", gradient)
            share = 1.0 if first else 1.0 - float(self._settings["dampening"])
            buffer.mul_(momentum).add_(gradient, alpha=share)
            gradient = (
                gradient.add_(buffer, alpha=momentum) if self._settings["nesterov"] else buffer
            )
        values.addcmul_(gradient, _column(-lr, values))


class _Adam(_Stateful):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._buffers: tuple[torch.Tensor, ...] = ()
        self._rows: list[list[list[torch.Tensor]]] = []  # of each trial in each buffer

    def keep(self, index: torch.Tensor) -> None:
        super().keep(index)
        self._buffers, self._rows = (), []  # so that their memory is freed

    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        if values.device.type == "cpu" and not self._settings["amsgrad"]:
            self._update_rows(values, gradient, lr)
        else:
            self._update_whole(values, gradient, lr)

    def _update_rows(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        """Trial by trial with torch's fused kernel, which takes one rate: a single pass over memory."""
        self._updates += 1
        decoupled = self._settings.get("decoupled_weight_decay")
        kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
        beta1, beta2 = (float(beta) for beta in self._settings["betas"])
        mean, square = self._zeros("mean", gradient), self._zeros("square", gradient)
        updates = [torch.tensor(float(self._updates))]
        settings: dict[str, Any] = {
            "beta1": beta1,
            "beta2": beta2,
            "weight_decay": float(self._settings["weight_decay"]),
            "eps": float(self._settings["eps"]),
            "amsgrad": False,
            "maximize": bool(self._settings["maximize"]),
        }
        self._split(values, gradient, mean, square)
        for (weights, slope, first, second), rate in zip(self._rows, lr.tolist(), strict=True):
            kernel(weights, slope, first, second, [], updates, lr=rate, **settings)

    def _split(self, *buffers: torch.Tensor) -> None:
        """Split buffers into rows, which takes longer than to see that they are those of before."""
        if not self._buffers or any(map(operator.is_not, buffers, self._buffers)):
            self._buffers = buffers
            self._rows = [[[row] for row in rows] for rows in zip(*buffers, strict=True)]

    def _update_whole(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        gradient = self._begin(gradient)
        decay = float(self._settings["weight_decay"])
        if decay and self._settings.get("decoupled_weight_decay"):
            values.mul_(_column(1.0 - lr * decay, values))
        elif decay:
            gradient = self._decayed(values, gradient)
        beta1, beta2 = (float(beta) for beta in self._settings["betas"])
        mean, square = self._zeros("mean", gradient), self._zeros("square", gradient)
        mean.lerp_(gradient, 1.0 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
        if self._settings["amsgrad"]:
            highest = self._zeros("highest", gradient)
            square = torch.maximum(highest, square, out=highest)
        # Multiplied through by the square root of the second moment's correction: one pass less.
        root = math.sqrt(1.0 - beta2**self._updates)
        rate = lr * root / (1.0 - beta1**self._updates)
        spread = torch.sqrt(square, out=gradient).add_(float(self._settings["eps"]) * root)
        values.addcmul_(torch.div(mean, spread, out=spread), _column(-rate, values))


class _RMSprop(_Stateful):
    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        gradient = self._decayed(values, self._begin(gradient))
        memory, momentum = float(self._settings["alpha"]), float(self._settings["momentum"])
        square = self._zeros("square", gradient)
        square.mul_(memory).addcmul_(gradient, gradient, value=1.0 - memory)
        if self._settings["centered"]:
            mean = self._zeros("mean", gradient).lerp_(gradient, 1.0 - memory)
            spread = torch.addcmul(square, mean, mean, value=-1.0).sqrt_()
        else:
            spread = square.sqrt()
        step = gradient.div_(spread.add_(float(self._settings["eps"])))
        if momentum:
            step = self._zeros("momentum", step).mul_(momentum).add_(step)
        values.addcmul_(step, _column(-lr, values))


class _Adagrad(_Stateful):
    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        gradient = self._decayed(values, self._begin(gradient))
        start = float(self._settings["initial_accumulator_value"])
        square = self._zeros("square", gradient, start).addcmul_(gradient, gradient)
        rate = lr / (1.0 + (self._updates - 1) * float(self._settings["lr_decay"]))
        step = gradient.div_(square.sqrt().add_(float(self._settings["eps"])))
        values.addcmul_(step, _column(-rate, values))


class _Muon(_Stateful):
    shaped = True

    def update(self, values: torch.Tensor, gradient: torch.Tensor, lr: np.ndarray) -> None:
        """Trial by trial with torch's own: its products are in bfloat16, so that rounding matters."""
        momentum = self._zeros("momentum", gradient)
        settings = {
            name: self._settings[name]
            for name in ("nesterov", "ns_coefficients", "ns_steps", "eps", "adjust_lr_fn")
        }
        for weights, slope, buffer, rate in zip(
            values, gradient, momentum, lr.tolist(), strict=True
        ):
            muon(
                self._matrices(weights),
                self._matrices(slope),
                self._matrices(buffer),
                lr=rate,
                weight_decay=float(self._settings["weight_decay"]),
                momentum=float(self._settings["momentum"]),
                has_complex=False,
                **settings,
            )

    def _matrices(self, row: torch.Tensor) -> list[torch.Tensor]:
        parameters = self._settings["params"]
        shapes = [parameter.shape for parameter in parameters if parameter.requires_grad]
        parts = row.split([shape.numel() for shape in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _column(per_trial: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """One number per trial, shape (trials, 1), with the type and the device of `like`."""
    return torch.from_numpy(np.ascontiguousarray(per_trial)).to(like)[:, None]


_RULES: dict[type[torch.optim.Optimizer], type[_Stateful]] = {
    torch.optim.SGD: _SGD,
    torch.optim.Adam: _Adam,
    torch.optim.AdamW: _Adam,
    torch.optim.RMSprop: _RMSprop,
    torch.optim.Adagrad: _Adagrad,
    torch.optim.Muon: _Muon,
}


def update_rule_for(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> UpdateRule:
    """The update rule of a parameter group, with the group's settings."""
    rule: UpdateRule = _RULES[type(optimizer)](group)  # type: ignore[assignment]  # each has an update
    return rule


def unsupported(optimizer: torch.optim.Optimizer) -> str | None:
    """Why an optimizer has no stacked form; None if it has one.

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
            return f"its optimizer, {name}, has {option}=True, which has no stacked form"
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)  # noqa: SLF001
    if any(hooks):
        return f"its optimizer, {name}, has hooks, which expect one model"
    return None
