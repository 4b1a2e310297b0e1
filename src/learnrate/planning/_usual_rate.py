"""The prior of the best rate of a whole run, from the usual rate of its optimizer. Pure arithmetic."""

from __future__ import annotations

import math

import numpy as np

from learnrate._usual_rate import LOG_STD

__all__ = ["log_prior_of_usual_rate"]

_UNUSUAL = 0.2  # probability that a training is unlike those that the usual rate was fitted to
_LOG_LR_RANGE = 16.0  # e-folds: the width of the uniform part


def log_prior_of_usual_rate(log_lrs: np.ndarray, usual: float) -> np.ndarray:
    """The log prior of the best rate of a whole run, up to a constant.

    It is a mixture: normal around the usual rate, and uniform with a probability of 0.2. So all rates far
    from the usual one have the same prior.

    Args:
        log_lrs: the logs of rates.
        usual: the log of the usual rate; NaN if it is not known, which makes all rates equally likely.
    """
    if math.isnan(usual):
        return np.zeros(len(log_lrs))
    deviation = (log_lrs - usual) / LOG_STD
    density = np.exp(-0.5 * deviation**2) / (LOG_STD * math.sqrt(2 * math.pi))
    return np.asarray(np.log((1 - _UNUSUAL) * density + _UNUSUAL / _LOG_LR_RANGE))
