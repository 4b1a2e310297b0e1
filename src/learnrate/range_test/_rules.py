"""Rules that read a rate off the curve of a range test: pure functions of arrays.

Each takes `lr` (increasing, positive, shape (n,)) and the smooth loss at those rates (shape (n,),
finite), and returns a rate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = [
    "RULES",
    "Rule",
    "minimum",
    "slide",
    "smoothed",
    "steepest",
    "valley",
    "without_dips",
]

Rule = Callable[[np.ndarray, np.ndarray], float]

_NEIGHBOURS = 5  # differences on each side that define the usual one
_FAR = 6.0  # usual differences


def smoothed(loss: np.ndarray, memory: float) -> np.ndarray:
    r"""Exponential mean along the last axis, with bias correction.

    $s_i = \sum_{j \le i} \beta^{i-j} x_j / \sum_{j \le i} \beta^{i-j}$ with $\beta$ = `memory`, in
    [0, 1). A constant stays constant. All values from the first one that is not finite are NaN.

    Examples:
        >>> smoothed(np.array([2.0, 2.0, 5.0]), 0.5).round(3).tolist()
        [2.0, 2.0, 3.714]
    """
    weighted_sum = np.zeros(loss.shape[:-1])
    weight = 0.0
    result = np.empty(loss.shape)
    for i in range(loss.shape[-1]):
        weighted_sum = memory * weighted_sum + loss[..., i]
        weight = memory * weight + 1.0
        result[..., i] = weighted_sum / weight
    return np.where(np.isfinite(result), result, np.nan)


def without_dips(loss: np.ndarray) -> np.ndarray:
    """Losses in which single values far below both neighbours become the mean of the two.

    The last batch of an epoch may have fewer examples. A loss that is summed over a batch is lower for
    this update alone, whatever the rate. Far means six times the median difference of successive losses
    nearby.

    Args:
        loss: at increasing rates, shape (iters,); NaN after the end.

    Examples:
        >>> without_dips(np.array([8.0, 8.1, 8.0, 1.0, 8.1, 8.0, 7.9])).tolist()
        [8.0, 8.1, 8.0, 8.05, 8.1, 8.0, 7.9]
    """
    result = loss.copy()
    differences = np.abs(np.diff(loss))
    for i in range(1, len(loss) - 1):
        before = differences[max(0, i - 1 - _NEIGHBOURS) : i - 1]
        after = differences[i + 1 : i + 1 + _NEIGHBOURS]
        nearby = np.concatenate([before, after[np.isfinite(after)]])
        depth = np.minimum(loss[i - 1], loss[i + 1]) - loss[i]  # NaN at the last loss
        if len(nearby) >= 3 and depth > _FAR * np.median(nearby):
            result[i] = (loss[i - 1] + loss[i + 1]) / 2
    return result


def steepest(lr: np.ndarray, loss: np.ndarray) -> float:
    """Where the loss falls fastest: argmin of d loss / d log lr, by central differences.

    Smith 2017 (arXiv:1506.01186) reads the curve this way; torch-lr-finder and ignite automate it.
    Lightning 2.5.3 and later differentiate by lr instead, which favours tiny rates.
    """
    return float(lr[int(np.argmin(np.gradient(loss, np.log(lr))))])


def minimum(lr: np.ndarray, loss: np.ndarray) -> float:
    """A tenth of the rate at which the loss is lowest (fastai's `minimum`)."""
    return float(lr[int(np.argmin(loss))]) / 10


def valley(lr: np.ndarray, loss: np.ndarray) -> float:
    """The middle of the longest valley (fastai's default, `valley`).

    The valley is the longest strictly decreasing subsequence of the loss. The rate is a third plus
    a sixth of its length after its start, as fastai counts it.
    """
    length = np.ones(len(loss), dtype=int)
    for i in range(1, len(loss)):
        above = loss[:i] > loss[i]
        if above.any():
            length[i] = 1 + length[:i][above].max()
    end = int(np.argmax(length))
    start = end - int(length[end])
    section = (end - start) / 3
    index = start + int(section) + int(section / 2)
    return float(lr[max(0, index)])


def slide(lr: np.ndarray, loss: np.ndarray, *, width: int = 15, threshold: float = 0.005) -> float:
    """Left of the divergence: a window slides down from the highest rate until its slopes agree.

    fastai's `slide`. The window moves left while the loss differences at its two ends differ by
    more than `threshold`.

    Args:
        lr: the rates.
        loss: the smooth loss at each.
        width: how many rates the window spans; fewer if there are no more.
        threshold: of the difference of the slopes, in units of the loss.
    """
    slope = np.gradient(loss)
    right = len(loss) - 1
    left = right - min(width, right)
    last = left
    while left >= 0 and abs(slope[right] - slope[left]) > threshold:
        last = left
        left, right = left - 1, right - 1
    return float(lr[last])


RULES: dict[str, Rule] = {
    "steepest": steepest,
    "valley": valley,
    "slide": slide,
    "minimum": minimum,
}
