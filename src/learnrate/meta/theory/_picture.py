"""The paper's figures 2 and 3: test loss over the adaptation rate, and over the inner rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import BEST, CHOSEN, MEASURED, Mark, mark_rates, new_figure, rate_text, style
from learnrate.meta.theory._problem import OVER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from learnrate.meta.theory._problem import Regression
    from learnrate.meta.theory._simulate import Simulation

__all__ = ["draw_theory"]


def draw_theory(
    problem: Regression, *, inner_lr: float, adapt_lr: float, simulated: Simulation | None = None
) -> Figure:
    """Draw the loss over each rate with the other held, by the formula and as simulated.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(11.0, 4.2)
    left, right = figure.subplots(1, 2)
    over = problem.regime == OVER
    adapt = np.linspace(-0.1, 0.4, 101) if over else np.linspace(-0.2, 0.6, 101)
    inner = np.linspace(-2.0, 2.0, 201) if over else np.linspace(-0.25, 0.3, 201)
    style(left, f"Adaptation, inner_lr {inner_lr:g}", x="adapt_lr", y="mean test loss")
    left.plot(adapt, problem.loss(inner_lr, adapt), color=MEASURED, label="formula")
    style(right, f"Meta-training, adapt_lr {adapt_lr:g}", x="inner_lr", y="mean test loss")
    right.plot(inner, problem.loss(inner, adapt_lr), color=MEASURED, label="formula")
    if simulated is not None:
        spread = simulated.spreads(inner_lr)
        _points(left, adapt[::10], [problem.loss_at(spread, rate) for rate in adapt[::10]])
        _points(right, inner[::20], [simulated.losses(float(a), adapt_lr) for a in inner[::20]])
    right.legend(frameon=False, loc="lower right")
    mark_rates(left, [_mark(problem.best_adapt_lr(inner_lr), "best", strong=True)])
    marks = []
    for rate, word in ((problem.best_inner_lr, "best"), (problem.worst_inner_lr, "worst")):
        if rate is not None and inner[0] <= rate <= inner[-1]:
            marks.append(_mark(rate, word, strong=word == "best"))
    mark_rates(right, marks)
    return figure


def _mark(rate: float, word: str, *, strong: bool) -> Mark:
    colour = BEST if word == "best" else CHOSEN
    return Mark(rate, f"{word} {rate_text(rate, 2)}", colour, strong=strong)


def _points(axes: Axes, rates: np.ndarray, losses: list[np.ndarray]) -> None:
    means = [float(own.mean()) for own in losses]
    errors = [float(own.std(ddof=1)) / len(own) ** 0.5 for own in losses]
    label = f"simulated, {len(losses[0]):,} runs"
    axes.errorbar(
        rates, means, yerr=errors, fmt="o", color=CHOSEN, markersize=4, label=label, zorder=3
    )
