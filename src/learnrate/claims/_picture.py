"""A claim's picture: what was measured beside what is claimed, and the curves it rests on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from learnrate._axes import (
    BEST,
    DIVERGED,
    QUIET,
    SERIES,
    legend_below,
    log_axis,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

    from learnrate.claims._claim import Figure
    from learnrate.claims._outcome import CaseResult, Outcome

__all__ = ["draw"]


def draw(tested: Outcome) -> Picture:
    """The cases of each figure with its claimed range, and the curves at their right.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    measured = [
        (figure, [case for case in tested.cases if case.figure == figure.name])
        for figure in tested.claim.figures
    ]
    measured = [(figure, cases) for figure, cases in measured if cases]
    heights = [1.1 + 0.38 * len(cases) for _, cases in measured]
    wide = bool(tested.lines)
    picture = new_figure(11.0 if wide else 6.5, max(sum(heights), 3.6 if wide else 0.0))
    grid = picture.add_gridspec(len(heights), 2 if wide else 1, height_ratios=heights)
    for row, (figure, cases) in enumerate(measured):
        _draw_cases(picture.add_subplot(grid[row, 0]), figure, cases)
    if wide:
        _draw_lines(picture.add_subplot(grid[:, 1]), tested)
    return picture


def _draw_cases(axes: Axes, figure: Figure, cases: list[CaseResult]) -> None:
    scale = 100.0 if figure.unit == "%" else 1.0
    for place, case in enumerate(reversed(cases)):
        colour = QUIET if case.bears_out is None else BEST if case.bears_out else DIVERGED
        axes.plot(
            [scale * case.low, scale * case.high], [place, place], color=colour, linewidth=2.5
        )
        axes.plot([scale * case.value], [place], "o", color=colour, markersize=7)
    style(axes, figure.name, x=figure.meaning + (" (%)" if figure.unit == "%" else ""), y="")
    axes.xaxis.label.set_fontsize("small")
    axes.set_yticks(range(len(cases)), [case.where for case in reversed(cases)])
    axes.set_ylim(-0.6, len(cases) - 0.4)
    bounds = [scale * bound for bound in (figure.low, figure.high) if math.isfinite(bound)]
    seen = [scale * end for case in cases for end in (case.low, case.high)] + bounds
    _limit(axes, min(seen), max(seen), factors=figure.unit == "x")
    if figure.decides:
        left, right = axes.get_xlim()
        axes.axvspan(
            max(left, scale * figure.low),
            min(right, scale * figure.high),
            color=BEST,
            alpha=0.12,
            linewidth=0,
        )
        axes.set_title(f"claimed: {figure.claimed}", loc="right", fontsize="small")


def _limit(axes: Axes, low: float, high: float, *, factors: bool) -> None:
    """Room at both sides of what is shown; factors on a logarithmic axis."""
    if factors:
        room = max(1.15, (high / low) ** 0.1)
        log_axis(axes.xaxis, low / room, high * room)
        axes.set_xlim(low / room, high * room)
        return
    room = 0.1 * (high - low) or max(0.1 * abs(high), 1e-6)
    axes.set_xlim(low - room, high + room)


def _draw_lines(axes: Axes, tested: Outcome) -> None:
    for index, line in enumerate(tested.lines):
        colour, dashes = SERIES[index % len(SERIES)], "-" if index < len(SERIES) else "--"
        marker = "o" if len(line.x) < 30 else None
        axes.plot(
            line.x,
            line.y,
            label=line.label,
            color=colour,
            linestyle=dashes,
            linewidth=1.6,
            marker=marker,
            markersize=3.5,
        )
    x, y = tested.claim.axes
    style(axes, "", x=x, y=y)
    if "x" in tested.claim.log:
        every = [value for line in tested.lines for value in line.x if value > 0]
        log_axis(axes.xaxis, min(every), max(every))
    if "y" in tested.claim.log:
        axes.set_yscale("log")
    legend_below(axes, columns=2)
