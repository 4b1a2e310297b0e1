"""Drawing in a terminal: a panel's lines as plotext draws them, in rich text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._chart import Band, Colour, Polyline, VerticalLine, thinned
from learnrate._numbers import even_ticks, rate_text, rate_ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.text import Text

    from learnrate._chart import Ink, Panel

__all__ = ["LINE_COLOURS", "show_plot"]

LINE_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
_ROLES = {
    Colour.MEASURED: "cyan",
    Colour.CHOSEN: "yellow",
    Colour.BEST: "green",
    Colour.DIVERGED: "red",
    Colour.QUIET: "blue",
}
_CODES = {"cyan": 6, "yellow": 3, "green": 2, "magenta": 5, "blue": 4, "red": 1}  # of a terminal
_ASCII_MARKERS = "*o+x#%"
_ASCII_FRAME = str.maketrans("┌┐└┘├┤┬┴┼─│┊", "+++++++++-|:")
_WIDEST = 110
_MOST_POINTS = 2000
_LINES_AROUND = 5  # of text: the title, the frame, the numbers and the label of the x axis
_BAND = Colour.QUIET  # of a band's edges, so that the line between them stands out


def show_plot(console: Console, panel: Panel, *, title: str = "", height: int = 14) -> None:
    """Print a panel as wide as the console, in ASCII where its encoding asks for that.

    Lines, the edges of bands and vertical lines are drawn, but neither faint lines nor thin labelled
    ones, for which a terminal has no room.

    Args:
        console: the console to print on.
        panel: what to draw.
        title: the title above the plot; the panel's own, or the label of its y axis, by
            default.
        height: the height of the whole plot, in lines of text.
    """
    try:
        import plotext  # noqa: PLC0415 - slow to load
    except ImportError as error:  # its compiled part does not exist for every platform
        console.print(f"(no plot in the terminal: {error})", style="dim", markup=False)
        return
    console.print(
        _drawn(plotext.figure, panel, console, title or panel.title or panel.y.label, height),
        no_wrap=True,
        crop=True,
    )


def _drawn(canvas: Any, panel: Panel, console: Console, title: str, height: int) -> Text:
    from rich.text import Text  # noqa: PLC0415 - slow to load

    plain = console.options.ascii_only
    lines = list(_lines(panel))
    limits = _y_limits(panel, lines)
    canvas.clear()
    canvas.theme("colorless")
    canvas.plot_size(min(console.width, _WIDEST), height)
    canvas.title(title)
    first, last = _draw_axes(canvas, panel, lines, limits, height - _LINES_AROUND)
    verticals = [mark for mark in panel.marks if isinstance(mark, VerticalLine)]
    for mark in verticals:
        if first <= mark.x <= last and (mark.strong or not mark.label):
            _draw_vertical(canvas, panel, mark, limits, plain=plain)
    for number, line in enumerate(lines):
        marker = _ASCII_MARKERS[number % len(_ASCII_MARKERS)] if plain else "braille"
        _draw_line(canvas, panel, line, limits, marker)
    text = canvas.build().string()
    canvas.clear()
    return Text.from_ansi(text.translate(_ASCII_FRAME) if plain else text)


def _lines(panel: Panel) -> Iterator[tuple[Ink, np.ndarray, np.ndarray]]:
    """Colour, x and y of every line; points that are not finite are left out."""
    for mark in panel.marks:
        if isinstance(mark, Polyline) and mark.opacity == 1.0:
            edges = [mark.y]
        elif isinstance(mark, Band):
            edges = [mark.low, mark.high]
        else:
            continue
        x = np.asarray(mark.x, dtype=float)
        for edge in edges:
            y = np.asarray(edge, dtype=float)
            shown = np.isfinite(y)
            colour = _BAND if isinstance(mark, Band) else mark.colour
            yield colour, *thinned(x[shown], y[shown], _MOST_POINTS)


def _draw_vertical(
    canvas: Any, panel: Panel, line: VerticalLine, limits: tuple[float, float], *, plain: bool
) -> None:
    import plotext  # noqa: PLC0415 - slow to load

    place = _place(panel, line.x)
    # Not canvas.line, which paints a white background for any pixel.
    marker = plotext.marker(":" if plain else "┊", _code(line.colour))
    canvas.draw(canvas.segment((place, place), limits, marker=marker))


def _draw_line(
    canvas: Any,
    panel: Panel,
    line: tuple[Ink, np.ndarray, np.ndarray],
    limits: tuple[float, float],
    marker: str,
) -> None:
    import plotext  # noqa: PLC0415 - slow to load

    colour, x, y = line
    places = np.log10(x) if panel.x.log else x
    dots = plotext.marker(marker, _code(colour))
    signal = canvas.signal(places.tolist(), np.clip(y, *limits).tolist(), marker=dots)
    canvas.draw(signal.lines())


def _draw_axes(
    canvas: Any,
    panel: Panel,
    lines: list[tuple[Ink, np.ndarray, np.ndarray]],
    limits: tuple[float, float],
    rows: int,
) -> tuple[float, float]:
    """Draw both axes, the y axis in as many rows; the lowest and the highest x that they show."""
    y_ticks = _ticks_in_rows(*limits, rows)
    canvas.ruler("y").lim(*limits).ticks(y_ticks, [f"{tick:.3g}" for tick in y_ticks])
    first = min(float(x[0]) for _, x, _ in lines)
    last = max(float(x[-1]) for _, x, _ in lines)
    if last <= first:  # a single point, in the middle
        first, last = (first / 2, 2 * first) if panel.x.log else (first - 0.5, first + 0.5)
    x_ticks = rate_ticks(first, last, most=6) if panel.x.log else even_ticks(first, last)
    names = [rate_text(tick) if panel.x.log else f"{tick:,.6g}" for tick in x_ticks]
    canvas.ruler("x").lim(_place(panel, first), _place(panel, last))
    canvas.ruler("x").ticks([_place(panel, tick) for tick in x_ticks], names)
    canvas.label(panel.x.label, "x")
    return first, last


def _ticks_in_rows(low: float, high: float, rows: int) -> list[float]:
    """Round numbers from `low` to `high`, at most one in a row, because plotext would overwrite them."""
    ticks = even_ticks(low, high)
    if len(ticks) < 2:
        return ticks
    power = 10.0 ** math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)
    for step in (number * power for number in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        shown = [float(f"{number * step:.6g}") for number in range(first, last + 1)]
        tick_rows = {round((tick - low) / (high - low) * (rows - 1)) for tick in shown}
        if len(tick_rows) == len(shown) <= len(ticks):
            return shown
    return ticks[:1]


def _code(colour: Ink) -> int:
    name = _ROLES[colour] if isinstance(colour, Colour) else LINE_COLOURS[colour % len(_CODES)]
    return _CODES[name]


def _place(panel: Panel, x: float) -> float:
    return math.log10(x) if panel.x.log else x


def _y_limits(
    panel: Panel, lines: list[tuple[Ink, np.ndarray, np.ndarray]]
) -> tuple[float, float]:
    if panel.y.low is not None and panel.y.high is not None:
        return panel.y.low, panel.y.high
    low = min(float(y.min()) for _, _, y in lines)
    high = max(float(y.max()) for _, _, y in lines)
    room = 0.0 if high > low else 0.5 * abs(low or 1.0)
    return low - room, high + room
