"""The charts of a coordinate check and of sweeps over widths."""

from __future__ import annotations

import numpy as np

import learnrate._chart as charts
from learnrate._numbers import rate_text
from learnrate.transfer._coordinates import CoordinateCheck, LayerCheck
from learnrate.transfer._rates import WidthSweep, WidthSweeps

__all__: list[str] = []

_MOST_COLOURS = 8  # layers that have a colour and a name of their own
_TITLES = {
    "start": "First output",
    "update": "Change by its own updates",
    "change": "Change of the output",
}


@charts.describe.register(CoordinateCheck)
def _check_chart(check: CoordinateCheck) -> charts.Chart:
    """The sizes of every layer over widths; a layer that breaks the rules stands out."""
    panels = tuple(_size_panel(check, quantity, title) for quantity, title in _TITLES.items())
    return charts.Chart(
        panels=panels,
        rows=((0, 1, 2),),
        size=(12.0, 5.0),
        title=f"Coordinate check: {check.verdict}, {check.updates} updates",
        legend_columns=4,
    )


def _size_panel(check: CoordinateCheck, quantity: str, title: str) -> charts.Panel:
    widths = np.array(check.widths, dtype=float)
    lines = []
    for number, layer in enumerate(check.layers):
        sizes = getattr(layer, quantity).mean(axis=1)
        usable = np.isfinite(sizes) & (sizes > 0)
        if usable.any():
            lines.append(_line(check, number, layer, widths[usable], sizes[usable]))
    return charts.Panel(
        title=title,
        x=_log_axis("width", widths),
        y=_log_axis("root mean square", np.concatenate([np.asarray(line.y) for line in lines])),
        marks=tuple(lines),
    )


def _log_axis(label: str, values: np.ndarray) -> charts.Axis:
    low, high = float(values.min()), float(values.max())
    room = (high / low) ** 0.06
    return charts.Axis(label=label, low=low / room, high=high * room, log=True, most_ticks=5)


def _line(
    check: CoordinateCheck, number: int, layer: LayerCheck, widths: np.ndarray, sizes: np.ndarray
) -> charts.Polyline:
    colour, label, width = _ink(check, number, layer)
    return charts.Polyline(
        x=widths, y=sizes, colour=colour, label=label, width=width, marker_size=3
    )


def _ink(check: CoordinateCheck, number: int, layer: LayerCheck) -> tuple[charts.Ink, str, float]:
    """The colour, the name and the width of a layer's lines."""
    if check.breaking is not None and check.breaking[0] is layer:
        return charts.Colour.DIVERGED, f"{layer.layer} breaks the rules", 2.4
    if len(check.layers) <= _MOST_COLOURS:
        return number, layer.layer, 1.6
    return charts.Colour.QUIET, f"{len(check.layers)} layers" if number == 0 else "", 1.0


@charts.describe.register(WidthSweeps)
def _sweeps_chart(sweeps: WidthSweeps) -> charts.Chart:
    """The mean final loss over rates at each width, with the best rate of each."""
    lines = [_losses(part, number) for number, part in enumerate(sweeps.sweeps)]
    best = [_best(part, number) for number, part in enumerate(sweeps.sweeps)]
    finite = [
        float(loss)
        for part in sweeps.sweeps
        for loss in part.losses.mean(axis=1)
        if np.isfinite(loss)
    ]
    # A rate far too high has a loss of any size, which would flatten all others.
    first = [float(part.losses.mean(axis=1)[0]) for part in sweeps.sweeps]
    highest = max([loss for loss in first if np.isfinite(loss)], default=1.0)
    panel = charts.Panel(
        title=f"Best rate over widths: {sweeps.verdict}",
        remark={"mup": "muP", "standard": "standard parametrization"}[sweeps.parametrization],
        x=_log_axis(
            "peak learning rate at the base width",
            np.concatenate([part.lrs for part in sweeps.sweeps]),
        ),
        y=charts.loss_axis("final loss", [loss for loss in finite if loss <= 1.5 * highest]),
        marks=(*lines, *(mark for mark in best if mark is not None)),
        legend_columns=3,
    )
    return charts.Chart(panels=(panel,))


def _losses(part: WidthSweep, number: int) -> charts.Polyline:
    means = part.losses.mean(axis=1)
    whole = np.isfinite(means)
    return charts.Polyline(
        x=part.lrs[whole],
        y=means[whole],
        colour=number,
        label=f"width {part.width:,}" + _best_words(part),
        marker_size=3,
    )


def _best(part: WidthSweep, number: int) -> charts.Markers | None:
    if part.best is None or part.low is None or part.high is None:
        return None
    ends = np.array([[part.low], [part.high]])
    return charts.Markers(
        x=[part.best],
        y=[part.loss_at(part.best)],
        colour=number,
        symbol="diamond",
        size=9.0,
        x_ends=ends,
    )


def _best_words(part: WidthSweep) -> str:
    return "" if part.best is None else f": best {rate_text(part.best, 2)}"
