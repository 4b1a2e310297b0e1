"""The level at which a constant rate settles under gradient noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import EXPONENT, ClaimLine, ClaimMeasurement, Figure

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_CURVATURES = {"condition 1": np.ones(20), "condition 10": np.geomspace(0.1, 1.0, 20)}
_LOW, _HIGH = (0.01, 0.02, 0.05, 0.1), (0.2, 0.5, 1.0, 1.5)
_COPIES = 10
_UPDATES = 8000  # the slowest direction forgets its start in 1,000
_MOMENTA = {"SGD": 0.0, "momentum 0.9": 0.9}


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The exponent d ln excess loss / d ln rate, far below the stability limit and near it."""
    parts = []
    for name, curvatures in _CURVATURES.items():
        for optimizer, momentum in _MOMENTA.items():
            rates = np.array([*_LOW, *_HIGH])
            scaled = rates * (1.0 - momentum)
            floors = np.array(
                [_floors(curvatures, scaled, momentum, seed) for seed in trials.seeds]
            ).T
            where = f"{name}, {optimizer}"
            low, high = slice(len(_LOW)), slice(len(_LOW), None)
            slopes = {
                figure: np.polyfit(np.log(rates[rows]), np.log(floors[rows]), 1)[0]
                for figure, rows in (("exponent", low), ("near the limit", high))
            }
            line = ClaimLine.of_means(where, scaled, floors)
            parts.append(ClaimMeasurement.of(where, slopes, line))
    return ClaimMeasurement.joined(parts, by_figure=("exponent", "near the limit"))


def _floors(curvatures: np.ndarray, rates: np.ndarray, momentum: float, seed: int) -> np.ndarray:
    """The mean excess loss over the second half of the run at each rate, over all copies."""
    rng = np.random.default_rng(seed)
    shape = (_COPIES, len(curvatures))
    x, velocity = np.zeros((2, len(rates), *shape))
    total = np.zeros(len(rates))
    for step in range(_UPDATES):
        velocity = momentum * velocity + curvatures * x + rng.standard_normal(shape)
        x -= rates[:, None, None] * velocity
        if 2 * step >= _UPDATES:
            total += 0.5 * (curvatures * x**2).sum(axis=2).mean(axis=1)
    return np.asarray(2 * total / _UPDATES)


CLAIM = Claim(
    topic="stability",
    statement="Under gradient noise a constant rate settles at a loss in proportion to the rate.",
    source="Bottou, Curtis and Nocedal 2018, Optimization methods, arXiv:1606.04838, theorem 4.6",
    design="""
        Gradient descent with unit noise on quadratics of 20 dimensions starts at the minimum. The
        excess loss is averaged over the second half of 8,000 updates, at rates of 0.01 to 0.1 over
        the largest curvature. Proportional means an exponent of 0.75 to 1.25. The exponent at rates
        of 0.2 to 1.5 over the largest curvature is also reported.
    """,
    figures=(
        Figure(
            "exponent",
            "d ln excess loss / d ln rate, at low rates",
            low=1.0 - EXPONENT,
            high=1.0 + EXPONENT,
        ),
        Figure("near the limit", "the same at 0.2 to 1.5 over the largest curvature"),
    ),
    measure=_measure,
    seeds=(4, 10),
    axes=ClaimAxes("lr", "excess loss", log="xy"),
    remark="""
        With momentum 0.9, the loss settles at the level of a rate that is ten times higher. Near 2
        / curvature, the level rises faster than the rate.
    """,
)
