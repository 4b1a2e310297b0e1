"""Drawing with plotly: a panel as the dictionary that plotly.js reads.

A colour is written as `@name`; the page replaces it by the colour of this name in its theme.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import learnrate._chart as charts
from learnrate._numbers import rate_text, rate_ticks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["PlotlyFigure", "line_style", "plotly_figure"]

PlotlyFigure = dict[str, Any]

_SERIES = (
    charts.Colour.CHOSEN,
    charts.Colour.MEASURED,
    charts.Colour.BEST,
    charts.Colour.DIVERGED,
)
_DASHES = ("solid", "dash", "dot")
_SYMBOLS = {
    # how plotly calls the symbol, and its size in pixels for each point of ours
    "circle": ("circle", 1.5),
    "square": ("square", 1.5),
    "triangle": ("triangle-up", 1.5),
    "diamond": ("diamond", 1.8),
    "star": ("star", 1.15),
}
_FILLS = {charts.Colour.BEST: "@span", charts.Colour.MEASURED: "@tried"}
_TEXTS = {charts.Colour.CHOSEN: "@chosen-text", charts.Colour.DIVERGED: "@diverged-text"}
_PIXELS = 1.25  # of a line's width for each point
_MOST_POINTS = 1000
_SKIPPED = {"hoverinfo": "skip"}


def plotly_figure(panel: charts.Panel) -> PlotlyFigure:
    """A panel as plotly describes it, without title and legend, which the page adds.

    Raises:
        TypeError: the panel has a mark of an unknown type.
    """
    data: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for mark in panel.marks:
        match mark:
            case charts.Polyline():
                data.append(_polyline(mark, panel))
            case charts.Markers():
                data.append(_markers(mark, panel))
            case charts.Band():
                data += _band(mark)
            case charts.Crosses():
                data.append(_crosses(mark, panel))
            case charts.VerticalSpan():
                shapes.append(_span(mark))
                notes += _label_above(panel, (mark.low, mark.high), mark.label, mark.colour)
            case charts.VerticalLine():
                shapes.append(_vertical(mark))
                notes += _label_above(panel, (mark.x, mark.x), mark.label, mark.colour)
            case charts.HeatMap():
                data.append(_heat_map(mark))
            case charts.Note():
                notes.append(_note(mark, panel))
            case _:
                raise TypeError(f"a {type(mark).__name__} cannot be drawn on a page.")
    layout = {
        "xaxis": _axis(panel.x),
        "yaxis": _axis(panel.y),
        "shapes": shapes,
        "annotations": notes,
        "margin": {"l": 12, "r": 20, "t": 26, "b": 12},
        "showlegend": False,
        "dragmode": False,
        "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "@ink"},
        "hoverlabel": {"bgcolor": "@card", "bordercolor": "@line", "font": {"color": "@ink"}},
    }
    return {"data": data, "layout": layout}


def line_style(number: int) -> tuple[charts.Colour, str]:
    """The colour and the dash of a series: four that follow each other differ in colour."""
    return _SERIES[number % len(_SERIES)], _DASHES[number // len(_SERIES) % len(_DASHES)]


def _axis(axis: charts.Axis) -> dict[str, Any]:
    described: dict[str, Any] = {
        "title": {"text": axis.label, "standoff": 8},
        "fixedrange": True,
        "automargin": True,
        "gridcolor": "@line",
        "zeroline": False,
        "linecolor": "@quiet",
        "tickcolor": "@quiet",
        "ticks": "outside",
        "tickformat": "," if axis.number_format == "," else ".3~g",
    }
    if axis.low is None or axis.high is None:
        return described
    if not axis.log:
        return described | {"range": [axis.low, axis.high]}
    ticks = rate_ticks(axis.low, axis.high, axis.most_ticks)
    return described | {
        "type": "log",
        "range": [math.log10(axis.low), math.log10(axis.high)],
        "tickvals": ticks,
        "ticktext": [rate_text(tick, 6) for tick in ticks],
        "tickangle": 0,
    }


def _place(axis: charts.Axis, number: float) -> float:
    """Where an annotation stands; on a logarithmic axis plotly wants a power of ten."""
    return math.log10(number) if axis.log else number


def _scatter(x: ArrayLike, y: ArrayLike, mode: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": mode,
        "x": np.atleast_1d(x).tolist(),
        "y": np.atleast_1d(y).tolist(),
    }


def _hover(panel: charts.Panel, label: str) -> dict[str, str]:
    x, y = panel.x, panel.y
    text = f"{x.label} %{{x:{x.number_format}}}<br>{label or y.label} %{{y:{y.number_format}}}"
    return {"hovertemplate": f"{text}<extra></extra>"}


def _colour_and_dash(ink: charts.Ink, dash: str) -> tuple[str, str]:
    colour, series_dash = (ink, dash) if isinstance(ink, charts.Colour) else line_style(ink)
    return f"@{colour}", series_dash


def _polyline(line: charts.Polyline, panel: charts.Panel) -> dict[str, Any]:
    colour, dash = _colour_and_dash(line.colour, line.dash)
    return {
        **_scatter(*charts.thinned(line.x, line.y, _MOST_POINTS), "lines"),
        "line": {"color": colour, "width": _PIXELS * line.width, "dash": dash},
        "opacity": line.opacity,
        **(_hover(panel, line.label) if line.hover else _SKIPPED),
    }


def _markers(markers: charts.Markers, panel: charts.Panel) -> dict[str, Any]:
    colour, _ = _colour_and_dash(markers.colour, "solid")
    symbol, pixels = _SYMBOLS[markers.symbol]
    halo = {"color": "white", "width": 2} if markers.halo else {"color": "@page", "width": 1}
    bars = {
        f"error_{name}": _error_bars(middles, ends, colour, _PIXELS * markers.bar_width)
        for name, middles, ends in (
            ("x", markers.x, markers.x_ends),
            ("y", markers.y, markers.y_ends),
        )
        if ends is not None
    }
    return {
        **_scatter(markers.x, markers.y, "markers"),
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": round(pixels * markers.size),
            "line": halo,
        },
        "cliponaxis": False,
        **bars,
        **_hover(panel, markers.label),
    }


def _error_bars(middles: ArrayLike, ends: ArrayLike, colour: str, width: float) -> dict[str, Any]:
    low, high = np.asarray(ends, dtype=float).reshape(2, -1)
    middle = np.atleast_1d(middles)
    return {
        "type": "data",
        "symmetric": False,
        "array": (high - middle).tolist(),
        "arrayminus": (middle - low).tolist(),
        "color": colour,
        "thickness": width,
        "width": 0,
    }


def _band(band: charts.Band) -> list[dict[str, Any]]:
    edge = {"line": {"width": 0}, **_SKIPPED}
    return [
        _scatter(band.x, band.low, "lines") | edge,
        _scatter(band.x, band.high, "lines")
        | edge
        | {"fill": "tonexty", "fillcolor": _FILLS[band.colour]},
    ]


def _crosses(crosses: charts.Crosses, panel: charts.Panel) -> dict[str, Any]:
    layout = _axis(panel.y)
    low, high = layout["range"]
    level = low + crosses.height * (high - low)
    y = 10.0**level if panel.y.log else level
    return {
        **_scatter(crosses.x, np.full(np.size(crosses.x), y), "markers"),
        "marker": {
            "symbol": "x-thin",
            "size": 10,
            "line": {"color": f"@{crosses.colour}", "width": 2.5},
        },
        "cliponaxis": False,
        "hovertemplate": f"{panel.x.label} %{{x:{panel.x.number_format}}}<br>{crosses.label}"
        "<extra></extra>",
    }


def _heat_map(heat_map: charts.HeatMap) -> dict[str, Any]:
    """The cells of a map by their edges, which plotly also takes on logarithmic axes."""
    return {
        "type": "heatmap",
        "x": heat_map.x_edges.tolist(),
        "y": heat_map.y_edges.tolist(),
        "z": [
            [value if math.isfinite(value) else None for value in row]
            for row in heat_map.values.tolist()
        ],
        "zmin": heat_map.low,
        "zmax": heat_map.high,
        "colorscale": "Viridis",
        "showscale": False,  # the key shows it; plotly's colour bar needs inline styles, which pages forbid
        "hovertemplate": "%{z:.3g}<extra></extra>",
    }


def _upright(low: float, high: float) -> dict[str, Any]:
    return {"x0": low, "x1": high, "y0": 0, "y1": 1, "yref": "paper"}


def _span(span: charts.VerticalSpan) -> dict[str, Any]:
    fill = {"fillcolor": _FILLS[span.colour], "line": {"width": 0}, "layer": "below"}
    return {"type": "rect"} | _upright(span.low, span.high) | fill


def _vertical(line: charts.VerticalLine) -> dict[str, Any]:
    dash = {"color": f"@{line.colour}", "width": 2, "dash": line.dash}
    return {"type": "line", "line": dash} | _upright(line.x, line.x)


def _label_above(
    panel: charts.Panel, ends: tuple[float, float], text: str, colour: charts.Colour
) -> list[dict[str, Any]]:
    if not text:
        return []
    middle = sum(_place(panel.x, end) for end in ends) / 2
    return [
        {
            "x": middle,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "text": text,
            "showarrow": False,
            "font": {"color": _TEXTS.get(colour, f"@{colour}")},
        }
    ]


def _note(note: charts.Note, panel: charts.Panel) -> dict[str, Any]:
    return {
        "x": _place(panel.x, note.x),
        "y": _place(panel.y, note.y),
        "xanchor": "right",
        "yanchor": "top",
        "xshift": -12,
        "text": note.text,
        "showarrow": False,
        "font": {"color": _TEXTS.get(note.colour, f"@{note.colour}"), "weight": 700},
    }
