"""Bernacchia's theorem, in its own setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._regression import drawn_each, random_problems
from learnrate.meta import theory

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

RATES = np.linspace(-2.0, 1.0, 25)
ADAPT = 0.2


def _read(drawn: theory.Simulation) -> list[float]:
    """The optimum, the gain at -1, and the loss at every rate of the picture."""
    losses = [drawn.loss(float(rate), ADAPT).mean for rate in RATES]
    return [drawn.best_inner_lr().inner_lr, drawn.gain(-1.0, 0.0, ADAPT).mean, *losses]


def _share(seed: int) -> float:
    """Of random problems, how many have a negative optimum by the formula."""
    found = [problem.best_inner_lr for problem in random_problems(seed)]
    return float(np.mean([rate is not None and rate < 0 for rate in found]))


def _measure(bench: Bench) -> Measured:
    problem = theory.FIGURE_2
    read = drawn_each(bench, problem, 10_000 if bench.full else 4000, _read)
    formula = problem.best_inner_lr
    assert formula is not None  # noqa: S101 - there is noise
    where = "figure 2 of the paper, simulated"
    cases = [
        Case("optimum", where, read[:, 0].tolist()),
        Case("gain", where, read[:, 1].tolist()),
        Case("share", "random problems, by formula", [_share(seed) for seed in bench.seeds]),
        Case("off", where, (formula - read[:, 0]).tolist()),
    ]
    lines = [
        Line("simulated", RATES.tolist(), read[:, 2:].mean(axis=0).tolist()),
        Line("formula", RATES.tolist(), problem.loss(RATES, ADAPT).tolist()),
    ]
    return Measured(cases, lines)


CLAIM = Claim(
    name="optimal-inner-rate-is-negative",
    topic="meta-learning",
    statement="The optimal inner learning rate of meta-training is always negative.",
    source="Bernacchia 2021, Meta-learning with negative learning rates, arXiv:2102.00940",
    design=(
        "The theorem's setting: MAML with one inner step on mixed linear regression, here that of the "
        "paper's figure 2. Meta-training sets are drawn, solved exactly (least norm) at every inner "
        "rate, and scored after adaptation at 0.2. By the formula also 200 problems a seed of random "
        "sizes, noise and scatter, with more weights than outer points and with fewer."
    ),
    figures=(
        Figure(name="optimum", says="inner rate of lowest test loss", high=0.0),
        Figure(name="gain", says="test loss at inner rate -1 less that at 0", high=0.0),
        Figure(
            name="share",
            says="of random problems, those with a negative optimum",
            low=1.0,
            unit="%",
        ),
        Figure(name="off", says="the formula's optimum less the simulated one"),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=5,
    remark=(
        "A theorem about this problem: isotropic inputs, one step, labels with noise. See "
        "negative-inner-rates-help-in-general before taking it to a network. The loss is flat around "
        "its minimum: within 0.0006 from -1.6 to -0.7."
    ),
    axes=("inner_lr", "test loss"),
    log="",
)
