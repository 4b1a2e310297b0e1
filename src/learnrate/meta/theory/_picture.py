"""The paper's figures 2 and 3: test loss over the adaptation rate, and over the inner rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import draw_chart
from learnrate._chart import Axis, Chart, Colour, Markers, Panel, PanelMark, Polyline, VerticalLine
from learnrate._numbers import rate_text
from learnrate.meta.theory._problem import OVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from learnrate.meta.theory._problem import Regression
    from learnrate.meta.theory._simulate import Simulation

__all__ = ["draw_theory"]


def draw_theory(
    problem: Regression, *, inner_lr: float, adapt_lr: float, simulated: Simulation | None = None
) -> Figure:
    """Draw the loss over each rate while the other is fixed, by the formula and as simulated.

    Args:
        problem: whose formula is drawn.
        inner_lr: the fixed rate of meta-training in the left panel.
        adapt_lr: the fixed rate of adaptation in the right panel.
        simulated: runs of the same problem, drawn beside the formula.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    over = problem.regime == OVER
    adapt = np.linspace(-0.1, 0.4, 101) if over else np.linspace(-0.2, 0.6, 101)
    inner = np.linspace(-2.0, 2.0, 201) if over else np.linspace(-0.25, 0.3, 201)
    left, right = (
        [_formula(adapt, problem.loss(inner_lr, adapt))],
        [_formula(inner, problem.loss(inner, adapt_lr))],
    )
    if simulated is not None:
        spread = simulated.spreads(inner_lr)
        left.append(_runs(adapt[::10], [problem.loss_at(spread, rate) for rate in adapt[::10]]))
        right.append(
            _runs(inner[::20], [simulated.losses(float(rate), adapt_lr) for rate in inner[::20]])
        )
    left.append(_optimum(problem.best_adapt_lr(inner_lr), "best"))
    for rate, word in ((problem.best_inner_lr, "best"), (problem.worst_inner_lr, "worst")):
        if rate is not None and inner[0] <= rate <= inner[-1]:
            right.append(_optimum(rate, word))
    panels = (
        _panel(f"Adaptation, inner_lr {inner_lr:g}", "adapt_lr", left),
        _panel(f"Meta-training, adapt_lr {adapt_lr:g}", "inner_lr", right),
    )
    return draw_chart(Chart(panels=panels, rows=((0, 1),), size=(11.0, 4.2), legend_columns=2))


def _panel(title: str, rate: str, marks: Sequence[PanelMark]) -> Panel:
    return Panel(
        title=title, x=Axis(label=rate), y=Axis(label="mean test loss"), marks=tuple(marks)
    )


def _formula(rates: np.ndarray, losses: np.ndarray) -> PanelMark:
    return Polyline(x=rates, y=losses, colour=Colour.MEASURED, label="formula")


def _runs(rates: np.ndarray, losses: list[np.ndarray]) -> PanelMark:
    """The mean of the runs at each rate, with its standard error."""
    means = np.array([runs.mean() for runs in losses])
    errors = np.array([runs.std(ddof=1) / len(runs) ** 0.5 for runs in losses])
    return Markers(
        x=rates,
        y=means,
        y_ends=[means - errors, means + errors],
        colour=Colour.CHOSEN,
        size=4,
        label=f"simulated, {len(losses[0]):,} runs",
    )


def _optimum(rate: float, word: str) -> PanelMark:
    best = word == "best"
    return VerticalLine(
        x=rate,
        label=f"{word} {rate_text(rate, 2)}",
        colour=Colour.BEST if best else Colour.CHOSEN,
        strong=best,
        dash="solid" if best else "dot",
    )
