"""Drawing with matplotlib: charts that are given as data.

matplotlib is optional and slow to load, so it is imported when something is drawn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import learnrate._chart as charts
from learnrate._axes_style import COLOURS, SERIES, legend_below, log_axis, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as AxesAxis
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from numpy.typing import ArrayLike

__all__ = [
    "draw_chart",
    "draw_panel",
    "draw_schedules",
    "label_lines",
]

_SYMBOLS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "star": "*"}
_DASHES = {"solid": "-", "dash": "--", "dot": ":"}
_MISSING = "#D9D9D9"  # cells of a map that have no value
_HALO = 2.0  # how much wider a halo is than what it surrounds, in points
_ROW = 1.5  # height of a row of labels, in font sizes
_GAP = 6.0  # least distance of two labels in a row, in pixels


def draw_chart(chart: charts.Chart) -> Figure:
    """Draw a chart as a new figure of pyplot, so that notebooks show it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(*chart.size)
    places = figure.subplot_mosaic(
        [list(row) for row in chart.rows], height_ratios=chart.heights or None
    )
    for number, panel in enumerate(chart.panels):
        draw_panel(panel, places[number])
    if chart.title:
        figure.suptitle(chart.title, fontsize="medium", fontweight="bold", x=0.01, ha="left")
    if chart.legend_columns:
        figure.legend(
            *places[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=chart.legend_columns,
            frameon=False,
            fontsize="small",
        )
    return figure


def draw_panel(panel: charts.Panel, axes: Axes | None = None) -> Axes:
    """Draw a panel on the given axes, or on new ones.

    Raises:
        MissingExtraError: `axes` is None and matplotlib is not installed.
    """
    axes = new_figure().add_subplot() if axes is None else axes
    style(axes, panel.title, x=panel.x.label, y=panel.y.label)
    if panel.remark:
        axes.set_title(panel.remark, loc="right", fontsize="small")
    _set_axis(axes, "x", panel.x)
    _set_axis(axes, "y", panel.y)
    for mark in panel.marks:
        _draw_mark(axes, mark)
    axes.set_xlim(panel.x.low, panel.x.high)
    axes.set_ylim(panel.y.low, panel.y.high)
    if panel.legend_columns and axes.get_legend_handles_labels()[1]:
        legend_below(axes, panel.legend_columns)
    label_lines(axes, [m for m in panel.marks if isinstance(m, charts.VerticalLine) and m.label])
    return axes


def draw_schedules(schedules: Sequence[tuple[str, ArrayLike]], axes: Axes | None = None) -> Axes:
    """Draw the rates of schedules over the steps of the run.

    Args:
        schedules: a label and the rate of every step for each schedule; at least one.
        axes: where; a new figure by default.

    Raises:
        MissingExtraError: `axes` is None and matplotlib is not installed.
    """
    return draw_panel(charts.schedules_panel(schedules), axes)


def label_lines(axes: Axes, lines: Sequence[charts.VerticalLine]) -> None:
    """Draw vertical lines with labels in rows at the top, no label over another.

    Call it last: it makes room above what is drawn, and measures the labels in their layout.
    """
    if not lines:
        return
    ordered = sorted(lines, key=lambda line: line.x)
    texts = [_label(axes, line) for line in ordered]
    figure: Any = axes.get_figure(root=True)
    figure.draw_without_rendering()
    frame = axes.get_window_extent()
    boxes = [text.get_window_extent() for text in texts]
    halves = [box.width / 2 for box in boxes]
    centres = [
        min(max(box.x0 + half, frame.x0 + half), frame.x1 - half)
        for box, half in zip(boxes, halves, strict=True)
    ]
    rows = rows_apart(centres, halves, _GAP)
    height = _ROW * max(box.height for box in boxes) / frame.height
    _make_room(axes, min(0.6, height * (max(rows) + 1)))
    for line, text, centre, row in zip(ordered, texts, centres, rows, strict=True):
        level = 1.0 - height * (row + 0.5)
        x, _ = axes.transData.inverted().transform((centre, frame.y0))
        text.set_position((x, level))
        _draw_vertical(axes, line, level)


def rows_apart(centres: Sequence[float], halves: Sequence[float], gap: float) -> list[int]:
    """The lowest row for each label in which it keeps its distance from the labels before it.

    Args:
        centres: the centres of the labels, increasing.
        halves: half the width of each label.
        gap: the least distance of two labels in a row.

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


def _set_axis(axes: Axes, name: Literal["x", "y"], axis: charts.Axis) -> None:
    axes_axis: AxesAxis = getattr(axes, f"{name}axis")
    if axis.log and axis.low is not None and axis.high is not None:
        log_axis(axes_axis, axis.low, axis.high, axis.most_ticks)
    elif axis.log:
        axes.set(**{f"{name}scale": "log"})
    if axis.names:
        axes_axis.set_ticks(range(len(axis.names)), list(axis.names))
    if axis.unnumbered:
        axes.tick_params(axis=name, labelleft=False, labelbottom=False)


def _draw_mark(axes: Axes, mark: charts.PanelMark) -> None:
    match mark:
        case charts.Polyline():
            _draw_polyline(axes, mark)
        case charts.Markers():
            _draw_markers(axes, mark)
        case charts.Band():
            axes.fill_between(
                np.asarray(mark.x), np.asarray(mark.low), np.asarray(mark.high),
                color=COLOURS[mark.colour], alpha=0.18, linewidth=0, label=mark.label,
            )  # fmt: skip
        case charts.VerticalSpan():
            colour = COLOURS[mark.colour]
            axes.axvspan(
                mark.low, mark.high, color=colour, alpha=0.1, linewidth=0, label=mark.label
            )
        case charts.Crosses():
            axes.plot(
                np.asarray(mark.x), np.full(np.size(mark.x), mark.height), "x",
                color=COLOURS[mark.colour], markersize=8, markeredgewidth=2, label=mark.label,
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip
        case charts.Note():
            axes.annotate(
                mark.text, (mark.x, mark.y), xytext=(-10, -4), textcoords="offset points",
                ha="right", va="top", color=COLOURS[mark.colour], fontweight="bold",
            )  # fmt: skip
        case charts.HeatMap():
            _draw_heat_map(axes, mark)
        case charts.VerticalLine():
            if not mark.label:
                _draw_vertical(axes, mark, 1.0)


def _colour_and_dash(ink: charts.Ink, dash: str) -> tuple[str, str]:
    if isinstance(ink, charts.Colour):
        return COLOURS[ink], _DASHES[dash]
    return SERIES[ink % len(SERIES)], "--" if ink // len(SERIES) % 2 else _DASHES[dash]


def _draw_polyline(axes: Axes, line: charts.Polyline) -> None:
    colour, dash = _colour_and_dash(line.colour, line.dash)
    axes.plot(
        np.asarray(line.x),
        np.asarray(line.y),
        color=colour,
        linestyle=dash,
        linewidth=line.width,
        alpha=line.opacity,
        marker="o" if line.marker_size else None,
        markersize=line.marker_size,
        label=line.label or None,
    )


def _draw_markers(axes: Axes, markers: charts.Markers) -> None:
    colour, _ = _colour_and_dash(markers.colour, "solid")
    x, y = np.atleast_1d(markers.x), np.atleast_1d(markers.y)
    layers: list[tuple[str, float, str | None]] = [(colour, 0.0, markers.label or None)]
    if markers.halo:
        layers.insert(0, ("white", _HALO, None))
    for layer_colour, extra, label in layers:
        look: dict[str, Any] = {
            "color": layer_colour,
            "label": label,
            "markersize": markers.size + extra,
            "fillstyle": "none" if markers.hollow else "full",
            "alpha": markers.opacity,
        }
        symbol = _SYMBOLS[markers.symbol]
        if markers.x_ends is None and markers.y_ends is None:
            axes.plot(x, y, symbol, **look)
            continue
        axes.errorbar(
            x,
            y,
            xerr=_distances(x, markers.x_ends),
            yerr=_distances(y, markers.y_ends),
            fmt=symbol,
            elinewidth=markers.bar_width + extra,
            capsize=4.0 if markers.capped else 0.0,
            capthick=markers.bar_width,
            **look,
        )


def _distances(middles: np.ndarray, ends: ArrayLike | None) -> np.ndarray | None:
    """How far the ends of error bars lie from their points, as matplotlib takes them."""
    if ends is None:
        return None
    low, high = np.asarray(ends, dtype=float).reshape(2, -1)
    return np.array([middles - low, high - middles])


def _draw_heat_map(axes: Axes, heat_map: charts.HeatMap) -> None:
    axes.grid(visible=False)
    axes.set_facecolor(_MISSING)
    if not np.isfinite(heat_map.values).any():
        return
    mesh = axes.pcolormesh(
        heat_map.x_edges,
        heat_map.y_edges,
        np.where(np.isfinite(heat_map.values), heat_map.values, np.nan),
        cmap="viridis",
        vmin=heat_map.low,
        vmax=heat_map.high,
    )
    figure: Any = axes.get_figure(root=True)
    figure.colorbar(mesh, ax=axes, label=heat_map.label, extend="max")


def _label(axes: Axes, line: charts.VerticalLine) -> Text:
    return axes.text(
        line.x,
        1.0,
        line.label,
        transform=axes.get_xaxis_transform(),
        color=COLOURS[line.colour],
        fontsize="small",
        fontweight="bold" if line.strong else "normal",
        ha="center",
        va="center",
        zorder=5,
        bbox={"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 1.0},
    )


def _draw_vertical(axes: Axes, line: charts.VerticalLine, level: float) -> None:
    axes.plot(
        [line.x, line.x],
        [0.0, level],
        transform=axes.get_xaxis_transform(),
        color=COLOURS[line.colour],
        linewidth=1.8 if line.strong else 0.9,
        linestyle=_DASHES[line.dash],
        scalex=False,
        scaley=False,
        zorder=2,
    )


def _make_room(axes: Axes, share: float) -> None:
    """Raise the upper limit, so that this share of the height at the top is free."""
    bottom, top = axes.get_ylim()
    if axes.get_yscale() == "log":
        axes.set_ylim(bottom, math.exp(math.log(bottom) + math.log(top / bottom) / (1.0 - share)))
    else:
        axes.set_ylim(bottom, bottom + (top - bottom) / (1.0 - share))
