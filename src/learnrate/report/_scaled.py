"""A scaled rate in the terminal: the law against the factor that matters most, and a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.report._terminal import _VERDICT_STYLES, _table, _text
from learnrate.report._text_plot import TextPlot, show_plot

if TYPE_CHECKING:
    from rich.console import Console

    from learnrate.scaling import Fit, ScaledRate

__all__ = ["show_scaled"]


def show_scaled(console: Console, fit: Fit, scaled: ScaledRate) -> None:
    """Print the answer: a plot of the law, its exponents, the rate, and whether to trust it."""
    if fit.varied:
        show_plot(console, _plot(fit, scaled))
    table = _table(console, "factor", "in the table", "asked", "exponent", "80 % interval")
    for name, spanned in fit.ranges.items():
        column = fit.runs.columns[name]
        label = name if column == name else f"{name} ({column})"
        span = " .. ".join(rate_text(end, 4) for end in spanned[: 1 + (name in fit.varied)])
        power = scaled.exponents[name]
        powers = ("-", "-")
        if power is not None:
            powers = f"{power.value:+.2f}", f"{power.low:+.2f} .. {power.high:+.2f}"
        table.add_row(
            _text(console, (label, "")), span, rate_text(scaled.factors[name], 4), *powers
        )
    console.print(table)
    ends = f"   80 % interval {rate_text(scaled.low, 2)} to {rate_text(scaled.high, 2)}"
    lr = (rate_text(scaled.lr), "bold cyan")
    console.print(_text(console, ("rate     ", ""), lr, (ends, "")))
    verdict = (str(scaled.verdict), _VERDICT_STYLES[str(scaled.verdict)])
    console.print(_text(console, ("verdict  ", ""), verdict, (f"   {scaled.reason}", "")))


def _plot(fit: Fit, scaled: ScaledRate) -> TextPlot:
    """Along the factor over which the law changes most between the table and the run asked for."""
    name = max(fit.varied, key=lambda one: abs(math.log(np.divide(*_ends(fit, scaled, one)))))
    low, high = fit.ranges[name]
    asked = scaled.factors[name]
    places = np.geomspace(min(low, asked), max(high, asked), 60)
    lines = np.array([fit.expected(scaled.factors | {name: float(place)}) for place in places]).T
    others = ", ".join(f"{n}={rate_text(v, 3)}" for n, v in scaled.factors.items() if n != name)
    title = f"best rate{' at ' * bool(others)}{others}, 80 % interval (dotted line: asked)"
    plot = TextPlot(name, title, log_x=True)
    plot.lines.extend((places, line) for line in lines)
    plot.y_limits = float(lines.min()), min(float(lines.max()), 3.0 * float(lines[0].max()))
    plot.marks.append((asked, "yellow"))
    return plot


def _ends(fit: Fit, scaled: ScaledRate, name: str) -> tuple[float, float]:
    low, high = fit.ranges[name]
    asked = scaled.factors[name]
    ends = (min(low, asked), max(high, asked))
    return (
        fit.expected(scaled.factors | {name: ends[0]})[0],
        fit.expected(scaled.factors | {name: ends[1]})[0],
    )
