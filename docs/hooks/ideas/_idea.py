"""What the page of an idea needs, and functions for its drawings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes_style import SERIES, legend_below, log_axis, new_figure, style
from learnrate._numbers import rate_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ideas._bench import Swept

WIDTH, HEIGHT = 7.0, 3.2


@dataclass(frozen=True)
class Idea:
    """Pictures by name, drawn on demand, and the numbers of the page by name, as text."""

    drawings: Mapping[str, Callable[[], Figure]]
    figures: Mapping[str, str] = field(default_factory=dict)


def picture(panels: int = 1, height: float = HEIGHT) -> list[Axes]:
    """Axes side by side in a new figure of a page's width."""
    figure = new_figure(WIDTH, height)
    return [figure.add_subplot(1, panels, place + 1) for place in range(panels)]


def figure_of(axes: Axes) -> Any:
    """The figure that axes are in."""
    return axes.get_figure(root=True)


def draw_sweeps(
    axes: Axes,
    swept: Mapping[str, Swept],
    *,
    title: str = "",
    ceiling: float = 2.6,
    x: str = "peak rate",
    scaled: Sequence[float] = (),
) -> None:
    """Final losses against rates, one line for each sweep, with a mark at its best rate.

    `scaled` multiplies the rates of each line. Losses above `ceiling` are cut off.
    """
    factors = scaled or [1.0] * len(swept)
    for (label, sweep), colour, factor in zip(swept.items(), SERIES, factors, strict=False):
        shown = np.minimum(sweep.validation, 2 * ceiling)
        axes.plot(factor * sweep.lr, shown, color=colour, label=label, linewidth=1.6)
        axes.plot(
            [factor * sweep.best],
            [float(np.interp(np.log(sweep.best), np.log(sweep.lr), shown))],
            "o",
            color=colour,
            markersize=7,
        )
    style(axes, title, x=x, y="validation loss")
    every = np.concatenate(
        [factor * sweep.lr for sweep, factor in zip(swept.values(), factors, strict=True)]
    )
    log_axis(axes.xaxis, float(every.min()), float(every.max()))
    axes.set_xlim(every.min(), every.max())
    log_axis(axes.yaxis, 0.08, ceiling)
    axes.set_ylim(0.9 * min(float(sweep.validation.min()) for sweep in swept.values()), ceiling)
    if len(swept) > 1:
        legend_below(axes)


def sweeps_figure(swept: Mapping[str, Swept], **options: Any) -> Figure:
    """Final losses against rates in a separate figure; the options are as in `draw_sweeps`."""
    (axes,) = picture(height=3.6)
    draw_sweeps(axes, swept, **options)
    return figure_of(axes)


def legend_of_all(figure: Figure, axes: Sequence[Axes], *, columns: int) -> None:
    """One legend below a figure whose axes show the same lines, in place of one for each.

    Args:
        figure: that has the axes.
        axes: whose own legends are removed.
        columns: of the legend.
    """
    handles, labels = axes[0].get_legend_handles_labels()
    for panel in axes:
        panel.get_legend().remove()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize="small"
    )


def written(rate: float) -> str:
    """A rate as text with two significant digits."""
    return rate_text(rate, 2)
