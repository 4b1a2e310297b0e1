"""How strong weight decay is relative to the gradient, and whether an optimizer's state is empty."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from learnrate._weight_sample import odd_stride

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.optim import Optimizer

__all__ = ["DecayMeter", "StateMeter"]

_SAMPLE = 16_384  # weights
# Weight decay is a part of the gradient in these classes of torch, unless a group says otherwise.
_COUPLED = frozenset(
    ("SGD", "Adam", "Adamax", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop", "ASGD")
)
_DECOUPLED = frozenset(("AdamW",))


class DecayMeter:
    """Compares weight decay with the gradient, in a sample of the weights that have a gradient."""

    def __init__(self) -> None:
        self._first_norm: float | None = None
        self._before: tuple[torch.Tensor, torch.Tensor] | None = None

    def before(self, optimizer: Optimizer) -> Mapping[str, float]:
        """Right before an update: the columns, without `decay_ratio` where decay is decoupled."""
        self._before = None
        is_decoupled = _is_decoupled(optimizer)
        if is_decoupled is None:
            return {}
        weights, gradient, decay = _sample(optimizer)
        if not weights.numel():
            return {}
        norm = float(torch.linalg.vector_norm(weights))
        if self._first_norm is None:
            self._first_norm = norm
        if not (math.isfinite(norm) and self._first_norm > 0.0):
            return {}
        columns = {"decayed_norm": norm / self._first_norm}
        if is_decoupled:
            self._before = weights, decay
            return columns
        square = float(torch.linalg.vector_norm(gradient))
        if square > 0.0:
            columns["decay_ratio"] = float(torch.linalg.vector_norm(decay * weights)) / square
        return columns

    def after(self, optimizer: Optimizer) -> Mapping[str, float]:
        """Right after an update: `decay_ratio` where decay is decoupled."""
        if self._before is None:
            return {}
        (before, decay), self._before = self._before, None
        after, _, rate = _sample(optimizer, rates=True)
        if after.shape != before.shape:
            return {}
        shrinkage = rate * decay * before
        rest = float(torch.linalg.vector_norm(after - before + shrinkage))
        share = float(torch.linalg.vector_norm(shrinkage))
        return {"decay_ratio": share / rest} if rest > 0.0 and share > 0.0 else {}


class StateMeter:
    """Whether an optimizer that keeps a state began an update without it."""

    def __init__(self) -> None:
        self._trained = 0
        self._empty: list[torch.Tensor] = []

    def before(self, optimizer: Optimizer) -> None:
        """Right before the first update after a resume."""
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        trained = [parameter for parameter in trained if parameter.grad is not None]
        self._trained = len(trained)
        self._empty = [parameter for parameter in trained if not _has_state(optimizer, parameter)]

    def after(self, optimizer: Optimizer) -> Mapping[str, float]:
        """Right after it: the share of the tensors whose state was empty before and no longer is."""
        filled = [parameter for parameter in self._empty if _has_state(optimizer, parameter)]
        keeps_state = len(self._empty) < self._trained or bool(filled)
        self._empty = []
        return {"empty_state": len(filled) / self._trained} if keeps_state else {}


def _has_state(optimizer: Optimizer, parameter: torch.Tensor) -> bool:
    """Whether the state of a parameter has tensors of an update; Adagrad makes them before the first."""
    state: dict[str, Any] = optimizer.state.get(parameter) or {}
    has_tensors = any(isinstance(entry, torch.Tensor) for entry in state.values())
    return has_tensors and float(state.get("step", 1)) > 0.0


def _is_decoupled(optimizer: Optimizer) -> bool | None:
    """Whether weight decay is decoupled from the gradient; None if that is not known, or all is 0."""
    groups = [group for group in optimizer.param_groups if group.get("weight_decay")]
    if not groups:
        return None
    name = type(optimizer).__name__
    if all(group.get("decoupled_weight_decay") for group in groups) or name in _DECOUPLED:
        return True
    is_coupled = name in _COUPLED and type(optimizer).__module__.startswith("torch.optim")
    return False if is_coupled else None


def _sample(
    optimizer: Optimizer, *, rates: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Evenly spaced weights that are decayed, with their gradients and their decay or rates.

    Weights without a gradient, such as rows of an embedding that no input names, are left out as
    zeros, so that the sample has the same length before and after an update.
    """
    groups = [group for group in optimizer.param_groups if group.get("weight_decay")]
    entries = [
        (parameter, float(group["lr"] if rates else group["weight_decay"]))
        for group in groups
        for parameter in group["params"]
        if parameter.grad is not None and not parameter.grad.is_sparse and parameter.numel()
    ]
    entries = [entry for entry in entries if entry[0].device == entries[0][0].device]
    if not entries:
        return torch.empty(0), torch.empty(0), torch.empty(0)
    stride = odd_stride(sum(parameter.numel() for parameter, _ in entries), _SAMPLE)
    weights, gradients, factors = [], [], []
    for parameter, factor in entries:
        assert parameter.grad is not None  # noqa: S101 - chosen above
        weights.append(parameter.detach().reshape(-1)[::stride].float())
        gradients.append(parameter.grad.detach().reshape(-1)[::stride].float())
        factors.append(torch.full_like(weights[-1], factor))
    gradient = torch.cat(gradients)
    return torch.cat(weights) * (gradient != 0.0), gradient, torch.cat(factors)
