"""The best rate of a whole run, from the distance that weights move in trials. Pure arithmetic.

At good rates, the weights of most trainings end at a distance from the initial weights that is about the
norm of these. A trial shows the distance at its rate, even if its loss says little.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._rung_likelihood import PRIOR_FREEDOM, log_student

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._loss_scale import TrialLoss

__all__ = ["USUAL_DISTANCES", "log_distances", "log_prior_of_distance"]

# Fitted to the distances of trials of 95 trainings of 19 domains (benchmarks/regret), not to their losses:
_LEAST_GROWTH, _MORE_IF_STRAIGHT, _STRAIGHTNESS_POWER = 0.2, 0.6, 4.0
_LOG_DISTANCE_STD = 1.0  # of the log of the distance at the end of runs at the best rate, around 0
USUAL_DISTANCES = (0.25, 3.3)  # 80 % of them, at the end, in norms of the initial weights


def log_prior_of_distance(
    trial_losses: Sequence[TrialLoss], start: float, total_steps: int, log_lrs: np.ndarray
) -> np.ndarray:
    """The log prior of each best rate of a whole run, up to a constant; 0 if no distance is known.

    Args:
        trial_losses: as for `log_distances`.
        start: the log loss before training.
        total_steps: the length of the whole run, in updates.
        log_lrs: rising log rates.
    """
    expected = log_distances(trial_losses, start, total_steps, log_lrs)
    if expected is None:
        return np.zeros(len(log_lrs))
    return log_student((expected / _LOG_DISTANCE_STD) ** 2, PRIOR_FREEDOM)


def log_distances(
    trial_losses: Sequence[TrialLoss], start: float, total_steps: int, log_lrs: np.ndarray
) -> np.ndarray | None:
    r"""The log of the expected distance of the weights after a whole run, at each rate.

    The distance is interpolated between the longest trials, and proportional to the rate beyond them.
    It grows with the number of updates $T$ as $T^g$. Where it is proportional to the rate, the weights
    keep their direction, and $g$ is about 0.8. Where it hardly depends on the rate, they have arrived, and $g$
    is about 0.2: $g = 0.2 + 0.6 s^4$ with $s$ the slope of its log over the log of the rate.

    Args:
        trial_losses: the losses of trials of any lengths. The distance of a trial that ended above
            the start does not count: its weights may be anywhere.
        start: the log loss before training.
        total_steps: the length of the whole run, in updates.
        log_lrs: rising log rates.

    Returns:
        One for each rate; None if no distance is known.
    """
    longest = max(trial.steps for trial in trial_losses)
    known = sorted(
        (trial.log_lr, trial.log_distance)
        for trial in trial_losses
        if trial.steps == longest and trial.log_loss < start and math.isfinite(trial.log_distance)
    )
    if not known:
        return None
    tried, log_distances_tried = np.array(known).T
    at_end = log_distances_tried + _growth(tried, log_distances_tried) * math.log(
        total_steps / longest
    )
    at_end = np.maximum.accumulate(at_end)  # the distance does not fall with the rate
    beyond = np.minimum(log_lrs - tried[0], 0.0) + np.maximum(log_lrs - tried[-1], 0.0)
    return np.asarray(np.interp(log_lrs, tried, at_end) + beyond)


def _growth(log_lrs: np.ndarray, log_distances: np.ndarray) -> np.ndarray:
    """The power of the number of updates with which the distance grows, at each rate tried.

    The slope of a rate is that from the next lower rate, and of the lowest that to the next higher one.
    """
    slope = np.diff(log_distances) / np.diff(log_lrs) if len(log_lrs) > 1 else np.ones(1)
    slope = np.concatenate([slope[: len(log_lrs) - len(slope)], slope])
    return _LEAST_GROWTH + _MORE_IF_STRAIGHT * np.clip(slope, 0.0, 1.0) ** _STRAIGHTNESS_POWER
