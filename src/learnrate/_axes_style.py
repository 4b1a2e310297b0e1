"""The style that all pictures of matplotlib share: colours, grid, legend and logarithmic axes.

matplotlib is optional and slow to load, so it is imported when something is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._chart import Colour
from learnrate._errors import needing
from learnrate._numbers import rate_text, rate_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as AxesAxis
    from matplotlib.figure import Figure

__all__ = [
    "BEST",
    "CHOSEN",
    "COLOURS",
    "DIVERGED",
    "MEASURED",
    "QUIET",
    "SERIES",
    "legend_below",
    "log_axis",
    "new_figure",
    "style",
]

# Okabe and Ito 2008: distinguishable with every common kind of colour vision.
MEASURED = "#0072B2"
BEST = "#00805D"
CHOSEN = "#D55E00"
DIVERGED = "#A8447F"
QUIET = "#6B7280"
SERIES = (MEASURED, CHOSEN, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
COLOURS = {
    Colour.MEASURED: MEASURED,
    Colour.MEASURED_LIGHT: "#7FB8DA",
    Colour.MEASURED_DARK: "#00395A",
    Colour.BEST: BEST,
    Colour.CHOSEN: CHOSEN,
    Colour.DIVERGED: DIVERGED,
    Colour.QUIET: QUIET,
}

_LONG_LABEL = 24  # characters of an axis label that is written smaller


def new_figure(width: float = 8.0, height: float = 4.5) -> Figure:
    """An empty figure of matplotlib's pyplot, so that notebooks show it; sizes in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with needing("matplotlib", "plot", "A picture"):
        from matplotlib import pyplot as plt  # noqa: PLC0415 - optional, and slow to load
    return plt.figure(figsize=(width, height), layout="constrained")


def style(axes: Axes, title: str, *, x: str, y: str) -> None:
    """Give axes the style of all pictures: the title at the left, a faint grid, no box.

    Args:
        axes: what is styled.
        title: the title above the axes; empty for none.
        x: the label of the horizontal axis.
        y: the label of the vertical axis.
    """
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    axes.set_xlabel(x, fontsize="small" if len(x) > _LONG_LABEL else "medium")
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, which="major", alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def legend_below(axes: Axes, columns: int = 3) -> None:
    """Put a legend under the axes, where it hides nothing."""
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        borderaxespad=4.0,  # in font sizes: clear of the axis label whatever the height
        ncols=columns,
        frameon=False,
        fontsize="small",
    )


def log_axis(axis: AxesAxis, low: float, high: float, most: int = 7) -> None:
    """Make an axis logarithmic, with round numbers written out.

    Args:
        axis: one axis of matplotlib's axes.
        low: the lowest number shown, above 0.
        high: the highest number shown.
        most: about how many ticks there is room for.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter  # noqa: PLC0415

    axis._set_axes_scale("log")  # type: ignore[attr-defined]  # noqa: SLF001
    axis.set_major_locator(FixedLocator(rate_ticks(low, high, most)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: rate_text(value, 6)))
    axis.set_minor_formatter(NullFormatter())
