"""Small plots for a terminal, drawn by plotext into rich text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import even_ticks, rate_text, rate_ticks

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["LINE_COLOURS", "TextPlot", "show_plot"]

LINE_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
_CODES = {"cyan": 6, "yellow": 3, "green": 2, "magenta": 5, "blue": 4, "red": 1}  # of a terminal
_ASCII_MARKERS = "*o+x#%"
_ASCII_FRAME = str.maketrans("┌┐└┘├┤┬┴┼─│┊", "+++++++++-|:")
_WIDEST = 110


@dataclass
class TextPlot:
    """What to draw: lines over x, with vertical marks; x is logarithmic if asked.

    Attributes:
        x_title: what x is.
        y_title: what y is; it stands above the plot.
        lines: (x, y) of each line.
        marks: (x, colour) of each vertical mark.
        log_x: whether x is on a log axis.
        y_limits: from where to where y is shown; all of it by default.
    """

    x_title: str
    y_title: str
    lines: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)
    log_x: bool = False
    y_limits: tuple[float, float] | None = None


def show_plot(console: Console, plot: TextPlot, *, height: int = 14) -> None:
    """Print a plot as wide as the console, in ASCII where its encoding asks for that."""
    try:
        import plotext  # noqa: PLC0415 - slow to load
    except ImportError as error:  # its compiled part is not there for every platform
        console.print(f"(no plot in the terminal: {error})", style="dim", markup=False)
        return
    console.print(_drawn(plotext.figure, plot, console, height), no_wrap=True, crop=True)


def _drawn(canvas: Any, plot: TextPlot, console: Console, height: int) -> Text:
    from rich.text import Text  # noqa: PLC0415 - slow to load

    plain = console.options.ascii_only
    canvas.clear()
    canvas.theme("colorless")
    canvas.plot_size(min(console.width, _WIDEST), height)
    _rule(canvas, plot)
    for at, colour in plot.marks:
        _draw_mark(canvas, plot, at, colour, plain=plain)
    for index, (x, y) in enumerate(plot.lines):
        _draw_line(canvas, plot, index, x, y, plain=plain)
    text = canvas.build().string()
    canvas.clear()
    return Text.from_ansi(text.translate(_ASCII_FRAME) if plain else text)


def _draw_mark(canvas: Any, plot: TextPlot, at: float, colour: str, *, plain: bool) -> None:
    import plotext  # noqa: PLC0415 - slow to load

    place = _place(plot, at)
    # Not canvas.line: that paints a white background, whatever its pixel says.
    marker = plotext.marker(":" if plain else "┊", _CODES[colour])
    canvas.draw(canvas.segment((place, place), _y_limits(plot), marker=marker))


def _draw_line(
    canvas: Any, plot: TextPlot, index: int, x: np.ndarray, y: np.ndarray, *, plain: bool
) -> None:
    import plotext  # noqa: PLC0415 - slow to load

    low, high = _y_limits(plot)
    shown = np.isfinite(y)
    places = np.log10(x[shown]) if plot.log_x else x[shown]
    marker = _ASCII_MARKERS[index % len(_ASCII_MARKERS)] if plain else "braille"
    colour = _CODES[LINE_COLOURS[index % len(LINE_COLOURS)]]
    heights = np.clip(y[shown], low, high).tolist()
    signal = canvas.signal(places.tolist(), heights, marker=plotext.marker(marker, colour))
    canvas.draw(signal.lines())


def _rule(canvas: Any, plot: TextPlot) -> None:
    low, high = _y_limits(plot)
    y_ticks = even_ticks(low, high)
    canvas.ruler("y").lim(low, high).ticks(y_ticks, [f"{tick:.3g}" for tick in y_ticks])
    first = float(min(x[0] for x, _ in plot.lines))
    last = float(max(x[-1] for x, _ in plot.lines))
    x_ticks = rate_ticks(first, last, most=6) if plot.log_x else even_ticks(first, last)
    names = [rate_text(tick) if plot.log_x else f"{tick:,.6g}" for tick in x_ticks]
    canvas.ruler("x").lim(_place(plot, first), _place(plot, last))
    canvas.ruler("x").ticks([_place(plot, tick) for tick in x_ticks], names)
    canvas.label(plot.x_title, "x")
    canvas.title(plot.y_title)


def _place(plot: TextPlot, x: float) -> float:
    return math.log10(x) if plot.log_x else x


def _y_limits(plot: TextPlot) -> tuple[float, float]:
    if plot.y_limits is not None:
        return plot.y_limits
    finite = np.concatenate([y[np.isfinite(y)] for _, y in plot.lines])
    low, high = float(finite.min()), float(finite.max())
    room = 0.0 if high > low else 0.5 * abs(low or 1.0)
    return low - room, high + room
