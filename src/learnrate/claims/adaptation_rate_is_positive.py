"""The other half of Bernacchia's result: the rate of adaptation to a new task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, Figure, share
from learnrate.claims._regression import readings, share_of_random_problems
from learnrate.meta import theory

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

RATES = np.linspace(-0.2, 0.4, 25)
INNER = (0.2, -1.0)


def _read(drawn: theory.Simulation) -> list[float]:
    """The optimum at each inner rate, and the loss at every rate of the picture."""
    losses = [drawn.loss(INNER[0], float(rate)).mean for rate in RATES]
    return [*(drawn.best_adapt_lr(rate) for rate in INNER), *losses]


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The best adaptation rates, simulated and by the formula."""
    runs = 10_000 if trials.full else 500
    problem = theory.FIGURE_2
    drawn = readings(trials, problem, runs, _read)
    fewer_weights = readings(trials, theory.FIGURE_3, runs // 10, _read)
    cases = [
        Case("optimum", f"figure 2, inner_lr {INNER[0]:g}", drawn[:, 0].tolist()),
        Case("optimum", f"figure 2, inner_lr {INNER[1]:g}", drawn[:, 1].tolist()),
        Case("optimum", f"figure 3, inner_lr {INNER[0]:g}", fewer_weights[:, 0].tolist()),
        share_of_random_problems(trials, lambda random: random.best_adapt_lr(0.2) > 0),
        Case("off", "figure 2", (problem.best_adapt_lr(INNER[0]) - drawn[:, 0]).tolist()),
    ]
    lines = [
        ClaimLine.of("figure 2, simulated", RATES, drawn[:, 2:].mean(axis=0)),
        ClaimLine.of("figure 2, formula", RATES, problem.loss(INNER[0], RATES)),
    ]
    return ClaimMeasurement(cases, lines)


CLAIM = Claim(
    topic="meta-learning",
    statement="""
        In mixed linear regression, the optimal learning rate of adaptation to a new task is
        positive.
    """,
    source="Bernacchia 2021, Meta-learning with negative learning rates, arXiv:2102.00940",
    design="""
        The setting is that of optimal-inner-rate-is-negative. Weights that are meta-trained at an
        inner rate of 0.2 or -1 adapt to new tasks in one step. The optimum is the rate with the
        lowest mean loss over all new tasks. Figure 3 of the paper has fewer weights than outer
        points.
    """,
    figures=(
        Figure("optimum", "adaptation rate of lowest test loss", low=0.0),
        share("share", "share of random problems with a positive optimum", low=1.0),
        Figure("off", "the formula's optimum minus the simulated one, inner_lr 0.2"),
    ),
    measure=_measure,
    seeds=(4, 5),
    remark="""
        The optimum is small, because one step on 20 noisy points overfits: 0.09, although
        gradient descent is stable up to 2.
    """,
    axes=ClaimAxes("adapt_lr", "test loss at inner_lr 0.2", log=""),
)
