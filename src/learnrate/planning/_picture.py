"""The charts of a plan: its rungs, the extrapolation to the whole run, the schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from learnrate._chart import (
    Axis,
    Band,
    Chart,
    Colour,
    Crosses,
    Markers,
    Note,
    Panel,
    PanelMark,
    Polyline,
    VerticalLine,
    VerticalSpan,
    describe,
    loss_axis,
    schedules_panel,
)
from learnrate._numbers import rate_text
from learnrate.planning._result import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate._chart import Symbol
    from learnrate.planning._result import Rung

__all__ = ["plan_panels"]

# Short to long horizon: lightness carries the order.
_SHADES = (Colour.MEASURED_LIGHT, Colour.MEASURED, Colour.MEASURED_DARK)
_SYMBOLS: tuple[Symbol, ...] = ("circle", "square", "triangle")
_INTERVAL = "80 % interval"


@describe.register(Plan)
def _plan_chart(plan: Plan) -> Chart:
    """All rungs in one panel, the extrapolation beside it, the schedule below."""
    return Chart(
        panels=(_rungs_panel(plan), _extrapolation_panel(plan), _schedule_panel(plan)),
        rows=((0, 1), (2, 2)),
        heights=(3, 2),
        size=(11.0, 8.0),
    )


def plan_panels(plan: Plan) -> dict[str, Panel]:
    """The panels of a plan by name, with one panel for each rung."""
    low, high = _rate_limits(plan)
    rungs = {
        f"rung-{number}": _rung_panel(rung, low, high) for number, rung in enumerate(plan.rungs, 1)
    }
    return {
        "extrapolation": _extrapolation_panel(plan),
        "schedule": _schedule_panel(plan),
        **rungs,
    }


def _schedule_panel(plan: Plan) -> Panel:
    return schedules_panel([(str(plan.schedule), plan.schedule.table())])


def _rungs_panel(plan: Plan) -> Panel:
    """Final loss against rate: the trials of each rung, their fit, and the best rate."""
    fits: list[PanelMark] = []
    best: list[PanelMark] = []
    for number, rung in enumerate(plan.rungs):
        shade = min(number, len(_SHADES) - 1) if len(plan.rungs) > 1 else 1
        fits += _trials(rung, _SHADES[shade], _SYMBOLS[shade], f"{rung.steps:,} updates")
        best.append(
            Markers(
                x=[rung.best],
                y=[_fit_at_best(rung)],
                x_ends=[[rung.low], [rung.high]],
                colour=Colour.BEST,
                symbol="diamond",
                capped=True,
                label="best rate, 80 % interval" if rung is plan.rungs[-1] else "",
            )
        )
    low, high = _rate_limits(plan)
    return Panel(
        title="Rungs: short trials, each annealed",
        x=Axis(label="peak learning rate", low=low, high=high, log=True),
        y=loss_axis("final loss", _losses(plan.rungs)),
        marks=(*fits, *best, *_diverged(plan.rungs)),
        legend_columns=2,
    )


def _rung_panel(rung: Rung, low: float, high: float) -> Panel:
    """One rung: its trials, their fit, and the best rate with its interval."""
    label = f"best {rate_text(rung.best, 2)}"
    return Panel(
        x=Axis(label="peak learning rate", low=low, high=high, log=True),
        y=loss_axis("final loss", _losses([rung])),
        marks=(
            VerticalSpan(low=rung.low, high=rung.high, colour=Colour.BEST),
            VerticalLine(x=rung.best, colour=Colour.BEST, label=label, strong=True, dash="solid"),
            *_trials(rung, Colour.MEASURED, "circle"),
            *_diverged([rung]),
        ),
    )


def _trials(rung: Rung, colour: Colour, symbol: Symbol, label: str = "") -> list[PanelMark]:
    finished = [(trial.lr, trial.loss) for trial in rung.trials if trial.loss is not None]
    fit = Polyline(x=rung.fit_lr, y=rung.fit_loss, colour=colour, width=1.4, hover=False)
    rates, losses = [lr for lr, _ in finished], [loss for _, loss in finished]
    return [fit, Markers(x=rates, y=losses, colour=colour, symbol=symbol, label=label)]


def _diverged(rungs: Sequence[Rung]) -> list[PanelMark]:
    rates = [trial.lr for rung in rungs for trial in rung.trials if trial.loss is None]
    return [Crosses(x=rates, colour=Colour.DIVERGED, label="diverged")] if rates else []


def _losses(rungs: Sequence[Rung]) -> list[float]:
    return [trial.loss for rung in rungs for trial in rung.trials if trial.loss is not None]


def _rate_limits(plan: Plan) -> tuple[float, float]:
    rates = [lr for rung in plan.rungs for lr in (*rung.fit_lr, rung.low, rung.high)]
    rates += [trial.lr for rung in plan.rungs for trial in rung.trials]
    return min(rates), max(rates)


def _fit_at_best(rung: Rung) -> float:
    nearest = min(range(len(rung.fit_lr)), key=lambda i: abs(math.log(rung.fit_lr[i] / rung.best)))
    return rung.fit_loss[nearest]


def _extrapolation_panel(plan: Plan) -> Panel:
    """Best rate against horizon, with its interval, from the rungs to the whole run."""
    steps = [rung.steps for rung in plan.rungs] + [plan.total_steps]
    lows = [rung.low for rung in plan.rungs] + [plan.low]
    highs = [rung.high for rung in plan.rungs] + [plan.high]
    middles = [rung.best for rung in plan.rungs] + [math.sqrt(plan.low * plan.high)]
    return Panel(
        title="Extrapolation to the whole run",
        x=Axis(
            label="updates",
            low=min(steps) / 1.3,
            high=plan.total_steps * 1.6,
            log=True,
            most_ticks=6,
            number_format=",",
        ),
        y=Axis(
            label="best peak learning rate", low=min(lows) / 1.3, high=max(highs) * 1.3, log=True
        ),
        marks=(
            Band(x=steps, low=lows, high=highs, colour=Colour.BEST, label=_INTERVAL),
            Polyline(x=steps, y=middles, colour=Colour.BEST, width=1.2, dash="dash", hover=False),
            Markers(
                x=steps[:-1],
                y=middles[:-1],
                colour=Colour.BEST,
                symbol="diamond",
                label="best rate of a rung",
            ),
            Markers(
                x=[plan.total_steps],
                y=[plan.peak],
                colour=Colour.CHOSEN,
                symbol="star",
                size=15,
                label="chosen peak",
            ),
            Note(
                x=plan.total_steps,
                y=plan.peak,
                text=f"peak {rate_text(plan.peak)}",
                colour=Colour.CHOSEN,
            ),
        ),
        legend_columns=3,
    )
