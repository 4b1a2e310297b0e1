"""Losses as heights, and how a height rises around the best rate. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Observation", "Scale", "eased", "linex"]

_FAR = 0.3  # heights above the lowest beyond which their logarithms count


@dataclass(frozen=True)
class Observation:
    """One trial: its length in updates, the log of its peak rate, the height of its final loss.

    Heights are on the `Scale` of the task; infinite for a trial that diverged.
    """

    steps: int
    log_lr: float
    height: float


@dataclass(frozen=True)
class Scale:
    """Losses as heights: their logs, as long as the task's losses stay above zero.

    For losses that go below zero, the share of the improvement first seen, below 0.

    Args:
        start: the loss before training.
        lowest: the lowest loss first seen.
    """

    start: float
    lowest: float

    @classmethod
    def of(cls, curve: np.ndarray) -> Scale:
        """The scale of a task, from the smooth losses of a range test."""
        return cls(float(curve[0]), float(curve.min()))

    @property
    def logarithmic(self) -> bool:
        """Whether heights are logs of losses, so that their differences are relative."""
        return self.lowest > 0

    def height(self, loss: float | None) -> float:
        """The height of a loss; infinite for None, a trial that did not finish."""
        if loss is None:
            return math.inf
        if self.logarithmic:
            return math.log(max(loss, 1e-12 * self.start))
        return (loss - self.start) / (self.start - self.lowest)

    def loss(self, height: np.ndarray) -> np.ndarray:
        """The losses at heights: the inverse of `height`."""
        if self.logarithmic:
            return np.asarray(np.exp(height))
        return np.asarray(self.start + height * (self.start - self.lowest))


def linex(distance: np.ndarray, cliff: np.ndarray | float) -> np.ndarray:
    """The cost of being `distance` (log rate) from the optimum: 0 there, with curvature 1.

    Examples:
        >>> linex(np.array([-1.0, 0.0, 1.0]), 1.0).round(3).tolist()
        [0.368, 0.0, 0.718]
    """
    u = np.clip(distance, -12.0, 8.0 / cliff)  # as far as anything is told apart
    return np.asarray((np.exp(cliff * u) - cliff * u - 1.0) / np.square(cliff))


def eased(above: np.ndarray) -> np.ndarray:
    """Heights above the lowest, with their logarithm counted beyond 0.3: far off is far off.

    Examples:
        >>> eased(np.array([0.0, 0.2, 0.3, 3.0])).round(3).tolist()
        [0.0, 0.2, 0.3, 0.991]
    """
    far = _FAR * (1.0 + np.log(np.maximum(above, _FAR) / _FAR))
    return np.asarray(np.minimum(above, far))
