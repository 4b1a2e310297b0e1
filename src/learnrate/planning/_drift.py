"""The prior of the drift, the change of the best rate with the horizon. Pure arithmetic."""

from __future__ import annotations

import numpy as np

from learnrate.planning._rung_likelihood import PRIOR_FREEDOM, log_student

__all__ = [
    "DRIFT",
    "DRIFTS",
    "DRIFT_CHANGE_STD",
    "DRIFT_OVERFITTING",
    "log_prior_of_drift",
]

# Fitted to exhaustive sweeps at five horizons of the development cells of benchmarks/regret: the change
# of the log best rate per e-fold of horizon, its mean and its standard deviation.
DRIFT = (-0.2, 0.2)  # where stability limits the best rate
DRIFT_OVERFITTING = (-1.2, 0.35)  # where overfitting does: rate times updates stays the same
DRIFT_CHANGE_STD = 0.16  # of the drift, per e-fold of horizon beyond the longest trial

DRIFTS = np.arange(-1.8, 0.81, 0.1)


def log_prior_of_drift(overfitting: float) -> np.ndarray:
    """The log prior of each of `DRIFTS`: a mixture of the priors under stability and under overfitting.

    Args:
        overfitting: the probability that overfitting limits the best rate.
    """
    stable, overfitted = _student(*DRIFT), _student(*DRIFT_OVERFITTING)
    return np.asarray(np.log((1.0 - overfitting) * stable + overfitting * overfitted))


def _student(mean: float, std: float) -> np.ndarray:
    """The prior probability of each drift: Student's t."""
    weight = np.exp(log_student(((DRIFTS - mean) / std) ** 2, PRIOR_FREEDOM))
    return np.asarray(weight / weight.sum())
