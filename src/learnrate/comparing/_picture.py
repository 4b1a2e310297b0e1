"""The chart of a comparison: the difference of each optimizer from the planned rate."""

from __future__ import annotations

import numpy as np

from learnrate._chart import Axis, Chart, Colour, Markers, Panel, PanelMark, VerticalLine, describe
from learnrate.comparing._result import Comparison, Difference, Standing

__all__: list[str] = []

_COLOURS = {
    Standing.LOWER: Colour.BEST,
    Standing.HIGHER: Colour.CHOSEN,
    Standing.UNDECIDED: Colour.QUIET,
}
_SEEDS_ABOVE = 0.22  # rows from an interval to the differences of its seeds
_LABELS = {
    Standing.LOWER: "ends lower than the planned rate",
    Standing.HIGHER: "ends higher",
    Standing.UNDECIDED: "cannot be told apart",
}


@describe.register(Comparison)
def _comparison_chart(comparison: Comparison) -> Chart:
    """The mean paired difference of each optimizer, with its interval; the lowest on top."""
    differences = [
        difference for difference in comparison.differences if difference.mean is not None
    ][::-1]
    names = tuple(difference.name for difference in differences)
    marks: list[PanelMark] = [
        VerticalLine(x=0.0, label="planned rate", colour=Colour.MEASURED, strong=True)
    ]
    for standing in _COLOURS:
        rows = [
            row for row, difference in enumerate(differences) if difference.standing is standing
        ]
        if rows:
            marks.append(_intervals(rows, differences, standing))
    if differences:
        marks.append(_seeds(differences))
    seeds = len(comparison.planned.runs)
    kind = "validation" if comparison.validated else "training"
    panel = Panel(
        title=f"{comparison.task}: {kind} loss compared with the planned rate, {seeds} seeds",
        x=_difference_axis(differences),
        y=Axis(label="", low=-0.6, high=len(names) - 0.4 if names else 0.6, names=names),
        marks=tuple(marks),
        legend_columns=3,
    )
    return Chart(panels=(panel,), size=(8.0, 1.6 + 0.5 * max(len(names), 1)))


def _difference_axis(differences: list[Difference]) -> Axis:
    """An axis with room on both sides of 0 and of all intervals."""
    ends = [end for d in differences for end in (d.low, d.high, *d.values) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = 0.08 * (high - low) or 1.0
    return Axis(
        label="difference of the final loss; below 0 the optimizer ends lower",
        low=low - room,
        high=high + room,
    )


def _intervals(rows: list[int], differences: list[Difference], standing: Standing) -> Markers:
    shown = [differences[row] for row in rows]
    return Markers(
        x=np.array([difference.mean for difference in shown], dtype=float),
        y=np.array(rows, dtype=float),
        x_ends=np.array([[d.low for d in shown], [d.high for d in shown]], dtype=float),
        colour=_COLOURS[standing],
        label=_LABELS[standing],
        size=7,
        capped=True,
    )


def _seeds(differences: list[Difference]) -> Markers:
    """The difference with each seed, above the interval."""
    points = [
        (value, row + _SEEDS_ABOVE)
        for row, difference in enumerate(differences)
        for value in difference.values
    ]
    return Markers(
        x=np.array([value for value, _ in points]),
        y=np.array([place for _, place in points]),
        colour=Colour.QUIET,
        label="each seed",
        size=4,
        hollow=True,
    )
