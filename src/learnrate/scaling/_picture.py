"""The picture of a fit: best rates and law against one factor, the others as asked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import (
    CHOSEN,
    MEASURED,
    QUIET,
    axes_or_new,
    legend_below,
    log_axis,
    new_figure,
    rate_text,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from learnrate.scaling._fit import Fit, ScaledRate
    from learnrate.scaling._optima import GroupOptimum

__all__ = ["draw", "draw_all"]

_ROOM = 1.15  # beyond the outermost point, as a factor


def draw_all(fit: Fit, scaled: ScaledRate) -> Figure:
    """One panel for each factor that varies, side by side on one axis of rates.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    shown = fit.varied or fit.factors[:1]
    figure = new_figure(1.0 + 3.6 * len(shown), 4.2)
    first: Axes | None = None
    for at, name in enumerate(shown, 1):
        axes = figure.add_subplot(1, len(shown), at, sharey=first)
        _draw(axes, fit, name, scaled)
        if first is not None:
            axes.set_ylabel("")
            axes.tick_params(labelleft=False)
        first = first or axes
    if first is not None:
        figure.legend(
            *first.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=3,
            frameon=False,
            fontsize="small",
        )
    figure.suptitle(_title(scaled), fontsize="medium", fontweight="bold", x=0.01, ha="left")
    return figure


def draw(fit: Fit, factor: str, scaled: ScaledRate, axes: Axes | None = None) -> Axes:
    """Draw the law along one factor with its 80 % band, and every best rate moved to that line.

    A best rate is moved along the law to the other factors asked for, so that what is left of its
    distance to the line is what the law does not explain.

    Raises:
        MissingExtraError: `axes` is None and matplotlib is not installed.
    """
    axes = axes_or_new(axes)
    _draw(axes, fit, factor, scaled)
    axes.set_title(_title(scaled), loc="left", fontsize="medium", fontweight="bold")
    legend_below(axes, columns=2)
    return axes


def _draw(axes: Axes, fit: Fit, factor: str, scaled: ScaledRate) -> None:
    style(axes, "", x=factor, y="best peak rate")
    low, high = fit.ranges[factor]
    asked = scaled.factors[factor]
    places = np.geomspace(min(low, asked) / _ROOM, max(high, asked) * _ROOM, 80)
    line = [fit.expected(scaled.factors | {factor: float(place)}) for place in places]
    middle, lowest, highest = np.array(line).T
    axes.fill_between(places, lowest, highest, color=MEASURED, alpha=0.15, lw=0, label="80 %")
    axes.plot(
        places, middle, color=MEASURED, linewidth=1.8, label="law, the other factors as asked"
    )
    drawn = [highest.max(), lowest.min()]
    drawn += _points(axes, fit, scaled, factor, fit.optima, label="best rates, moved to them")
    if fit.edges:
        label = "not enclosed"
        drawn += _points(axes, fit, scaled, factor, fit.edges, label=label, hollow=True)
    axes.errorbar(
        [asked],
        [scaled.lr],
        [[scaled.lr - scaled.low], [scaled.high - scaled.lr]],
        fmt="D",
        color=CHOSEN,
        capsize=4,
        markersize=7,
        label=f"asked: {rate_text(scaled.lr, 2)}",
        zorder=4,
    )
    axes.set_xlim(places[0], places[-1])
    log_axis(axes.xaxis, float(places[0]), float(places[-1]))
    bottom, top = min(drawn) / _ROOM, max(drawn) * _ROOM
    if axes.get_yscale() == "log":  # shared with panels drawn before
        bottom, top = min(bottom, axes.get_ylim()[0]), max(top, axes.get_ylim()[1])
    log_axis(axes.yaxis, bottom, top)
    axes.set_ylim(bottom, top)


def _title(scaled: ScaledRate) -> str:
    asked = ", ".join(f"{name}={rate_text(value, 4)}" for name, value in scaled.factors.items())
    ends = f"{rate_text(scaled.low, 2)} to {rate_text(scaled.high, 2)}"
    answer = f"{asked}: {rate_text(scaled.lr, 2)}, 80 % interval {ends}"
    return answer if scaled.verdict == "ok" else f"{answer} ({scaled.verdict})"


def _points(
    axes: Axes,
    fit: Fit,
    scaled: ScaledRate,
    factor: str,
    optima: tuple[GroupOptimum, ...],
    *,
    label: str,
    hollow: bool = False,
) -> list[float]:
    moved = [_moved(fit, scaled, factor, one) for one in optima]
    axes.plot(
        [one.factors[factor] for one in optima],
        moved,
        "o",
        color=QUIET,
        fillstyle="none" if hollow else "full",
        alpha=0.6,
        markersize=4,
        markeredgewidth=1.0 if hollow else 0.0,
        label=label,
    )
    return moved


def _moved(fit: Fit, scaled: ScaledRate, factor: str, one: GroupOptimum) -> float:
    there = fit.expected(one.factors)[0]
    here = fit.expected(scaled.factors | {factor: one.factors[factor]})[0]
    return math.exp(math.log(one.lr) + math.log(here) - math.log(there))
