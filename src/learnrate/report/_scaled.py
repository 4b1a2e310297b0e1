"""A scaled rate in the terminal: a plot of the law, and a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate._chart import Axis, Band, Colour, Panel, Polyline, VerticalLine
from learnrate._numbers import rate_text
from learnrate.report._terminal import VERDICT_STYLES, encoded_text, new_table
from learnrate.report._text_plot import show_plot

if TYPE_CHECKING:
    from rich.console import Console

    from learnrate.scaling import Fit, ScaledRate

__all__ = ["show_scaled"]


def show_scaled(console: Console, fit: Fit, scaled: ScaledRate) -> None:
    """Print a plot of the law, its exponents, the predicted rate, and its verdict.

    Args:
        console: the console to print on.
        fit: the fitted law.
        scaled: its prediction for the requested run.
    """
    if fit.varied:
        show_plot(console, _law_panel(fit, scaled))
    table = new_table(console, "factor", "in the table", "requested", "exponent", "80 % interval")
    for name, spanned in fit.ranges.items():
        column = fit.runs.columns[name]
        label = name if column == name else f"{name} ({column})"
        span = " .. ".join(rate_text(end, 4) for end in spanned[: 1 + (name in fit.varied)])
        power = scaled.exponents[name]
        powers = ("-", "-")
        if power is not None:
            powers = f"{power.value:+.2f}", f"{power.low:+.2f} .. {power.high:+.2f}"
        table.add_row(
            encoded_text(console, (label, "")), span, rate_text(scaled.factors[name], 4), *powers
        )
    console.print(table)
    ends = f"   80 % interval {rate_text(scaled.low, 2)} to {rate_text(scaled.high, 2)}"
    lr = (rate_text(scaled.lr), "bold cyan")
    console.print(encoded_text(console, ("rate     ", ""), lr, (ends, "")))
    verdict = (str(scaled.verdict), VERDICT_STYLES[str(scaled.verdict)])
    console.print(encoded_text(console, ("verdict  ", ""), verdict, (f"   {scaled.reason}", "")))


def _law_panel(fit: Fit, scaled: ScaledRate) -> Panel:
    """The law along the factor over which it changes most between the table and the request."""
    name = max(fit.varied, key=lambda factor: _change(fit, scaled, factor))
    low, high = _ends(fit, scaled, name)
    places = np.geomspace(low, high, 60)
    law = [fit.expected(scaled.factors | {name: float(place)}) for place in places]
    rates, lows, highs = np.array(law).T
    others = ", ".join(f"{n}={rate_text(v, 3)}" for n, v in scaled.factors.items() if n != name)
    return Panel(
        title=f"best rate{' at ' * bool(others)}{others}, 80 % interval (dotted line: the requested run)",
        x=Axis(label=name, log=True),
        y=Axis(
            label="best rate",
            low=float(lows.min()),
            high=min(float(highs.max()), 3.0 * float(rates.max())),
        ),
        marks=(
            Polyline(x=places, y=rates, colour=Colour.MEASURED),
            Band(x=places, low=lows, high=highs, colour=Colour.BEST),
            VerticalLine(x=scaled.factors[name], colour=Colour.CHOSEN),
        ),
    )


def _ends(fit: Fit, scaled: ScaledRate, factor: str) -> tuple[float, float]:
    low, high = fit.ranges[factor]
    return min(low, scaled.factors[factor]), max(high, scaled.factors[factor])


def _change(fit: Fit, scaled: ScaledRate, factor: str) -> float:
    """How far the law moves the log of the rate along a factor."""
    low, high = (
        fit.expected(scaled.factors | {factor: end})[0] for end in _ends(fit, scaled, factor)
    )
    return abs(math.log(high / low))
