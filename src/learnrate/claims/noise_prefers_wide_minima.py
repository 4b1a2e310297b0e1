"""The minimum in which noisy descent ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._basins import SHARP, WIDE, TwoBasins
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, Figure, share
from learnrate.schedules import schedule

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_BASINS = TwoBasins()
_PEAKS = (0.03, 0.06, 0.12)
_NOISE = 5.0
_POINTS = 200
_SHAPES = {"decayed": "linear()", "constant": "constant()"}


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The share of points that end in the wide minimum, of points that start in both alike."""
    updates = 5_000 if trials.full else 2_000
    start = np.repeat([SHARP, WIDE], _POINTS // 2)
    cases, shares = [], []
    for peak in _PEAKS:
        ends = {
            name: [
                _BASINS.descend(
                    start, (peak * schedule(text)).over(updates).table(), _NOISE, seed
                )[0]
                for seed in trials.seeds
            ]
            for name, text in _SHAPES.items()
        }
        wide = [float((x > _BASINS.barrier).mean()) for x in ends["decayed"]]
        cases.append(Case("in the wide one", f"peak {peak:g}", wide))
        shares.append(wide)
        for name, places in ends.items():
            losses = [float(_BASINS.loss(x).mean()) for x in places]
            cases.append(Case("loss", f"peak {peak:g}, {name}", losses))
    cases.sort(key=lambda case: case.figure)
    return ClaimMeasurement(
        cases, [ClaimLine.of_means("in the wide one", _PEAKS, np.array(shares))]
    )


CLAIM = Claim(
    topic="stability",
    statement="With gradient noise, training ends in wide minima rather than in sharp ones.",
    source="Keskar et al. 2016, arXiv:1609.04836; Jastrzebski et al. 2017, arXiv:1711.04623",
    design="""
        The loss has two minima of equal depth, of width 0.3 and 1. 200 points, half of them from
        each minimum, descend with Gaussian noise on the gradient, at three peaks with a linear
        decay to 0. The figure counts where they end. The loss at the end is reported with and
        without the decay.
    """,
    figures=(
        share("in the wide one", "share of the points that end in the wide minimum", low=0.5),
        Figure("loss", "mean loss at the end"),
    ),
    measure=_measure,
    seeds=(4, 20),
    axes=ClaimAxes("peak", "share in the wide minimum"),
    remark="""
        If the rate is too low, no point moves between the minima, so the share stays at its initial
        value. The noise moves the points between the minima, and the decay lets them settle. At a
        constant rate they stay above both minima.
    """,
)
