"""The best rate that trainings with an optimizer like Adam usually have. Pure arithmetic.

What matters is how large one update is beside the weights, in spectral norms (Yang, Simon and
Bernstein 2023, arXiv:2310.17813). The best rates of 58 trainings of 18 domains (benchmarks/regret) are
at about 0.44 of the rate at which one update may double the weight matrices. The best rate of other
optimizers depends on the unit of the loss, so nothing is said of these.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["USUAL_RANGE", "log_prior_of_usual_rate", "usual_log_lr"]

# Fitted to the best rates alone, not to the losses of plans:
_LOG_CHANGE, _LOG_CHANGE_STD = -0.82, 0.95  # of one update, in norms of the matrices
USUAL_RANGE = math.exp(1.28 * _LOG_CHANGE_STD)  # 80 % of them lie within this factor
_UNUSUAL = 0.2  # the probability that a training is not like these
_LOG_LR_RANGE = 16.0  # e-folds, over which its best rate may be anywhere


def usual_log_lr(log_matrix_scale: float | None) -> float:
    """The log of the usual best rate; NaN if it is not known.

    Args:
        log_matrix_scale: the log of the rate at which one update may double the weights.
    """
    return math.nan if log_matrix_scale is None else _LOG_CHANGE + log_matrix_scale


def log_prior_of_usual_rate(log_lrs: np.ndarray, usual: float) -> np.ndarray:
    """The log prior of the best rate of a whole run, to a constant.

    It is normal around the usual rate. But with a probability of 0.2 it may be any, so that beyond a
    certain distance from the usual rate it does not matter how far a rate is.

    Args:
        log_lrs: at which.
        usual: the log of the usual rate; NaN if it is not known, which makes all rates alike.
    """
    if math.isnan(usual):
        return np.zeros(len(log_lrs))
    deviation = (log_lrs - usual) / _LOG_CHANGE_STD
    density = np.exp(-0.5 * deviation**2) / (_LOG_CHANGE_STD * math.sqrt(2 * math.pi))
    return np.asarray(np.log((1 - _UNUSUAL) * density + _UNUSUAL / _LOG_LR_RANGE))
