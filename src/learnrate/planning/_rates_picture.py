"""The charts of a plan of several rates: a map for each two rates, and the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._chart import (
    Axis,
    Chart,
    Colour,
    HeatMap,
    Markers,
    Panel,
    PanelMark,
    describe,
    schedules_panel,
)
from learnrate._numbers import cell_edges
from learnrate.planning._rates_result import RatesPlan

if TYPE_CHECKING:
    from learnrate.planning._rates_result import RatesMap

__all__ = ["HIGHEST_EXCESS", "rates_panels"]

HIGHEST_EXCESS = 0.3  # at which the colours of the map end


@describe.register(RatesPlan)
def _rates_chart(plan: RatesPlan) -> Chart:
    """The maps beside each other, and the schedules of the parameter groups below."""
    maps = tuple(_map_panel(plan, shown) for shown in plan.maps)
    below = len(maps)
    return Chart(
        panels=(*maps, _schedule_panel(plan)),
        rows=(tuple(range(below)), (below,) * below),
        heights=(3, 2),
        size=(6.5 * below if below > 1 else 8.0, 8.5),
    )


def rates_panels(plan: RatesPlan) -> dict[str, Panel]:
    """The panels of a plan of several rates by name."""
    maps = {f"map-{number}": _map_panel(plan, shown) for number, shown in enumerate(plan.maps, 1)}
    return {**maps, "schedule": _schedule_panel(plan)}


def _schedule_panel(plan: RatesPlan) -> Panel:
    _, shape = plan.schedule.split()
    table = shape.over(plan.total_steps).table()
    return schedules_panel([(rate.name, rate.lr * table) for rate in plan.rates])


def _map_panel(plan: RatesPlan, shown: RatesMap) -> Panel:
    """The expected excess over two rates, the trials, and the chosen rates with their intervals."""
    names = [rate.name for rate in plan.rates]
    column, row = names.index(shown.x), names.index(shown.y)
    x_edges, y_edges = (
        np.exp(cell_edges(np.log(lrs).tolist())) for lrs in (shown.x_lrs, shown.y_lrs)
    )
    marks: list[PanelMark] = [
        HeatMap(
            x_edges=x_edges,
            y_edges=y_edges,
            values=np.array(shown.excess),
            low=0.0,
            high=HIGHEST_EXCESS,
            label="expected excess",
        )
    ]
    longest = max(trial.steps for trial in plan.trials)
    kinds = (
        (
            [t for t in plan.trials if t.loss is not None and t.steps < longest],
            "a short trial",
            4.0,
        ),
        (
            [t for t in plan.trials if t.loss is not None and t.steps == longest],
            "a long trial",
            7.0,
        ),
    )
    marks += [
        Markers(
            x=[trial.lrs[column] for trial in trials],
            y=[trial.lrs[row] for trial in trials],
            colour=Colour.MEASURED,
            size=size,
            label=label,
            halo=True,
        )
        for trials, label, size in kinds
        if trials
    ]
    diverged = [trial for trial in plan.trials if trial.loss is None]
    if diverged:
        marks.append(
            Markers(
                x=[trial.lrs[column] for trial in diverged],
                y=[trial.lrs[row] for trial in diverged],
                colour=Colour.DIVERGED,
                symbol="triangle",
                label="a trial that diverged",
                halo=True,
            )
        )
    x, y = plan.rates[column], plan.rates[row]
    marks.append(
        Markers(
            x=[x.lr],
            y=[y.lr],
            x_ends=[[max(x.low, x_edges[0])], [min(x.high, x_edges[-1])]],
            y_ends=[[max(y.low, y_edges[0])], [min(y.high, y_edges[-1])]],
            colour=Colour.CHOSEN,
            symbol="star",
            size=13,
            halo=True,
            label="chosen rates, 80 % intervals",
        )
    )
    return Panel(
        title=f"{shown.x} and {shown.y}",
        x=_axis(shown.x, x_edges),
        y=_axis(shown.y, y_edges),
        marks=tuple(marks),
        legend_columns=2,
    )


def _axis(name: str, edges: np.ndarray) -> Axis:
    return Axis(
        label=f"rate of {name}", low=float(edges[0]), high=float(edges[-1]), log=True, most_ticks=5
    )
