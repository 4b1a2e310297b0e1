"""Schedules compared at one peak for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Measured
from learnrate.claims._measures import rank_agreement
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, at_own_best, decay_tasks, peak_lines

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

_SHAPES = {
    "constant": "warmup(5%) >> constant()",
    "cosine to 10 %": "warmup(5%) >> cosine(floor=0.1)",
    **DECAYS,
}
_LOSERS = {"constant": "linear", "linear": "constant"}
"""Whose best peak all share, and whose loss there is compared with its own best."""


def _measure(bench: Bench) -> Measured:
    cases, found = [], []
    for task in bench.tasks:
        peaks = at_own_best(bench, task, _SHAPES)
        own = np.array([peaks.best(name) for name in _SHAPES])
        by_seeds = rank_agreement(own, own)
        for whose, loser in _LOSERS.items():
            row = peaks.row(whose)
            there = np.array([peaks.losses[name][row] for name in _SHAPES])
            share = peaks.losses[loser][row] / peaks.best(loser)
            lost = by_seeds - rank_agreement(there, own)
            cases += [
                Case(f"{loser} there", task.name, share.tolist()),
                Case(f"ranking at {whose}'s", task.name, lost.tolist()),
            ]
        cases.append(Case("agreement of seeds", task.name, by_seeds.tolist()))
        found.append((task, peaks))
    return Measured(cases, peak_lines(found))


CLAIM = Claim(
    name="ranking-at-one-peak-misleads",
    topic="decay",
    statement="Schedules compared at one peak for all are ranked wrongly.",
    source=(
        "Common practice is the contrary; that tuning decides a comparison: Choi et al. 2019, On "
        "empirical comparisons of optimizers, arXiv:1910.05446"
    ),
    design=(
        "Six schedules at the peak that suits the constant rate, at the one that suits linear to "
        "zero, and each at its own. Spearman's correlation of one seed's losses with the other "
        "seeds' at own peaks, at own peaks less at the shared one, is what sharing costs beyond "
        f"what seeds do. {PEAKS_DESIGN}"
    ),
    figures=(
        *(
            Figure(
                name=f"{loser} there",
                says=f"{loser}'s loss at the best peak of {whose} over that at its own",
                low=1.02,
                unit="x",
            )
            for whose, loser in _LOSERS.items()
        ),
        *(
            Figure(
                name=f"ranking at {whose}'s",
                says=f"rank correlation that is lost, all at the best peak of {whose}",
                low=0.01,
            )
            for whose in _LOSERS
        ),
        Figure(
            name="agreement of seeds",
            says="rank correlation of one seed with the others, each schedule at its own peak",
        ),
    ),
    measure=_measure,
    seeds=8,
    full_seeds=8,
    tasks=decay_tasks,
    remark=(
        "The peak of the better schedule misleads less: what decays is judged there nearly at its "
        "own, and only the constant rate is wronged."
    ),
    axes=("peak", "validation loss"),
)
