"""The figures of a page as plotly describes them, in plain dictionaries.

A colour is written as `@name`; the page puts in the value its theme gives that name.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import rate_text, rate_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning import Plan, Rung

__all__ = [
    "Figure",
    "extrapolation",
    "line_style",
    "plan_figures",
    "range_test",
    "rung",
    "schedules",
]

Figure = dict[str, Any]

_MOST_POINTS = 1000
_LINES = ("chosen", "measured", "best", "diverged")
_DASHES = ("solid", "dash", "dot")
_BAND_EDGE = {"width": 0}


def plan_figures(plan: Plan) -> dict[str, Figure]:
    """Every figure of a plan's page, by the id of its place."""
    figures = {
        "range-test": range_test(plan.range_test, _rates_tried(plan)),
        "extrapolation": extrapolation(plan),
        "schedule": schedules([plan.schedule.table()]),
    }
    limits = _rates_drawn(plan)
    figures.update({f"rung-{i}": rung(one, limits) for i, one in enumerate(plan.rungs, 1)})
    return figures


def range_test(found: dict[str, Any], rates: Sequence[float] = ()) -> Figure:
    """The loss under a rising rate, and where trials went from there.

    Args:
        found: what `RangeTest.to_dict` gave.
        rates: of the trials, if there were any.
    """
    lr, loss = found["lr"], found["loss"]
    low, high = _fall(loss)
    shapes, notes, last = [], [], lr[-1]
    if rates:
        first, last = min(rates), max(last, *rates)
        shapes.append(_span(first, max(rates), "@tried"))
        notes.append(_note(math.sqrt(first * max(rates)), "tried next", "@measured"))
    if found["diverged_at"] is not None:
        shapes.append(_upright(found["diverged_at"], "@diverged", "dot"))
        last = max(last, found["diverged_at"])
    line = _line(lr, loss, "@measured", "rate %{x:.2g}<br>loss %{y:.4g}")
    return _figure(
        [line],
        x=_log_axis("learning rate", lr[0], last),
        y=_axis("training loss", [low, high]),
        shapes=shapes,
        annotations=notes,
    )


def rung(one: Rung, limits: tuple[float, float]) -> Figure:
    """Final loss against rate: the trials of a rung, their fit, and the best rate."""
    finished = [(trial.lr, trial.loss) for trial in one.trials if trial.loss is not None]
    losses = [loss for _, loss in finished]
    y = _loss_axis("final loss", losses)
    fit = _line(one.fit_lr, one.fit_loss, "@measured", None)
    fit["line"]["width"] = 1.5
    data = [fit, _points([lr for lr, _ in finished], losses, "@measured", "circle", 9)]
    diverged = [trial.lr for trial in one.trials if trial.loss is None]
    if diverged:
        data.append(_diverged(diverged, y))
    return _figure(
        data,
        x=_log_axis("peak learning rate", *limits),
        y=y,
        shapes=[_span(one.low, one.high, "@span"), _upright(one.best, "@best", "solid")],
        annotations=[_note(one.best, f"best {rate_text(one.best, 2)}", "@best")],
    )


def extrapolation(plan: Plan) -> Figure:
    """Best rate against horizon, with its interval, from the rungs to the whole run."""
    steps = [one.steps for one in plan.rungs] + [plan.total_steps]
    lows = [one.low for one in plan.rungs] + [plan.low]
    highs = [one.high for one in plan.rungs] + [plan.high]
    middles = [one.best for one in plan.rungs] + [math.sqrt(plan.low * plan.high)]
    edge = _line(steps, lows, "@best", None) | {"line": _BAND_EDGE}
    band = _line(steps, highs, "@best", None)
    band |= {"line": _BAND_EDGE, "fill": "tonexty", "fillcolor": "@span"}
    middle = _line(steps, middles, "@best", None)
    middle["line"] |= {"dash": "dash", "width": 1.5}
    rungs = _points(steps[:-1], middles[:-1], "@best", "diamond", 11)
    rungs["hovertemplate"] = "%{x:,} updates<br>best rate %{y:.2g}<extra></extra>"
    peak = _points([plan.total_steps], [plan.peak], "@chosen", "star", 17)
    peak["hovertemplate"] = "%{x:,} updates<br>chosen peak %{y:.3g}<extra></extra>"
    return _figure(
        [edge, band, middle, rungs, peak],
        x=_log_axis("updates", steps[0] / 1.2, plan.total_steps * 1.3, most=6),
        y=_log_axis("best peak learning rate", min(lows) / 1.2, max(highs) * 1.2),
        annotations=[_beside(plan.total_steps, plan.peak, f"peak {rate_text(plan.peak)}")],
    )


def schedules(tables: Sequence[np.ndarray]) -> Figure:
    """The rates of one or several schedules over their runs, in the order of `line_style`."""
    lines = [_rates_line(values, *line_style(index)) for index, values in enumerate(tables)]
    low = min(float(values.min()) for values in tables)
    high = max(float(values.max()) for values in tables)
    room = 0.12 * (max(high, 0.0) - min(low, 0.0)) or 1.0
    longest = max(len(values) for values in tables)
    return _figure(
        lines,
        x=_axis("step", [0, longest * 1.01]) | {"tickformat": ","},
        y=_axis("learning rate", [min(0.0, low * 1.12), max(high, 0.0) + room])
        | {"tickformat": ".3~g"},
    )


def line_style(index: int) -> tuple[str, str]:
    """The colour and the dash of the line with this index: every pair of four differs in colour."""
    return _LINES[index % len(_LINES)], _DASHES[index // len(_LINES) % len(_DASHES)]


def _rates_line(values: np.ndarray, colour: str, dash: str) -> dict[str, Any]:
    even = np.linspace(0, len(values) - 1, min(len(values), _MOST_POINTS)).round().astype(int)
    steps = np.union1d(even, [int(values.argmax()), int(values.argmin())])
    hover = "step %{x:,}<br>rate %{y:.3g}"
    line = _line(steps.tolist(), values[steps].tolist(), f"@{colour}", hover)
    line["line"]["dash"] = dash
    return line


def _rates_tried(plan: Plan) -> list[float]:
    return [trial.lr for one in plan.rungs for trial in one.trials]


def _rates_drawn(plan: Plan) -> tuple[float, float]:
    drawn = [lr for one in plan.rungs for lr in (*one.fit_lr, one.low, one.high)]
    rates = drawn + _rates_tried(plan)
    return min(rates), max(rates)


def _fall(loss: Sequence[float]) -> tuple[float, float]:
    """Limits that show the fall; the explosion after it is cut off."""
    start, lowest = loss[0], min(loss)
    fall = max(start - lowest, 0.02 * abs(start), 1e-12)
    return lowest - 0.08 * fall, start + 0.45 * fall


def _figure(
    data: list[dict[str, Any]],
    *,
    x: dict[str, Any],
    y: dict[str, Any],
    shapes: Sequence[dict[str, Any]] = (),
    annotations: Sequence[dict[str, Any]] = (),
) -> Figure:
    layout = {
        "xaxis": x,
        "yaxis": y,
        "shapes": list(shapes),
        "annotations": list(annotations),
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


def _axis(title: str, limits: Sequence[float]) -> dict[str, Any]:
    return {
        "title": {"text": title, "standoff": 8},
        "range": list(limits),
        "fixedrange": True,
        "automargin": True,
        "gridcolor": "@line",
        "zeroline": False,
        "linecolor": "@quiet",
        "tickcolor": "@quiet",
        "ticks": "outside",
    }


def _log_axis(title: str, low: float, high: float, most: int = 7) -> dict[str, Any]:
    ticks = rate_ticks(low, high, most)
    return _axis(title, [math.log10(low), math.log10(high)]) | {
        "type": "log",
        "tickvals": ticks,
        "ticktext": [rate_text(tick, 6) for tick in ticks],
        "tickangle": 0,
    }


def _loss_axis(title: str, losses: Sequence[float]) -> dict[str, Any]:
    """Log where every loss is positive; with room above for trials that diverged."""
    low, high = (min(losses), max(losses)) if losses else (0.1, 1.0)
    if low > 0:
        room = 0.2 * math.log(high / low) + 0.05
        return _log_axis(title, low * math.exp(-room), high * math.exp(1.6 * room), most=5)
    room = 0.2 * (high - low) or 1.0
    return _axis(title, [low - room, high + 1.6 * room])


def _line(
    x: Sequence[float], y: Sequence[float], colour: str, hover: str | None
) -> dict[str, Any]:
    line: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": 2.5},
    }
    if hover is None:
        return line | {"hoverinfo": "skip"}
    return line | {"hovertemplate": hover + "<extra></extra>"}


def _points(
    x: Sequence[float], y: Sequence[float], colour: str, symbol: str, size: int
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(x),
        "y": list(y),
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": size,
            "line": {"color": "@page", "width": 1},
        },
        "hovertemplate": "rate %{x:.3g}<br>final loss %{y:.4g}<extra></extra>",
        "cliponaxis": False,
    }


def _diverged(rates: Sequence[float], y: dict[str, Any]) -> dict[str, Any]:
    low, high = y["range"]
    level = low + 0.93 * (high - low)
    height = 10.0**level if y.get("type") == "log" else level
    points = _points(rates, [height] * len(rates), "@diverged", "x-thin", 10)
    points["marker"]["line"] = {"color": "@diverged", "width": 2.5}
    points["hovertemplate"] = "rate %{x:.3g}<br>diverged<extra></extra>"
    return points


def _span(low: float, high: float, colour: str) -> dict[str, Any]:
    return {
        "type": "rect",
        "x0": low,
        "x1": high,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "fillcolor": colour,
        "line": {"width": 0},
        "layer": "below",
    }


def _upright(rate: float, colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": rate,
        "x1": rate,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": colour, "width": 2, "dash": dash},
    }


def _note(rate: float, text: str, colour: str) -> dict[str, Any]:
    """A label above the plot; on a log axis plotly wants its place as a power of ten."""
    return {
        "x": math.log10(rate),
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "text": text,
        "showarrow": False,
        "font": {"color": colour},
    }


def _beside(x: float, y: float, text: str) -> dict[str, Any]:
    return {
        "x": math.log10(x),
        "y": math.log10(y),
        "xanchor": "right",
        "yanchor": "top",
        "xshift": -12,
        "text": text,
        "showarrow": False,
        "font": {"color": "@chosen-text", "weight": 700},
    }
