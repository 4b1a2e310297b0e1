"""Bernacchia's theorem, in its own setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, Figure, share
from learnrate.claims._regression import readings, share_of_random_problems
from learnrate.meta import theory

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

RATES = np.linspace(-2.0, 1.0, 25)
ADAPT = 0.2


def _read(drawn: theory.Simulation) -> list[float]:
    """The optimum, the gain at -1, and the loss at every rate of the picture."""
    losses = [drawn.loss(float(rate), ADAPT).mean for rate in RATES]
    return [drawn.best_inner_lr().inner_lr, drawn.gain(-1.0, 0.0, ADAPT).mean, *losses]


def _is_negative(problem: theory.Regression) -> bool:
    """Whether the formula has a negative best inner rate."""
    return problem.best_inner_lr is not None and problem.best_inner_lr < 0


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The best inner rate, simulated and by the formula."""
    problem = theory.FIGURE_2
    optimum, gain, *losses = readings(trials, problem, 10_000 if trials.full else 4000, _read).T
    formula = problem.best_inner_lr
    assert formula is not None  # noqa: S101 - there is noise
    where = "figure 2 of the paper, simulated"
    cases = [
        Case("optimum", where, optimum.tolist()),
        Case("gain", where, gain.tolist()),
        share_of_random_problems(trials, _is_negative),
        Case("off", where, (formula - optimum).tolist()),
    ]
    lines = [
        ClaimLine.of_means("simulated", RATES, np.array(losses)),
        ClaimLine.of("formula", RATES, problem.loss(RATES, ADAPT)),
    ]
    return ClaimMeasurement(cases, lines)


CLAIM = Claim(
    topic="meta-learning",
    statement="""
        In mixed linear regression, the optimal inner learning rate of meta-training is always
        negative.
    """,
    source="Bernacchia 2021, Meta-learning with negative learning rates, arXiv:2102.00940",
    design="""
        The theorem's setting is MAML with one inner step on mixed linear regression, here with
        the numbers of the paper's figure 2. Meta-training sets are drawn, solved exactly (least
        norm) at every inner rate, and tested after adaptation at 0.2. The formula is also applied
        to 200 problems a seed of random sizes, noise and scatter, with more weights than outer
        points and with fewer.
    """,
    figures=(
        Figure("optimum", "inner rate of lowest test loss", high=0.0),
        Figure("gain", "test loss at inner rate -1 minus test loss at 0", high=0.0),
        share("share", "share of random problems with a negative optimum", low=1.0),
        Figure("off", "the formula's optimum minus the simulated one"),
    ),
    measure=_measure,
    seeds=(4, 5),
    remark="""
        The theorem is about this problem: isotropic inputs, one step, labels with noise. See
        negative-inner-rates-help-in-general before you apply it to a network. The loss is flat
        around its minimum: it varies by less than 0.0006 from -1.6 to -0.7.
    """,
    axes=ClaimAxes("inner_lr", "test loss", log=""),
)
