"""The other half of Bernacchia's result: the rate of adaptation to a new task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._regression import drawn_each, random_problems
from learnrate.meta import theory

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

RATES = np.linspace(-0.2, 0.4, 25)
INNER = (0.2, -1.0)


def _read(drawn: theory.Simulation) -> list[float]:
    """The optimum at each inner rate, and the loss at every rate of the picture."""
    losses = [drawn.loss(INNER[0], float(rate)).mean for rate in RATES]
    return [*(drawn.best_adapt_lr(rate) for rate in INNER), *losses]


def _share(seed: int) -> float:
    """Of random problems, how many have a positive optimum by the formula."""
    found = [problem.best_adapt_lr(0.2) for problem in random_problems(seed)]
    return float(np.mean([rate > 0 for rate in found]))


def _measure(bench: Bench) -> Measured:
    runs = 10_000 if bench.full else 500
    problem = theory.FIGURE_2
    read = drawn_each(bench, problem, runs, _read)
    under = drawn_each(bench, theory.FIGURE_3, runs // 10, _read)
    cases = [
        Case("optimum", f"{name}, inner_lr {rate:g}", found[:, at].tolist())
        for name, found in (("figure 2", read), ("figure 3", under))
        for at, rate in enumerate(INNER[: 2 if name == "figure 2" else 1])
    ]
    cases += [
        Case("share", "random problems, by formula", [_share(seed) for seed in bench.seeds]),
        Case("off", "figure 2", (problem.best_adapt_lr(INNER[0]) - read[:, 0]).tolist()),
    ]
    lines = [
        Line("figure 2, simulated", RATES.tolist(), read[:, 2:].mean(axis=0).tolist()),
        Line("figure 2, formula", RATES.tolist(), problem.loss(INNER[0], RATES).tolist()),
    ]
    return Measured(cases, lines)


CLAIM = Claim(
    name="adaptation-rate-is-positive",
    topic="meta-learning",
    statement="The optimal learning rate of adaptation to a new task is positive.",
    source="Bernacchia 2021, Meta-learning with negative learning rates, arXiv:2102.00940",
    design=(
        "As optimal-inner-rate-is-negative: weights meta-trained at an inner rate of 0.2 or -1 adapt "
        "to new tasks in one step; the rate at which the average loss over all of them is lowest. "
        "Figure 3 of the paper has fewer weights than outer points."
    ),
    figures=(
        Figure(name="optimum", says="adaptation rate of lowest test loss", low=0.0),
        Figure(
            name="share",
            says="of random problems, those with a positive optimum",
            low=1.0,
            unit="%",
        ),
        Figure(name="off", says="the formula's optimum less the simulated one, inner_lr 0.2"),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=5,
    remark="Small, because one step on 20 noisy points overfits: 0.09 where gradient descent bears 2.",
    axes=("adapt_lr", "test loss at inner_lr 0.2"),
    log="",
)
