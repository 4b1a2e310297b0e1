"""What an update does, measured around `optimizer.step()` at a stated share of the run's time."""

from __future__ import annotations

import math
import time
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer

__all__ = ["Cadence", "Measures", "is_sharded"]

_SHARE = 0.001  # of the run's time, for each of the two measurements
_SAMPLE = 65_536  # weights: their ratio of norms is then known to some percent


class Cadence:
    """When to measure: every so many updates, or as often as a share of the run's time allows.

    Args:
        every: updates from one measurement to the next, 0 for none; None for as the share allows.
    """

    def __init__(self, every: int | None) -> None:
        self._every = every
        self._next = math.inf if every == 0 else -math.inf

    def due(self, step: int) -> bool:
        """Whether to measure the update of a step."""
        return step % self._every == 0 if self._every else step >= self._next

    def took(self, step: int, cost: float, update: float | None) -> None:
        """It cost so many seconds, where an update takes `update` in all, if that is known."""
        if self._every is None and update is not None:
            self._next = step + max(1, math.ceil(cost / (_SHARE * max(update, 1e-9))))

    def stop(self) -> None:
        """Measure no more."""
        self._every, self._next = 0, math.inf


class Measures:
    """Gradient norms, clipping, and ratios of update to weights, of some optimizers.

    Args:
        clip_norm: clip the gradients to this norm; None leaves them alone.
        gradient: measures the gradient's norm when due; clipping does so at every update.
        ratio: measures the update's norm over that of the weights when due.
    """

    def __init__(self, clip_norm: float | None, gradient: Cadence, ratio: Cadence) -> None:
        self._clip_norm = clip_norm
        self._gradient, self._ratio = gradient, ratio
        self._norms: dict[int, torch.Tensor] = {}
        self._weights: dict[int, tuple[torch.Tensor, float]] = {}
        self._moved: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._clips: Any = None

    def before(self, optimizer: Optimizer, step: int, update: float | None, *, row: bool) -> None:
        """An update is about to be made; there is to be a row of it or not."""
        if self._clip_norm is not None:
            self._clip(optimizer, self._clip_norm)
        elif row and self._gradient.due(step):
            self._timed(self._gradient, step, update, lambda: self._norm(optimizer))
        if row and self._ratio.due(step):
            self._try(self._ratio, lambda: self._look(optimizer))

    def after(self, optimizer: Optimizer, step: int, update: float | None) -> None:
        """It was made."""
        seen = self._weights.pop(id(optimizer), None)
        if seen is not None:
            weights, cost = seen
            self._timed(self._ratio, step, update, lambda: self._compare(optimizer, weights), cost)

    def discard(self, optimizer: Optimizer) -> None:
        """It was not made after all."""
        for held in (self._norms, self._weights, self._moved):
            held.pop(id(optimizer), None)

    def take(self, given: Any, clipped: Any, *, row: bool) -> tuple[Any, Any, Any]:
        """Norm, ratio, and how many updates since the last row were clipped; None where unknown.

        `given` and `clipped` are what the training's own clipping found, or None.
        """
        norm = given if given is not None else _together(list(self._norms.values()))
        self._norms.clear()
        if clipped is None and norm is not None and self._clip_norm is not None:
            clipped = norm > self._clip_norm
        if clipped is not None:
            clipped = clipped * 1  # flags of tensors do not add up
            self._clips = clipped if self._clips is None else self._clips + clipped
        if not row:
            return None, None, None
        ratio = None
        if self._moved:
            moved, weights = zip(*self._moved.values(), strict=True)
            ratio = _together(list(moved)) / _together(list(weights))
            self._moved.clear()
        clips, self._clips = self._clips, None
        return norm, ratio, clips

    def _clip(self, optimizer: Optimizer, clip_norm: float) -> None:
        parameters = _parameters(optimizer)
        gradients = [each.grad for each in parameters if each.grad is not None]
        if gradients:
            norm = _unscaled(optimizer, get_total_norm(gradients))
            clip_grads_with_norm_(parameters, clip_norm, norm)
            self._norms[id(optimizer)] = norm

    def _norm(self, optimizer: Optimizer) -> None:
        gradients = [each.grad for each in _parameters(optimizer) if each.grad is not None]
        if gradients:
            self._norms[id(optimizer)] = _unscaled(optimizer, get_total_norm(gradients))

    def _look(self, optimizer: Optimizer) -> None:
        began = time.perf_counter()
        weights, _ = _sample(optimizer)
        self._weights[id(optimizer)] = weights.clone(), time.perf_counter() - began

    def _compare(self, optimizer: Optimizer, before: torch.Tensor) -> None:
        weights, scale = _sample(optimizer)
        if weights.shape == before.shape:  # else a group was added meanwhile
            moved = before.sub_(weights).mul_(scale)
            norms = torch.linalg.vector_norm(moved), torch.linalg.vector_norm(weights * scale)
            self._moved[id(optimizer)] = norms

    def _timed(
        self,
        cadence: Cadence,
        step: int,
        update: float | None,
        measure: Callable[[], None],
        before: float = 0.0,
    ) -> None:
        began = time.perf_counter()
        self._try(cadence, measure)
        cadence.took(step, before + time.perf_counter() - began, update)

    def _try(self, cadence: Cadence, measure: Callable[[], None]) -> None:
        try:
            with torch.no_grad():
                measure()
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            cadence.stop()
            what = "gradient norms" if cadence is self._gradient else "update ratios"
            warnings.warn(
                f"learnrate: {what} cannot be measured here and are left out: {error}",
                RuntimeWarning,
                stacklevel=2,
            )


def is_sharded(parameter: torch.Tensor) -> bool:
    """Whether this process has only a part of it (FSDP, tensor parallelism)."""
    flat = getattr(parameter, "_is_flat_param", False)
    return flat or getattr(parameter, "_fsdp_flattened", False) or hasattr(parameter, "to_local")


def _parameters(optimizer: Optimizer) -> list[torch.Tensor]:
    return [each for group in optimizer.param_groups for each in group["params"]]


def _unscaled(optimizer: Optimizer, norm: torch.Tensor) -> torch.Tensor:
    """The norm of the gradient itself, where a GradScaler left its scale to a fused optimizer."""
    scale = getattr(optimizer, "grad_scale", None)
    return norm if scale is None else norm / scale.to(norm.device)


def _together(norms: list[torch.Tensor]) -> Any:
    if len(norms) <= 1:
        return norms[0] if norms else None
    return torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))


def _sample(optimizer: Optimizer) -> tuple[torch.Tensor, torch.Tensor]:
    """Evenly spaced weights of every tensor on the first one's device, and what each stands for.

    The norm of weights * scale estimates that of all weights, and is that up to 65,536 of them.
    """
    held = [each.detach() for each in _parameters(optimizer)]
    held = [each.to_local() if hasattr(each, "to_local") else each for each in held]
    held = [each.reshape(-1) for each in held if each.device == held[0].device and each.numel()]
    stride = math.ceil(sum(each.numel() for each in held) / _SAMPLE)
    stride += (stride + 1) % 2  # an even one would meet the same columns of most matrices
    parts = [each[::stride].to(torch.promote_types(each.dtype, torch.float32)) for each in held]
    weights = torch.cat(parts)
    if stride == 1:
        return weights, weights.new_ones(())
    scales = [
        math.sqrt(each.numel() / part.numel()) for each, part in zip(held, parts, strict=True)
    ]
    counts = torch.tensor([part.numel() for part in parts])
    scale = torch.repeat_interleave(torch.tensor(scales, dtype=weights.dtype), counts)
    return weights, scale.to(weights.device)
