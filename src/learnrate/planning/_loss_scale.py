"""Losses on a logarithmic scale, and how they rise around the best rate. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["LossScale", "TrialLoss", "compress", "linex"]

_COMPRESS_BEYOND = 0.3  # above the lowest log loss


@dataclass(frozen=True)
class TrialLoss:
    """The final loss of one trial, as the joint fit uses it.

    Attributes:
        steps: the trial's length in updates.
        log_lr: the natural log of its peak rate.
        log_loss: its final loss on the task's `LossScale`; infinite if it diverged.
        count: how many seeds it is the mean of.
        log_distance: the natural log of the distance of its weights from the initial ones, over the
            norm of these; NaN if it is not known.
    """

    steps: int
    log_lr: float
    log_loss: float
    count: int = 1
    log_distance: float = math.nan


@dataclass(frozen=True)
class LossScale:
    """The scale on which a plan compares losses: their natural logs.

    Losses at or below zero have no logarithm. If there are any, the scale is linear instead: the change
    of the loss since the start, as a share of the improvement that was seen, or of the loss at the start
    if nothing improved. `log_loss` stands for both.

    Args:
        start: the loss before training.
        lowest: the lowest loss seen.
    """

    start: float
    lowest: float

    @classmethod
    def of(cls, validation_start: float | None, *curves: np.ndarray) -> LossScale:
        """The scale of a task.

        A training loss may be negative where the validation loss is not, as in policy gradients. Then
        the trials are compared by logs of the validation loss.

        Args:
            validation_start: the validation loss before training; None if the task has none.
            curves: the smoothed training losses of its range tests.
        """
        if validation_start is not None and validation_start > 0:
            return cls(validation_start, validation_start)
        return cls(float(curves[0][0]), min(float(curve.min()) for curve in curves))

    @property
    def logarithmic(self) -> bool:
        """Whether this is the scale of logs, on which differences are relative."""
        return self.lowest > 0

    def log_loss(self, loss: float | None) -> float:
        """A loss on this scale; infinite for None, the loss of a trial that did not finish."""
        if loss is None:
            return math.inf
        if self.logarithmic:
            return math.log(max(loss, 1e-12 * self.start))
        return (loss - self.start) / self._unit

    def log_train(self, loss: float | None) -> float:
        """A training loss on this scale; NaN for None, and for a negative one on the scale of logs."""
        if loss is None or (self.logarithmic and loss < 0):
            return math.nan
        return self.log_loss(loss)

    def reaching(self, lowest: float) -> LossScale:
        """The scale of the same task, if losses fall as low as this."""
        return LossScale(self.start, min(self.lowest, lowest))

    def loss(self, log_loss: np.ndarray) -> np.ndarray:
        """The losses whose `log_loss` these are, in the unit of the task."""
        if self.logarithmic:
            return np.asarray(np.exp(log_loss))
        return np.asarray(self.start + log_loss * self._unit)

    @property
    def _unit(self) -> float:
        return (self.start - self.lowest) or abs(self.start) or 1.0


def linex(distance: np.ndarray, cliff: np.ndarray | float) -> np.ndarray:
    r"""The cost of a log rate at a distance from the optimum: 0 at the optimum, with curvature 1.

    $\ell_a(u) = (e^{a u} - a u - 1)/a^2$: linear far below the optimum, exponential above it.

    Args:
        distance: the log of the rate over the best rate.
        cliff: $a$, the steepness above the optimum.

    Examples:
        >>> linex(np.array([-1.0, 0.0, 1.0]), 1.0).round(3).tolist()
        [0.368, 0.0, 0.718]
    """
    clipped = np.clip(distance, -12.0, 8.0 / cliff)  # beyond this, all rates are equally bad
    return np.asarray((np.exp(cliff * clipped) - cliff * clipped - 1.0) / np.square(cliff))


def compress(excess: np.ndarray) -> np.ndarray:
    """Log losses above the lowest, compressed logarithmically beyond 0.3.

    A trial far above the lowest loss says on which side the best rate lies, not how far away it is.

    Examples:
        >>> compress(np.array([0.0, 0.2, 0.3, 3.0])).round(3).tolist()
        [0.0, 0.2, 0.3, 0.991]
    """
    compressed = _COMPRESS_BEYOND * (
        1.0 + np.log(np.maximum(excess, _COMPRESS_BEYOND) / _COMPRESS_BEYOND)
    )
    return np.asarray(np.minimum(excess, compressed))
