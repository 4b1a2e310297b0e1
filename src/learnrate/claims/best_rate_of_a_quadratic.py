"""The best fixed rate of gradient descent on a quadratic loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import AS_GOOD, ClaimLine, ClaimMeasurement, factor

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_CONDITIONS = (3.0, 30.0, 300.0)
_DIMENSIONS = 20
_SHARES = np.geomspace(0.3, 2.0, 2000)  # of the law's rate


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The best rate over 2 / (largest + smallest curvature), with exact arithmetic."""
    return ClaimMeasurement.joined(_measured(trials, condition) for condition in _CONDITIONS)


def _measured(trials: ClaimTrials, condition: float) -> ClaimMeasurement:
    """The best rate over the law's, at one condition number."""
    updates = int(50 * condition)
    distances = np.array([_distances(condition, updates, seed) for seed in trials.seeds])
    where = f"condition {condition:g}"
    return ClaimMeasurement.of(
        where,
        {"best rate": _SHARES[distances.argmin(axis=1)]},
        ClaimLine.of(where, _SHARES[::20], distances.mean(axis=0)[::20]),
    )


def _distances(condition: float, updates: int, seed: int) -> np.ndarray:
    """Log of the distance from the minimum after all updates, at each rate."""
    rng = np.random.default_rng(seed)
    curvatures = np.exp(rng.uniform(0.0, np.log(condition), _DIMENSIONS))
    curvatures[:2] = 1.0, condition
    start = rng.standard_normal(_DIMENSIONS)
    rates = _SHARES * 2.0 / (1.0 + condition)
    shrinkage = np.log(np.abs(1.0 - np.outer(rates, curvatures)) + 1e-300)
    logs = 2 * (updates * shrinkage + np.log(np.abs(start)))
    return np.asarray(np.logaddexp.reduce(logs, axis=1) / 2)


CLAIM = Claim(
    topic="stability",
    statement="The best fixed rate on a quadratic is 2 over the sum of the extreme curvatures.",
    source="""
        Polyak, Introduction to optimization, 1987; LeCun, Bottou, Orr and Mueller, Efficient
        backprop, 1998, for the optimal rate of one dimension
    """,
    design="""
        Gradient descent without noise on random quadratics of 20 dimensions, with condition
        numbers of 3, 30 and 300, from random starts, for 50 updates times the condition number.
        The distance from the minimum is computed exactly at 2,000 rates.
    """,
    figures=(
        factor(
            "best rate",
            "rate of the smallest distance divided by 2 / (largest + smallest curvature)",
            low=1 / AS_GOOD,
            high=AS_GOOD,
        ),
    ),
    measure=_measure,
    seeds=(10, 100),
    axes=ClaimAxes("rate divided by that of the law", "log distance from the minimum"),
    remark="""
        A tenth above this rate, the direction of the largest curvature oscillates without end, and
        above 2 / largest curvature gradient descent diverges. In a short run, the start matters
        more than the law.
    """,
)
