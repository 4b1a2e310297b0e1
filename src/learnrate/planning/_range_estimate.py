"""Where the best rate of trials lies, according to a range test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._climb import before_training

if TYPE_CHECKING:
    from learnrate.range_test import RangeTest

__all__ = ["expected_log_lr"]

_LOWEST_WITHIN = 1e3  # the lowest loss this factor below the last rate, or lower, is noise
_FAR_ABOVE = 3.0  # times the losses before training
_BEST_BELOW = 30.0  # the best rate lies this factor below the middle of lowest and last rate


def expected_log_lr(range_test: RangeTest) -> float:
    """The log of the best rate of trials of about an eighth of a run, according to the range test.

    A loss far above those before training ends the range that counts, even if later ones are lower.
    """
    tried = range_test.lr[: len(range_test.mean)]
    losses = range_test.loss[0][: len(tried)]
    high = losses > _FAR_ABOVE * np.max(np.abs(losses[: before_training(range_test)]))
    end = int(np.argmax(high)) + 1 if high.any() else len(tried)
    last = tried[end - 1]
    near = tried[:end] >= last / _LOWEST_WITHIN
    lowest = float(tried[:end][near][int(np.argmin(range_test.mean[:end][near]))])
    return math.log(math.sqrt(lowest * last) / _BEST_BELOW)
