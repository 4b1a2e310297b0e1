"""The time in which descent leaves a sharp minimum."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._basins import SHARP, TwoBasins
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, factor, share

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_BASINS = TwoBasins()
_RATES = (0.03, 0.06, 0.12)  # the sharp minimum is unstable from 2 / curvature = 0.18 on
_NOISES = (3.0, 5.0)
_POINTS = 200


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """How many updates it takes until half of the points have left, over those at half the rate."""
    updates = 5_000 if trials.full else 1_000
    cases, lines = [], []
    for noise in _NOISES:
        times = np.array(
            [[_time(lr, noise, updates, seed) for seed in trials.seeds] for lr in _RATES]
        )
        for row, (half, lr) in enumerate(pairwise(_RATES)):
            if times[row + 1].max() > updates:
                continue  # neither rate leaves: nothing is compared
            where = f"noise {noise:g}, {lr:g} against {half:g}"
            cases.append(Case("time", where, (times[row + 1] / times[row]).tolist()))
        lines.append(ClaimLine.of_means(f"noise {noise:g}", _RATES, times))
    for lr in (1.0 / _BASINS.curvature, 4.0 / _BASINS.curvature):
        has_left = [_time(lr, 0.0, updates, seed) <= updates for seed in trials.seeds]
        where = f"no noise, lr * curvature {lr * _BASINS.curvature:.2g}"
        cases.append(Case("left without noise", where, np.array(has_left, dtype=float).tolist()))
    return ClaimMeasurement(cases, lines)


def _time(lr: float, noise: float, updates: int, seed: int) -> float:
    """The median over points; those that never leave count as one more than all updates."""
    start = SHARP + 0.01 * np.random.default_rng([seed, 1]).standard_normal(_POINTS)
    _, passed = _BASINS.descend(start, np.full(updates, lr), noise, seed)
    return float(np.median(passed))


CLAIM = Claim(
    topic="stability",
    statement="A larger learning rate leaves poor, sharp minima sooner.",
    source="""
        Hochreiter and Schmidhuber, Flat minima, 1997; Keskar et al. 2016, arXiv:1609.04836;
        Jastrzebski et al. 2017, arXiv:1711.04623
    """,
    design="""
        The loss has two minima of equal depth, one of width 0.3 and one of width 1. 200 points
        start in the sharp minimum and descend with Gaussian noise on the gradient. The number of
        updates until half of the points have passed the barrier is compared between a rate and half
        of it. Rates at which no point leaves are not compared. Rates of 1 and 4 over the curvature
        are also tried without noise.
    """,
    figures=(
        factor(
            "time",
            "updates until half have left, at a rate divided by those at half the rate",
            high=1.0,
        ),
        share("left without noise", "share of the seeds in which the points leave"),
    ),
    measure=_measure,
    seeds=(4, 20),
    axes=ClaimAxes("lr", "updates until half have left", log="xy"),
    remark="""
        A run that never leaves counts with its full length, so the true ratios are at most those
        shown. Without noise, points leave a minimum only if lr times its curvature is far enough
        above 2; just above 2 they oscillate in it. After a decay, points stay in the minimum where
        they are.
    """,
)
