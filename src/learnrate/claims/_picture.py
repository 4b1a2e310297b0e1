"""The chart of a tested claim: what was measured beside what is claimed, and the curves."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

from learnrate._chart import (
    Axis,
    Chart,
    Colour,
    Markers,
    Panel,
    Polyline,
    VerticalSpan,
    describe,
)
from learnrate.claims._outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._measurement import Figure
    from learnrate.claims._outcome import CaseResult

__all__: list[str] = []

_COLOURS = {True: Colour.BEST, False: Colour.DIVERGED, None: Colour.QUIET}
_FEW = 30  # points of a curve that are each marked


@describe.register(Outcome)
def _outcome_chart(tested: Outcome) -> Chart:
    """The cases of each figure with its claimed range, and the curves at their right."""
    measured = [
        (figure, cases)
        for figure in tested.claim.figures
        if (cases := [case for case in tested.cases if case.figure == figure.name])
    ]
    panels = [_cases_panel(figure, cases) for figure, cases in measured]
    heights = tuple(1.1 + 0.38 * len(cases) for _, cases in measured)
    if not tested.lines:
        return Chart(
            panels=tuple(panels),
            rows=tuple((number,) for number in range(len(panels))),
            heights=heights,
            size=(6.5, sum(heights)),
        )
    return Chart(
        panels=(*panels, _lines_panel(tested)),
        rows=tuple((number, len(panels)) for number in range(len(panels))),
        heights=heights,
        size=(11.0, max(sum(heights), 3.6)),
    )


def _cases_panel(figure: Figure, cases: Sequence[CaseResult]) -> Panel:
    """The cases with their intervals, and the claimed range."""
    scale = 100.0 if figure.unit == "%" else 1.0
    bounds = [scale * bound for bound in (figure.low, figure.high) if math.isfinite(bound)]
    ends = [scale * end for case in cases for end in (case.low, case.high)] + bounds
    low, high = _with_room(min(ends), max(ends), factors=figure.unit == "x")
    marks: list[VerticalSpan | Markers] = []
    if figure.decides:
        span = max(low, scale * figure.low), min(high, scale * figure.high)
        marks.append(VerticalSpan(low=span[0], high=span[1], colour=Colour.BEST))
    for place, case in enumerate(reversed(cases)):
        marks.append(
            Markers(
                x=[scale * case.value],
                y=[place],
                x_ends=[[scale * case.low], [scale * case.high]],
                colour=_COLOURS[case.bears_out],
                size=7,
                bar_width=2.5,
            )
        )
    return Panel(
        title=figure.name,
        remark=f"claimed: {figure.claimed}" if figure.decides else "",
        x=Axis(
            label=figure.meaning + (" (%)" if figure.unit == "%" else ""),
            low=low,
            high=high,
            log=figure.unit == "x",
        ),
        y=Axis(
            label="",
            low=-0.6,
            high=len(cases) - 0.4,
            names=tuple(case.where for case in reversed(cases)),
        ),
        marks=tuple(marks),
    )


def _with_room(low: float, high: float, *, factors: bool) -> tuple[float, float]:
    """Limits with room at both sides; those of factors for a logarithmic axis."""
    if factors:
        factor = max(1.15, (high / low) ** 0.1)
        return low / factor, high * factor
    room = 0.1 * (high - low) or max(0.1 * abs(high), 1e-6)
    return low - room, high + room


def _lines_panel(tested: Outcome) -> Panel:
    """The lines of the measurement."""
    axes = tested.claim.axes
    return Panel(
        x=_lines_axis(axes.x, [line.x for line in tested.lines], log="x" in axes.log),
        y=_lines_axis(axes.y, [line.y for line in tested.lines], log="y" in axes.log),
        marks=tuple(
            Polyline(
                x=line.x,
                y=line.y,
                colour=number,
                label=line.label,
                marker_size=3.5 if len(line.x) < _FEW else 0.0,
            )
            for number, line in enumerate(tested.lines)
        ),
        legend_columns=2,
    )


def _lines_axis(label: str, columns: Sequence[Sequence[float]], *, log: bool) -> Axis:
    """An axis of the curves; a logarithmic one ends a little outside their positive numbers."""
    if not log:
        return Axis(label=label)
    positive = [number for number in chain(*columns) if 0 < number < math.inf]
    low, high = _with_room(min(positive), max(positive), factors=True)
    return Axis(label=label, low=low, high=high, log=True)
