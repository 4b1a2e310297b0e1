"""Measures updates around `optimizer.step()`: gradient norms, clipping, update ratios."""

from __future__ import annotations

import math
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils import get_total_norm

from learnrate._gradients import gradient_parts, scale_gradients
from learnrate._weight_sample import odd_stride

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.optim import Optimizer

    from learnrate.run._measure import Cadence

__all__ = ["UpdateMeter", "parameters_of", "tensor_norms"]

_SAMPLE = 65_536  # weights; the estimated ratio of norms is then accurate to some percent
_UNCLIPPED = 0.99  # of the norm before clipping; a higher share is rounding in half precision


class UpdateMeter:
    """Measures gradient norms and update ratios of optimizers, and clips their gradients.

    Args:
        clip_norm: clip the gradients to this norm; None for no clipping.
        gradient: when to measure the gradient norm; with clipping it is measured at every update.
        ratio: when to measure the update ratio, the norm of the update over that of the weights.
    """

    def __init__(self, clip_norm: float | None, gradient: Cadence, ratio: Cadence) -> None:
        self._clip_norm = clip_norm
        self._gradient, self._ratio = gradient, ratio
        self._norms: dict[int, torch.Tensor] = {}
        self._weights: dict[int, tuple[torch.Tensor, float]] = {}
        self._ratio_norms: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._clips: Any = None

    def due_after(self, step: int) -> float:
        """The next update after one that is measured or clipped, as far as is known."""
        if self._clip_norm is not None:
            return step + 1
        return min(self._gradient.due_after(step), self._ratio.due_after(step))

    def before(
        self, optimizer: Optimizer, step: int, update_seconds: float | None, *, row: bool
    ) -> None:
        """Measure right before an update.

        Args:
            optimizer: about to make the update.
            step: the step of the update.
            update_seconds: an update takes; None if it is not known yet.
            row: whether the update is recorded.
        """
        if self._clip_norm is not None:
            self._clip(optimizer, self._clip_norm)
        elif row and self._gradient.is_due(step):
            measure = partial(self._measure_norm, optimizer)
            self._timed(self._gradient, step, update_seconds, measure)
        if row and self._ratio.is_due(step):
            self._try(self._ratio, lambda: self._keep_weights(optimizer))

    def after(self, optimizer: Optimizer, step: int, update_seconds: float | None) -> None:
        """Measure right after an update; see `before`.

        Args:
            optimizer: the optimizer that made the update.
            step: the step of the update, from 0.
            update_seconds: how long an update takes, in seconds; None if it is not known yet.
        """
        entry = self._weights.pop(id(optimizer), None)
        if entry is not None:
            weights, cost = entry
            measure = partial(self._compare_weights, optimizer, weights)
            self._timed(self._ratio, step, update_seconds, measure, cost)

    def discard(self, optimizer: Optimizer) -> None:
        """Forget the measurements of an update that was skipped."""
        for measurements in (self._norms, self._weights, self._ratio_norms):
            measurements.pop(id(optimizer), None)

    def take(
        self, gradient_norm: Any, clipped: Any, *, row: bool, count: int = 1
    ) -> tuple[Any, Any, Any]:
        """The gradient norm, the update ratio, and the clipped updates since the last row.

        Args:
            gradient_norm: the norm from the training's own clipping; None if it does not clip.
            clipped: whether the training's own clipping changed the gradient; None if it does not clip.
            row: whether the update is recorded.
            count: updates since the last row; if only this one is measured, it represents all of them.

        Returns:
            Three values; None if one is not known.
        """
        measured = _combined(list(self._norms.values())) if self._norms else None
        self._norms.clear()
        norm = measured if gradient_norm is None else gradient_norm
        if clipped is None and norm is not None and self._clip_norm is not None:
            clipped = norm > self._clip_norm
        if clipped is None and row and gradient_norm is not None and measured is not None:
            # The norm was measured at the update, so after the training's own clipping.
            clipped = (measured < _UNCLIPPED * gradient_norm) * count
        if clipped is not None:
            clipped = clipped * 1  # boolean tensors cannot be added
            self._clips = clipped if self._clips is None else self._clips + clipped
        if not row:
            return None, None, None
        ratio = None
        if self._ratio_norms:
            updates, weights = zip(*self._ratio_norms.values(), strict=True)
            ratio = _combined(list(updates)) / _combined(list(weights))
            self._ratio_norms.clear()
        clips, self._clips = self._clips, None
        return norm, ratio, clips

    def _clip(self, optimizer: Optimizer, clip_norm: float) -> None:
        parameters = parameters_of(optimizer)
        gradients = gradient_parts(parameters)
        if gradients:
            norm = _unscaled(optimizer, get_total_norm(gradients))
            scale_gradients(parameters, clip_norm, norm)
            self._norms[id(optimizer)] = norm

    def _measure_norm(self, optimizer: Optimizer) -> None:
        gradients = gradient_parts(parameters_of(optimizer))
        if gradients:
            norms = tensor_norms(gradients)
            norms = [norm.to(norms[0].device, norms[0].dtype) for norm in norms]
            norm = torch.linalg.vector_norm(torch.stack(norms))
            self._norms[id(optimizer)] = _unscaled(optimizer, norm)

    def _keep_weights(self, optimizer: Optimizer) -> None:
        began = time.perf_counter()
        weights, _ = _sample(optimizer)
        self._weights[id(optimizer)] = weights.clone(), time.perf_counter() - began

    def _compare_weights(self, optimizer: Optimizer, before: torch.Tensor) -> None:
        weights, scale = _sample(optimizer)
        if weights.shape == before.shape:  # otherwise a group was added
            update = before.sub_(weights).mul_(scale)
            norms = torch.linalg.vector_norm(update), torch.linalg.vector_norm(weights * scale)
            self._ratio_norms[id(optimizer)] = norms

    def _timed(
        self,
        cadence: Cadence,
        step: int,
        update_seconds: float | None,
        measure: Callable[[], None],
        cost: float = 0.0,
    ) -> None:
        began = time.perf_counter()
        self._try(cadence, measure)
        cadence.add_cost(step, cost + time.perf_counter() - began, update_seconds)

    def _try(self, cadence: Cadence, measure: Callable[[], None]) -> None:
        try:
            with torch.no_grad():
                measure()
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            cadence.stop()
            quantity = "gradient norms" if cadence is self._gradient else "update ratios"
            warnings.warn(
                f"learnrate: {quantity} cannot be measured here and are left out: {error}",
                RuntimeWarning,
                stacklevel=2,
            )


def parameters_of(*optimizers: Optimizer) -> list[torch.Tensor]:
    """The parameters of all groups of some optimizers."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    return [parameter for group in groups for parameter in group["params"]]


def tensor_norms(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The norm of each tensor; those on one device in one call."""
    tensors = [tensor.coalesce().values() if tensor.is_sparse else tensor for tensor in tensors]
    kinds = {(tensor.device, tensor.dtype) for tensor in tensors}
    if len(kinds) == 1 and all(tensor.numel() for tensor in tensors):
        return list(torch._foreach_norm(tensors))  # noqa: SLF001 - as torch's get_total_norm does
    return [torch.linalg.vector_norm(tensor) for tensor in tensors]


def _unscaled(optimizer: Optimizer, norm: torch.Tensor) -> torch.Tensor:
    """The norm without the scale that a GradScaler leaves to a fused optimizer."""
    scale = getattr(optimizer, "grad_scale", None)
    return norm if scale is None else norm / scale.to(norm.device)


def _combined(norms: list[torch.Tensor]) -> Any:
    """The norm of several vectors together, from the norm of each."""
    if len(norms) <= 1:
        return norms[0] if norms else None
    return torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))


def _sample(optimizer: Optimizer) -> tuple[torch.Tensor, torch.Tensor]:
    """Evenly spaced weights of all tensors on the first tensor's device, and their scale.

    The norm of weights * scale estimates the norm of all weights; up to 65,536 weights it is exact.
    """
    tensors = [parameter.detach() for parameter in parameters_of(optimizer)]
    tensors = [tensor.to_local() if hasattr(tensor, "to_local") else tensor for tensor in tensors]
    device = tensors[0].device
    tensors = [
        tensor.reshape(-1) for tensor in tensors if tensor.device == device and tensor.numel()
    ]
    stride = odd_stride(sum(tensor.numel() for tensor in tensors), _SAMPLE)
    parts = [
        tensor[::stride].to(torch.promote_types(tensor.dtype, torch.float32)) for tensor in tensors
    ]
    weights = torch.cat(parts)
    if stride == 1:
        return weights, weights.new_ones(())
    scales = [
        math.sqrt(tensor.numel() / part.numel())
        for tensor, part in zip(tensors, parts, strict=True)
    ]
    counts = torch.tensor([part.numel() for part in parts])
    scale = torch.repeat_interleave(torch.tensor(scales, dtype=weights.dtype), counts)
    return weights, scale.to(weights.device)
