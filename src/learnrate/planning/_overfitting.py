r"""Whether trials fit their training data better than the validation data. Pure arithmetic.

What limits the best rate of a run is one of two things. Most often it is stability: above it, the
training loss and the validation loss rise together. The best rate then hardly moves with the horizon.
Or it is overfitting: above it, the training loss falls on and the validation loss rises. Then there
is a best amount of training, which is about the rate times the number of updates, so a run that is
ten times longer needs a rate that is ten times lower.

Two figures tell, both of the longest trials. The *gap* is the part of the relative fall of the training
loss that the validation loss does not share, at the best rate. The *lag* is how much further the log
training loss falls at higher rates, as a share of its fall, and counts as far as the validation loss
does not rise more. Neither changes if a loss is multiplied by a constant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._rung_losses import LadderTrial

__all__ = ["probability_of_overfitting"]

# Chosen in sweeps of 1/16 to 1/4 of a run of benchmarks/regret. There the gap is 0.1 to 0.75 where the
# best rate falls as fast as the run is longer, and -0.1 to 0.08 elsewhere, whichever domain is left out.
_GAP = 0.13  # at which overfitting is as likely as not
_GAP_SCALE = 0.03
_LAG = 0.1
_LEAST_FALL = 0.01  # of the log training loss; below it, nothing was learned


def probability_of_overfitting(
    trials: Sequence[LadderTrial], start: float, train_start: float
) -> float:
    """How likely overfitting limits the best rate of the longest trials.

    Args:
        trials: of any lengths.
        start: the log validation loss before training.
        train_start: the log training loss before training; NaN or infinite if it is not known.
    """
    longest = max((trial.steps for trial in trials), default=0)
    finished = sorted(
        (trial.log_lr, trial.log_loss, trial.log_train)
        for trial in trials
        if trial.steps == longest
        and trial.repeat == 0
        and math.isfinite(trial.log_loss)
        and math.isfinite(trial.log_train)
    )
    if not finished or not (math.isfinite(start) and math.isfinite(train_start)):
        return 0.0
    log_lr, log_loss, log_train = min(finished, key=lambda trial: trial[1])
    fall = train_start - log_train
    if fall < _LEAST_FALL:
        return 0.0
    shared = math.expm1(min(log_loss - start, 1.0)) / math.expm1(-fall)
    gap = min(1.0, 1.0 - shared)
    higher = [trial for trial in finished if trial[0] > log_lr]
    lag = max(
        (_lag(log_train - train, loss - log_loss, fall) for _, loss, train in higher), default=0.0
    )
    return 1.0 - (1.0 - lag) / (1.0 + math.exp((gap - _GAP) / _GAP_SCALE))


def _lag(train_fall: float, rise: float, fall: float) -> float:
    """The probability from one trial at a higher rate than the best.

    Args:
        train_fall: how much lower its log training loss is.
        rise: how much higher its log validation loss is, at least 0.
        fall: of the log training loss at the best rate, since the start; above 0.
    """
    if train_fall <= 0:
        return 0.0
    share = train_fall / fall
    return train_fall / (train_fall + rise) * share / (share + _LAG)
