"""Drawing with matplotlib: axes given or new, the colours, rate axes, labels that keep apart.

matplotlib is optional and slow to load, so it is imported when something is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from learnrate._errors import needing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.typing import ColorType
    from numpy.typing import ArrayLike

__all__ = [
    "BEST",
    "CHOSEN",
    "DIVERGED",
    "MEASURED",
    "QUIET",
    "SERIES",
    "Mark",
    "axes_or_new",
    "draw_schedules",
    "even_ticks",
    "legend_below",
    "log_axis",
    "mark_rates",
    "new_figure",
    "rate_text",
    "rate_ticks",
    "style",
]

# Okabe and Ito 2008: told apart with every common kind of colour vision.
MEASURED = "#0072B2"
BEST = "#00805D"
CHOSEN = "#D55E00"
DIVERGED = "#A8447F"
QUIET = "#6B7280"
SERIES = (MEASURED, CHOSEN, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

_ROW = 1.5  # height of a row of labels, in font sizes
_GAP = 6.0  # least distance of two labels in a row, in pixels


@dataclass(frozen=True)
class Mark:
    """A rate worth a vertical line and a label."""

    lr: float
    label: str
    colour: str = QUIET
    strong: bool = False


def new_figure(width: float = 8.0, height: float = 4.5) -> Figure:
    """An empty figure of matplotlib's pyplot, so that notebooks show it; sizes in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with needing("matplotlib", "plot", "A picture"):
        from matplotlib import pyplot as plt  # noqa: PLC0415 - optional, and slow to load
    return plt.figure(figsize=(width, height), layout="constrained")


def axes_or_new(axes: Axes | None) -> Axes:
    """The axes given, or those of a new figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return new_figure().add_subplot() if axes is None else axes


def style(axes: Axes, title: str, *, x: str, y: str) -> None:
    """The look every picture shares: a title at the left, a faint grid, no box."""
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, which="major", alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def legend_below(axes: Axes, columns: int = 3) -> None:
    """A legend under the axes, where it hides nothing."""
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        borderaxespad=4.0,  # in font sizes: clear of the axis label whatever the height
        ncols=columns,
        frameon=False,
        fontsize="small",
    )


def rate_text(rate: float, digits: int = 3) -> str:
    """A rate for people.

    Examples:
        >>> rate_text(0.0173), rate_text(1e-10), rate_text(2.345e-5, digits=2), rate_text(2e10)
        ('0.0173', '1e-10', '2.3e-5', '2e10')
    """
    return f"{rate:.{digits}g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def rate_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers from `low` to `high` for a log axis: about `most` at most, three at least.

    Examples:
        >>> rate_ticks(0.008, 0.06)
        [0.01, 0.02, 0.05]
        >>> rate_ticks(0.17, 0.24)
        [0.18, 0.2, 0.22, 0.24]
        >>> rate_ticks(1e-10, 1.0, most=6)
        [1e-10, 1e-08, 1e-06, 0.0001, 0.01, 1.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
    ticks = [rate for rate in fine if low <= rate <= high]
    if len(ticks) < 3:
        return even_ticks(low, high)
    if len(ticks) <= most:
        return ticks
    powers = [float(f"1e{decade}") for decade in decades]
    ticks = [rate for rate in powers if low <= rate <= high]
    return ticks[:: max(1, math.ceil(len(ticks) / most))]


def even_ticks(low: float, high: float) -> list[float]:
    """Round numbers, equally far apart, from `low` to a higher `high`: three to seven.

    Examples:
        >>> even_ticks(0.0, 0.001)
        [0.0, 0.0002, 0.0004, 0.0006, 0.0008, 0.001]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = power * max(n for n in (1, 2, 5) if n * power <= (high - low) / 3)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.6g}") for number in range(first, last + 1)]


def log_axis(axis: Axis, low: float, high: float) -> None:
    """Make an axis logarithmic from `low` to `high`, with round numbers written out."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter  # noqa: PLC0415

    axis._set_axes_scale("log")  # type: ignore[attr-defined]  # noqa: SLF001
    axis.set_major_locator(FixedLocator(rate_ticks(low, high)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: rate_text(value, 6)))
    axis.set_minor_formatter(NullFormatter())


def mark_rates(axes: Axes, marks: Sequence[Mark]) -> None:
    """Draw vertical lines with labels in rows at the top, no label over another.

    Call it last: it makes room above what is drawn, and measures the labels as laid out by now.
    """
    if not marks:
        return
    ordered = sorted(marks, key=lambda mark: mark.lr)
    texts = [_label(axes, mark) for mark in ordered]
    figure: Any = axes.get_figure(root=True)
    figure.draw_without_rendering()
    box = axes.get_window_extent()
    boxes = [text.get_window_extent() for text in texts]
    centres = [
        min(max(one.x0 + one.width / 2, box.x0 + one.width / 2), box.x1 - one.width / 2)
        for one in boxes
    ]
    halves = [one.width / 2 for one in boxes]
    rows = rows_apart(centres, halves, _GAP)
    height = _ROW * max(one.height for one in boxes) / box.height
    _make_room(axes, min(0.6, height * (max(rows) + 1)))
    for mark, text, centre, row in zip(ordered, texts, centres, rows, strict=True):
        level = 1.0 - height * (row + 0.5)
        x, _ = axes.transData.inverted().transform((centre, box.y0))
        text.set_position((x, level))
        _line(axes, mark, level)


def rows_apart(centres: Sequence[float], halves: Sequence[float], gap: float) -> list[int]:
    """The lowest row for each label, in order, in which it keeps `gap` from those before it.

    Examples:
        >>> rows_apart([0, 1, 9], [2, 2, 2], gap=1)
        [0, 1, 0]
    """
    ends: list[float] = []
    rows = []
    for centre, half in zip(centres, halves, strict=True):
        row = next((r for r, end in enumerate(ends) if end + gap <= centre - half), len(ends))
        ends[row : row + 1] = [centre + half]
        rows.append(row)
    return rows


def _label(axes: Axes, mark: Mark) -> Text:
    return axes.text(
        mark.lr,
        1.0,
        mark.label,
        transform=axes.get_xaxis_transform(),
        color=mark.colour,
        fontsize="small",
        fontweight="bold" if mark.strong else "normal",
        ha="center",
        va="center",
        zorder=5,
        bbox={"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 1.0},
    )


def _line(axes: Axes, mark: Mark, level: float) -> None:
    axes.plot(
        [mark.lr, mark.lr],
        [0.0, level],
        transform=axes.get_xaxis_transform(),
        color=mark.colour,
        linewidth=1.8 if mark.strong else 0.9,
        linestyle="-" if mark.strong else ":",
        scalex=False,
        scaley=False,
        zorder=2,
    )


def _make_room(axes: Axes, share: float) -> None:
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, bottom + (top - bottom) / (1.0 - share))


def draw_schedules(schedules: Sequence[tuple[str, ArrayLike]], axes: Axes | None = None) -> Axes:
    """Draw schedules given as (label, one rate per step), over the steps of the run.

    Raises:
        MissingExtraError: `axes` is None and matplotlib is not installed.
    """
    axes = axes_or_new(axes)
    for index, (label, values) in enumerate(schedules):
        colour: ColorType = SERIES[index % len(SERIES)]
        dashes = "-" if index < len(SERIES) else "--"
        axes.plot(values, label=label, color=colour, linestyle=dashes, linewidth=1.8)
    single = len(schedules) == 1
    style(axes, schedules[0][0] if single else "Schedules", x="step", y="lr")
    axes.margins(x=0.01)
    if not single:
        legend_below(axes, columns=1)
    return axes
