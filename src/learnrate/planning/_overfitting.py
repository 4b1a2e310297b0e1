r"""Whether trials fit their training data better than the validation data. Pure arithmetic.

The best rate of a run is limited by one of two things. Most often it is stability: at higher rates, the
training loss and the validation loss rise together. The best rate then hardly moves with the horizon. Or
it is overfitting: at higher rates, the training loss keeps falling and the validation loss rises. Then
there is a best amount of training, which is about the rate times the number of updates, so a run that is
ten times longer needs a rate that is ten times lower.

Two figures of the longest trials show which it is. The *gap* is the part of the relative fall of the
training loss that the validation loss does not share, at the best rate. The *lag* is how much further the
log training loss falls at higher rates, as a share of its fall, and counts as far as the validation loss
does not rise more. A training loss that has fallen by a few per cent may have done so by chance. So its
falls are divided by the fall plus 0.03, and the gap is lowered by the standard error of the fall: the
training loss of a short trial is the mean of a few batches. Neither figure changes if both losses are
multiplied by a constant. Data that were read once cannot be overfitted: until the second pass, each
training loss is measured on new examples, like the validation loss.

The gap compares two losses, so they must be of one kind. Before training nothing is overfitted, so two
losses of one kind are equal up to noise. If they are not, as with a physical residual and the error of
the solution, or a sum and a mean, only the lag is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._rung_losses import LadderTrial

__all__ = ["Overfitting", "overfitting"]

# Chosen in sweeps of 1/16 to 1/4 of a run of benchmarks/regret. There the gap is 0.1 to 0.75 where the
# best rate falls as fast as the run is longer, and -0.1 to 0.08 elsewhere, whichever domain is left out.
_GAP = 0.13  # gap at which the probability of overfitting is one half
_GAP_SCALE = 0.03
_LAG = 0.1
_LIKELY = 0.5
_SAME_KIND = math.log(3.0)  # in 95 tasks, two losses of one kind start within a factor of 2.7
_NOISE = 0.03  # fall of a log loss that may be chance


@dataclass(frozen=True)
class Overfitting:
    """How likely overfitting limits the best rate of the longest trials, and what says so.

    Attributes:
        gap: the probability from the gap alone.
        lag: the probability from the lag alone.
        best: the trial with the lowest validation loss; None if nothing can be said.
        higher: the trial at a higher rate that the lag is about; None if there is none.
    """

    gap: float = 0.0
    lag: float = 0.0
    best: LadderTrial | None = None
    higher: LadderTrial | None = None

    @property
    def probability(self) -> float:
        """The probability that either sign is right: 1 - (1 - lag)(1 - gap)."""
        return 1.0 - (1.0 - self.lag) * (1.0 - self.gap)

    @property
    def reason(self) -> str:
        """The losses that make overfitting more likely than not; empty if it is not."""
        if self.best is None or self.probability <= _LIKELY:
            return ""
        steps, lr = f"{self.best.steps:,}", f"{self.best.record.lr:.2g}"
        if self.gap >= self.lag or self.higher is None:
            return f"the training loss of {steps} updates at {lr} fell further than the validation loss"
        return (
            f"with {steps} updates, the training loss ended lower at {self.higher.record.lr:.2g} than "
            f"at {lr}, and the validation loss did not"
        )


def overfitting(
    trials: Sequence[LadderTrial], start: float, train_start: float, train_noise: float = 0.0
) -> Overfitting:
    """The signs of overfitting in the longest trials.

    Args:
        trials: trials of any lengths.
        start: the log validation loss before training.
        train_start: the log training loss before training; NaN or infinite if it is not known.
        train_noise: the standard deviation of the log training loss of one update.
    """
    longest = max((trial.steps for trial in trials), default=0)
    finished = [
        trial
        for trial in trials
        if trial.steps == longest
        and trial.repeat == 0
        and math.isfinite(trial.log_loss)
        and math.isfinite(trial.log_train)
        and trial.record.passes != 1
    ]
    if not finished or not (math.isfinite(start) and math.isfinite(train_start)):
        return Overfitting()
    best = min(finished, key=lambda trial: (trial.log_loss, trial.log_lr))
    fall = max(0.0, train_start - best.log_train)
    train_share, share = -math.expm1(-fall), -math.expm1(min(best.log_loss - start, 1.0))
    error = train_noise * math.exp(-fall) * math.sqrt(2 / max(1, longest // 10))
    unshared = min(train_share, train_share - share) - error
    gap = max(-1.0, unshared / (train_share + _NOISE))
    lags = {
        trial.log_lr: (
            _lag(best.log_train - trial.log_train, trial.log_loss - best.log_loss, fall),
            trial,
        )
        for trial in finished
        if trial.log_lr > best.log_lr
    }
    lag, higher = max(lags.values(), key=lambda pair: pair[0], default=(0.0, None))
    is_like = abs(start - train_start) <= _SAME_KIND
    by_gap = 1.0 / (1.0 + math.exp((_GAP - gap) / _GAP_SCALE)) if is_like else 0.0
    return Overfitting(by_gap, lag, best, higher)


def _lag(train_fall: float, rise: float, fall: float) -> float:
    """The probability from one trial at a higher rate than the best.

    Args:
        train_fall: how much lower its log training loss is.
        rise: how much higher its log validation loss is, at least 0.
        fall: the fall of the log training loss at the best rate, since the start; at least 0.
    """
    if train_fall <= 0:
        return 0.0
    share = train_fall / (fall + _NOISE)
    return train_fall / (train_fall + rise) * share / (share + _LAG)
