"""Where the best rate of trials lies, according to a range test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._climb import before_training

if TYPE_CHECKING:
    from learnrate.range_test import RangeTest

__all__ = ["end_of_range", "expected_log_lr"]

_LOWEST_WITHIN = 1e3  # the lowest loss this factor below the last rate, or lower, is noise
_FAR_ABOVE = 3.0  # times the losses before training
_FAR_ERRORS = 10.0  # standard deviations of the losses before
_FIRST_LOSSES = 5  # that a standard deviation needs
_BEST_BELOW = 30.0  # the best rate lies this factor below the middle of lowest and last rate


def expected_log_lr(range_test: RangeTest) -> float:
    """The log of the best rate of trials of about an eighth of a run, according to the range test.

    A loss far above those before training ends the range that counts, even if later ones are lower.
    """
    tried = range_test.lr[: len(range_test.mean)]
    last = end_of_range(tried, range_test.loss[0][: len(tried)])
    near = (tried >= last / _LOWEST_WITHIN) & (tried <= last)
    lowest = float(tried[near][int(np.argmin(range_test.mean[near]))])
    return math.log(math.sqrt(lowest * last) / _BEST_BELOW)


def end_of_range(lr: np.ndarray, losses: np.ndarray) -> float:
    """The first rate at which the loss is far above all before it; the last rate if none is.

    Far above is above three times the first losses, and ten standard deviations above the mean of all losses
    before it. So a single example with a large loss does not end the range.

    Args:
        lr: the rates of a range test that it reached, rising.
        losses: the losses at these rates.
    """
    first = max(before_training(len(lr)), min(_FIRST_LOSSES, len(lr) // 2))
    bound = _FAR_ABOVE * np.max(np.abs(losses[:first]))
    for place in range(first, len(lr)):
        before = losses[:place]
        if losses[place] > max(bound, before.mean() + _FAR_ERRORS * before.std()):
            return float(lr[place])
    return float(lr[-1])
