"""Schedules compared at one common peak."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim
from learnrate.claims._measurement import Figure, factor
from learnrate.claims._measures import rank_agreement
from learnrate.claims._peaks import (
    DECAYS,
    PEAK_AXES,
    PEAKS_DESIGN,
    PeakSweep,
    decay_tasks,
    measure_peaks,
)

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_SHAPES = {
    "constant": "warmup(5%) >> constant()",
    "cosine to 10 %": "warmup(5%) >> cosine(floor=0.1)",
    **DECAYS,
}
_LOSERS = {"constant": "linear", "linear": "constant"}
"""The schedule whose best peak all share, and the one whose loss there is reported."""


def _compare(_trials: ClaimTrials, _task: Task, sweep: PeakSweep) -> dict[str, np.ndarray]:
    """Losses and rankings at the peak of one schedule, against those at each one's own."""
    best = np.array([sweep.best(name) for name in _SHAPES])
    by_seeds = rank_agreement(best, best)
    figures = {}
    for suited, loser in _LOSERS.items():
        row = sweep.row(suited)
        shared = np.array([sweep.losses[name][row] for name in _SHAPES])
        figures[f"{loser} there"] = sweep.losses[loser][row] / sweep.best(loser)
        figures[f"ranking at {suited}'s"] = by_seeds - rank_agreement(shared, best)
    return {**figures, "agreement of seeds": by_seeds}


CLAIM = Claim(
    topic="decay",
    statement="Schedules compared at one peak for all are ranked wrongly.",
    source="""
        Common practice is the opposite. On the effect of tuning on comparisons see Choi et al. 2019, On
        empirical comparisons of optimizers, arXiv:1910.05446
    """,
    design=f"""
        Six schedules train at a shared peak, which is the best peak of the constant rate or of the
        linear decay to zero, and each at its own best peak. Spearman's correlation of the losses of
        one seed with those of the other seeds is computed at each schedule's best peak and at the shared
        peak. The difference is what a shared peak costs beyond the noise between seeds. {PEAKS_DESIGN}
    """,
    figures=(
        *(
            factor(
                f"{loser} there",
                f"loss of {loser} at the best peak of {suited} divided by its loss at its own best peak",
                low=1.0,
            )
            for suited, loser in _LOSERS.items()
        ),
        *(
            Figure(
                f"ranking at {suited}'s",
                f"loss of rank correlation if all schedules use the best peak of {suited}",
                low=0.0,
            )
            for suited in _LOSERS
        ),
        Figure(
            "agreement of seeds",
            "rank correlation of one seed with the others, each schedule at its own peak",
        ),
    ),
    measure=measure_peaks(_SHAPES, _compare),
    seeds=(8, 8),
    tasks=decay_tasks,
    remark="""
        The peak of the better schedule misleads less: schedules that decay are judged nearly at
        their own best peak, and only the constant rate is at a disadvantage.
    """,
    axes=PEAK_AXES,
)
