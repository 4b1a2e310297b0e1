"""A chart as data: panels, axes and marks, without anything that draws.

Each package describes its charts in this form. `learnrate._axes` draws them with matplotlib,
`learnrate.report` draws them with plotly and in the terminal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import singledispatch
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = [
    "Axis",
    "Band",
    "Chart",
    "Colour",
    "Crosses",
    "HeatMap",
    "Ink",
    "Markers",
    "Note",
    "Panel",
    "PanelMark",
    "Polyline",
    "Symbol",
    "VerticalLine",
    "VerticalSpan",
    "describe",
    "loss_axis",
    "schedules_panel",
    "thinned",
]

Symbol = Literal["circle", "square", "triangle", "diamond", "star"]
Dash = Literal["solid", "dash", "dot"]


class Colour(StrEnum):
    """The meaning of a colour; each theme gives it a value."""

    MEASURED = "measured"
    MEASURED_LIGHT = "measured-light"
    MEASURED_DARK = "measured-dark"
    BEST = "best"
    CHOSEN = "chosen"
    DIVERGED = "diverged"
    QUIET = "quiet"


Ink = Colour | int
"""A colour by its role, or the number of a series, which has a colour and a dash of its own."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a panel.

    Attributes:
        label: what the axis shows, with the unit if there is one.
        low: where it starts; None leaves that to the data.
        high: where it ends; None leaves that to the data.
        log: whether it is logarithmic.
        most_ticks: about how many ticks fit on a logarithmic axis.
        number_format: how one of its numbers is written, as a format specification.
        names: the names at 0, 1, 2 and so on, for an axis of categories.
        unnumbered: whether its numbers are left out.
    """

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    most_ticks: int = 7
    number_format: str = ".3g"
    names: tuple[str, ...] = ()
    unnumbered: bool = False


@dataclass(frozen=True, kw_only=True)
class Polyline:
    """A line through points.

    Attributes:
        x: the places, shape (n,).
        y: the value at each, shape (n,).
        colour: its colour.
        label: its name in the legend; empty for none.
        width: the width in points.
        dash: solid, dash or dot; a series that has no dash of its own is drawn with this one.
        opacity: 0 to 1.
        marker_size: the diameter of a dot at each point, in points; 0 for no dots.
        hover: whether a page shows the numbers of a point under the pointer.
    """

    x: ArrayLike
    y: ArrayLike
    colour: Ink
    label: str = ""
    width: float = 1.6
    dash: Dash = "solid"
    opacity: float = 1.0
    marker_size: float = 0.0
    hover: bool = True


@dataclass(frozen=True, kw_only=True)
class Markers:
    """Points without a line, with error bars if their ends are given.

    Attributes:
        x: the places, shape (n,).
        y: the value at each, shape (n,).
        colour: their colour.
        label: their name in the legend; empty for none.
        symbol: the form of each point.
        size: the diameter in points.
        hollow: whether only the outline is drawn.
        opacity: 0 to 1.
        x_ends: the lower and the upper end of each horizontal error bar, shape (2, n).
        y_ends: the lower and the upper end of each vertical error bar, shape (2, n).
        bar_width: the width of the error bars in points.
        capped: whether the error bars end in a cap.
        halo: whether a white edge sets the points off from a coloured ground.
    """

    x: ArrayLike
    y: ArrayLike
    colour: Ink
    label: str = ""
    symbol: Symbol = "circle"
    size: float = 6.0
    hollow: bool = False
    opacity: float = 1.0
    x_ends: ArrayLike | None = None
    y_ends: ArrayLike | None = None
    bar_width: float = 1.6
    capped: bool = False
    halo: bool = False


@dataclass(frozen=True, kw_only=True)
class Band:
    """The area between two lines over `x`, all of shape (n,)."""

    x: ArrayLike
    low: ArrayLike
    high: ArrayLike
    colour: Colour
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class VerticalSpan:
    """The area from `low` to `high` on the x axis, over the panel's whole height."""

    low: float
    high: float
    colour: Colour
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class VerticalLine:
    """A vertical line over the panel's whole height; its label stands at the top."""

    x: float
    colour: Colour = Colour.QUIET
    label: str = ""
    strong: bool = False
    dash: Dash = "dot"


@dataclass(frozen=True, kw_only=True)
class Crosses:
    """Crosses at a share of the panel's height, for points that have a place on x but no value."""

    x: ArrayLike
    colour: Colour
    label: str
    height: float = 0.95


@dataclass(frozen=True, kw_only=True)
class Note:
    """Bold text to the left of a point and below it."""

    x: float
    y: float
    text: str
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Values over two axes as colours, with a colour bar.

    Attributes:
        x_edges: the edges of the cells along x, shape (columns + 1,).
        y_edges: the edges of the cells along y, shape (rows + 1,).
        values: shape (rows, columns); cells that are not finite stay grey.
        low: the value of the first colour.
        high: the value of the last colour.
        label: what the values are.
    """

    x_edges: np.ndarray
    y_edges: np.ndarray
    values: np.ndarray
    low: float
    high: float
    label: str


PanelMark = Polyline | Markers | Band | VerticalSpan | VerticalLine | Crosses | Note | HeatMap


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Two axes and what is drawn on them, in this order.

    Attributes:
        x: the horizontal axis.
        y: the vertical axis.
        marks: what is drawn, the lowest layer first.
        title: the title above the panel, at the left.
        remark: words above the panel, at the right.
        legend_columns: the columns of the legend below the panel; 0 for no legend.
    """

    x: Axis
    y: Axis
    marks: tuple[PanelMark, ...]
    title: str = ""
    remark: str = ""
    legend_columns: int = 0


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Panels and their places.

    Attributes:
        panels: what is drawn.
        rows: the panels' numbers row by row; a number that stands in several cells fills them all.
        heights: the heights of the rows, relative to each other; equal if empty.
        size: width and height in inches.
        title: the title above all panels.
        legend_columns: the columns of one legend for all panels; 0 for none.
    """

    panels: tuple[Panel, ...]
    rows: tuple[tuple[int, ...], ...] = ((0,),)
    heights: tuple[float, ...] = ()
    size: tuple[float, float] = (8.0, 4.5)
    title: str = ""
    legend_columns: int = 0


@singledispatch
def describe(result: object, *_: Any) -> Chart:
    """The chart of a result.

    A package registers how its results are described, so that neither the result nor what draws it
    needs to know the description.

    Raises:
        TypeError: no description is registered for results of this type.
    """
    raise TypeError(f"no chart is described for {type(result).__name__}.")


def loss_axis(label: str, losses: Sequence[float]) -> Axis:
    """An axis for final losses, with room above for the trials that diverged.

    Args:
        label: what the losses are.
        losses: those of the trials that finished; the axis is logarithmic if all are above 0.
    """
    low, high = (min(losses), max(losses)) if losses else (0.1, 1.0)
    axis = Axis(label=label, most_ticks=5, number_format=".4g")
    if low > 0:
        room = 0.2 * math.log(high / low) + 0.05
        low, high = low * math.exp(-room), high * math.exp(1.6 * room)
        return replace(axis, low=low, high=high, log=True)
    room = 0.2 * (high - low) or 1.0
    return replace(axis, low=low - room, high=high + 1.6 * room)


def schedules_panel(schedules: Sequence[tuple[str, ArrayLike]]) -> Panel:
    """Rates over the steps of a run.

    Args:
        schedules: a label and the rate of every step for each schedule; at least one.
    """
    tables = [np.asarray(rates, dtype=float) for _, rates in schedules]
    low = min(0.0, *(float(rates.min()) for rates in tables))
    high = max(0.0, *(float(rates.max()) for rates in tables))
    room = 0.12 * (high - low) or 1.0
    longest = max(len(rates) for rates in tables)
    single = len(schedules) == 1
    return Panel(
        x=Axis(label="step", low=-0.01 * longest, high=1.01 * longest, number_format=","),
        y=Axis(label="learning rate", low=low - 0.25 * room, high=high + room),
        marks=tuple(
            Polyline(
                x=np.arange(len(rates)), y=rates, colour=number, width=1.8,
                label="" if single else label,
            )
            for number, ((label, _), rates) in enumerate(zip(schedules, tables, strict=True))
        ),
        title=schedules[0][0] if single else "Schedules",
        legend_columns=0 if single else 1,
    )  # fmt: skip


def thinned(x: ArrayLike, y: ArrayLike, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points of a line, which keep the lowest and the highest value of every part.

    Args:
        x: the places, increasing, shape (n,).
        y: the value at each, shape (n,), none of them nan.
        most: an even number of points.
    """
    places, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if places.size <= most:
        return places, values
    edges = np.linspace(0, places.size, most // 2 + 1).astype(int)
    indices = {
        start + int(extreme(values[start:end]))
        for start, end in pairwise(edges)
        for extreme in (np.argmin, np.argmax)
    }
    chosen = np.array(sorted(indices))
    return places[chosen], values[chosen]
