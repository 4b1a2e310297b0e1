"""Whether an update uses the gradient of the update before a second time."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KeptGradient"]

_LEAST = 8  # elements of the tensor that is compared
_EXACT = 1e-3  # relative difference of gradients that are equal up to rounding


class KeptGradient:
    """Compares the gradient of a small tensor with that of the update before and with the new ones.

    After an update, `begin` copies the gradient, and a hook adds up the gradients of the backward passes.
    Before the next update, `end` says whether the gradient is the sum of both, as if zero_grad was
    forgotten, or the new gradient alone. Clipping and scaling change neither answer.

    Args:
        parameters: right after an update.

    Attributes:
        passes: backward passes since then.
        factor: after `end`, the gradient of the update over the new one, if they differ only by a factor,
            as with clipping; else None.
    """

    def __init__(self, parameters: Sequence[torch.Tensor]) -> None:
        self.passes = 0
        self.factor: float | None = None
        self._handle: Any = None
        self._new: torch.Tensor | None = None
        candidates = sorted(parameters, key=torch.Tensor.numel)
        parameter = next(filter(_is_comparable, candidates), None)
        if parameter is None:
            return
        assert parameter.grad is not None  # noqa: S101 - as `_is_comparable` says
        self._parameter = weakref.ref(parameter)
        self._gradient = weakref.ref(parameter.grad)
        self._old = parameter.grad.detach().clone()
        self._handle = parameter.register_hook(self._add)

    def _add(self, gradient: torch.Tensor) -> None:
        gradient = gradient.detach()
        self.passes += 1
        self._new = gradient.clone() if self._new is None else self._new + gradient

    def close(self) -> None:
        """Remove the hook from the model, which is then as before."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def end(self) -> float | None:
        """Right before the next update: 1 if the old gradient is in the new one, 0 if not.

        Returns:
            None if that cannot be said.
        """
        if self._handle is None:
            return None
        self.close()
        parameter = self._parameter()
        if parameter is None or parameter.grad is None or self._new is None:
            return None
        used, exact = parameter.grad.detach(), max(_EXACT, 4.0 * torch.finfo(self._old.dtype).eps)
        from_new = _distance(used, self._new)
        self.factor = _factor(used, self._new) if from_new < exact else None
        if parameter.grad is not self._gradient():
            return 0.0
        from_sum = _distance(used, self._old + self._new)
        if from_sum < exact and from_new > 10.0 * exact:
            return 1.0
        return 0.0 if from_new < exact and from_sum > 10.0 * exact else None


def _is_comparable(parameter: torch.Tensor) -> bool:
    gradient = parameter.grad
    return (
        parameter.requires_grad
        and parameter.is_leaf
        and gradient is not None
        and not gradient.is_sparse
        and gradient.dtype == parameter.dtype
        and parameter.is_floating_point()
        and parameter.numel() >= _LEAST
    )


def _distance(gradient: torch.Tensor, other: torch.Tensor) -> float:
    """How far a gradient is from any multiple of another one, as a share of its norm."""
    left, right = gradient.double().reshape(-1), other.double().reshape(-1)
    norm = float(torch.linalg.vector_norm(left))
    if not norm > 0.0:
        return float("nan")
    return float(torch.linalg.vector_norm(left - _factor(left, right) * right)) / norm


def _factor(gradient: torch.Tensor, other: torch.Tensor) -> float:
    """The multiple of another gradient that is nearest to a gradient; NaN if the other one is 0."""
    left, right = gradient.double().reshape(-1), other.double().reshape(-1)
    square = float(right @ right)
    return float(left @ right) / square if square > 0.0 else float("nan")
