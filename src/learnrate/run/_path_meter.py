"""Measures the path of the weights: the distance, the turns, and the slope of the loss along it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate._sharded import is_sharded
from learnrate._weight_sample import (
    distance_unit,
    sample_stride,
    usual_square,
    weight_sample,
)
from learnrate.run._update_meter import parameters_of
from learnrate.watch import path_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.optim import Optimizer

__all__ = ["PathMeter"]

_MOST_CHECKPOINTS = 16  # beyond it every second checkpoint is dropped and the stride is doubled
_LEAST_CHECKPOINTS = 9  # checkpoints for a measurement
_PARTS = 64  # parts of a run of known length; each of the first checkpoints begins one
_EXTRA_SECONDS = 0.01  # seconds that may be spent beyond the share
_GROWTH = 1.15  # factor by which the path must have grown from one measurement to the next


class PathMeter:
    """Compares the weights and gradients of updates all along the path from the first one.

    At a checkpoint, a sample of the weights and of the gradient is copied, before the update, and
    the gradient of the next update, on another batch, is compared with the update. Checkpoints lie
    evenly on the path, so their number grows with the logarithm of its length. Nothing of the
    training is changed, and no random number is drawn.

    Args:
        share: the share of the run's time that may be spent; a checkpoint that would exceed it
            waits.
        total_steps: updates of the whole run; None if unknown. A path is not judged in its first
            updates, so they need few checkpoints.
    """

    def __init__(self, share: float, total_steps: int | None = None) -> None:
        self._share = share
        self._first_stride = max(1, (total_steps or 0) // _PARTS)
        self.restart()

    def restart(self) -> None:
        """Begin a new path, as after a rollback."""
        self._first_step: int | None = None
        self._began = 0.0
        self._spent = 0.0
        self._stride = self._first_stride
        self._next: float = 0
        self._steps: list[int] = []
        self._weights: list[torch.Tensor] = []
        self._gradients: list[torch.Tensor] = []
        # The products of an update with its gradient, with the next one, and with itself:
        self._alignments: list[torch.Tensor] = []
        self._measured = 0  # updates of the path at the last measurement
        self._update: torch.Tensor | None = None
        self._is_checkpoint = False
        self._usual = 0.0
        self._sampled_every = 1

    def due_after(self, step: int) -> float:
        """The next update after one that a checkpoint is due at, or the comparison of one."""
        return max(step + 1, self._next if self._update is None else 0)

    def before(self, optimizer: Optimizer, step: int) -> Mapping[str, float] | None:
        """Called right before an update; the columns of a new measurement.

        Args:
            optimizer: about to make the update.
            step: the step of the update.
        """
        if step < self._next and self._update is None:
            return None
        began = time.thread_time()
        try:
            with torch.no_grad():
                return self._before(optimizer, step)
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            self._stop()
            return None
        finally:
            self._spent += time.thread_time() - began

    def after(self, optimizer: Optimizer) -> None:
        """Called right after an update; see `before`."""
        if not self._is_checkpoint:
            return
        began = time.thread_time()
        self._is_checkpoint = False
        try:
            with torch.no_grad():
                self._update = _sample(optimizer, gradient=False) - self._weights[-1]
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            self._stop()
        self._spent += time.thread_time() - began

    def discard(self) -> None:
        """Called after an update that was skipped: its checkpoint does not count."""
        if self._is_checkpoint:
            self._is_checkpoint = False
            for entries in (self._steps, self._weights, self._gradients):
                del entries[-1:]

    def _before(self, optimizer: Optimizer, step: int) -> Mapping[str, float] | None:
        if any(is_sharded(parameter) for parameter in parameters_of(optimizer)):
            self._stop()
            return None
        gradient = None
        if self._update is not None:
            gradient = _sample(optimizer, gradient=True)
            vectors = torch.stack([self._gradients[-1], gradient, self._update])
            self._alignments.append(vectors @ self._update)
            self._update = None
        if step < self._next or not self._has_time(step):
            return None
        if self._first_step is None:
            self._first_step, self._began = step, time.perf_counter()
            self._usual = usual_square(parameters_of(optimizer))
            self._sampled_every = sample_stride(parameters_of(optimizer))
        self._is_checkpoint = True
        self._steps.append(step - self._first_step)
        self._weights.append(_sample(optimizer, gradient=False))
        self._gradients.append(_sample(optimizer, gradient=True) if gradient is None else gradient)
        self._next = step + self._stride
        return self._measure()

    def _has_time(self, step: int) -> bool:
        """Whether there is time for a checkpoint; if not, the checkpoints get further apart."""
        elapsed = 0.0 if self._first_step is None else time.perf_counter() - self._began
        is_full = len(self._steps) > _MOST_CHECKPOINTS
        has_time = self._spent <= _EXTRA_SECONDS + self._share * elapsed
        if is_full or not has_time:
            self._thin(step)
        return has_time and step >= self._next

    def _thin(self, step: int) -> None:
        """Double the stride and keep the checkpoints at its multiples."""
        assert self._first_step is not None  # noqa: S101 - for the type checker
        self._stride *= 2
        indices = [i for i, updates in enumerate(self._steps) if updates % self._stride == 0]
        self._alignments = [self._alignments[i] for i in indices if i < len(self._alignments)]
        self._steps = [self._steps[i] for i in indices]
        self._weights = [self._weights[i] for i in indices]
        self._gradients = [self._gradients[i] for i in indices]
        self._next = step + -(step - self._first_step) % self._stride

    def _measure(self) -> Mapping[str, float] | None:
        updates = self._steps[-1]
        if len(self._steps) < _LEAST_CHECKPOINTS or updates < _GROWTH * self._measured:
            return None
        self._measured = updates
        weights = torch.stack(self._weights)
        moved = weights - weights[0]
        numbers = torch.cat(
            [
                (moved @ moved.T).reshape(-1),
                (self._sampled_every * torch.stack(self._gradients) @ moved.T).reshape(-1),
                torch.stack(self._alignments).reshape(-1),
                weights[0].square().sum().reshape(1),
            ]
        )
        values = numbers.double().cpu().numpy()
        if not np.isfinite(values).all():
            return None
        n = len(self._steps)
        return path_columns(
            steps=self._steps,
            products=values[: n * n].reshape(n, n),
            slopes=values[n * n : 2 * n * n].reshape(n, n),
            alignments=values[2 * n * n : -1].reshape(-1, 3),
            start_square=distance_unit(float(values[-1]), self._usual),
        )

    def _stop(self) -> None:
        """Stop measuring."""
        self.restart()
        self._next = math.inf


def _sample(optimizer: Optimizer, *, gradient: bool) -> torch.Tensor:
    """A sample of the weights, or of their gradients before any scaling."""
    sample = weight_sample(parameters_of(optimizer), gradient=gradient)
    scale = getattr(optimizer, "grad_scale", None) if gradient else None
    return sample if scale is None else sample / scale.to(sample.device)
