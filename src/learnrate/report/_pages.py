"""The pages of plans, range tests and schedules: the answer first, then the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import learnrate._chart as charts
from learnrate._numbers import rate_text
from learnrate._statistics import neighbour_noise
from learnrate.planning import plan_panels
from learnrate.report._html import TRAIN_COMMAND, filled_in, whole_page
from learnrate.report._plotly import line_style, plotly_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from markupsafe import Markup

    from learnrate.forecasting import LossLaw, PredictedLoss
    from learnrate.planning import Plan
    from learnrate.report._plotly import PlotlyFigure

__all__ = [
    "plan_body",
    "plan_figures",
    "plan_page",
    "range_test_body",
    "range_test_figure",
    "schedules_page",
]

_NOISE = 8.0  # standard deviations of a loss that a picture shows at least
_DASH_SIGNS = {"solid": "━", "dash": "╍", "dot": "┅"}

# The key of a figure: colour, sign and meaning of each mark.
_CURVE_KEY = (("measured", "━", "training loss, smooth"),)
_TRIED_KEY = (("tried", "\N{NO-BREAK SPACE}", "the rates tried next"),)
_DIVERGED_AT_KEY = (("diverged", "┊", "diverged"),)
_RUNG_KEY = (
    ("measured", "●", "a trial"),
    ("measured", "━", "fit"),
    ("best", "┃", "best rate"),
    ("span", "\N{NO-BREAK SPACE}", "its 80 % interval"),
)
_DIVERGED_KEY = (("diverged", "×", "diverged"),)  # noqa: RUF001 - the cross that is drawn
_EXTRAPOLATION_KEY = (
    ("best", "◆", "best rate of a rung"),
    ("span", "\N{NO-BREAK SPACE}", "80 % interval"),
    ("chosen", "★", "chosen peak for the whole run"),
)


def plan_page(plan: Plan, *, command: str = TRAIN_COMMAND) -> str:
    """The report of a plan as one HTML file: it loads nothing, so it can be kept and sent.

    Args:
        plan: what to show.
        command: the shell command that trains with it.
    """
    return whole_page(
        title=f"{plan.task}: peak {rate_text(plan.peak)} (learnrate plan)",
        body=plan_body(plan, command=command),
        figures=plan_figures(plan),
    )


def plan_body(plan: Plan, *, command: str = TRAIN_COMMAND) -> Markup:
    """The report of a plan as HTML without the frame of a page, to put into another page.

    Args:
        plan: what to show.
        command: the shell command that trains with it.
    """
    diverged = any(trial.loss is None for rung in plan.rungs for trial in rung.trials)
    keys = {
        "range-test": _CURVE_KEY + _TRIED_KEY + _diverged_at_key(plan.range_test),
        "rungs": _RUNG_KEY + (_DIVERGED_KEY if diverged else ()),
        "extrapolation": _EXTRAPOLATION_KEY,
    }
    return filled_in("plan.html", plan=plan, command=command, snippet=_snippet(plan), keys=keys)


def plan_figures(plan: Plan) -> dict[str, PlotlyFigure]:
    """Every figure of a plan's page, by the id of its place."""
    tried = [trial.lr for rung in plan.rungs for trial in rung.trials]
    panels = {"range-test": _rising_rate_panel(plan.range_test, tried), **plan_panels(plan)}
    return {name: plotly_figure(panel) for name, panel in panels.items()}


def range_test_body(name: str, curve: dict[str, Any]) -> Markup:
    """A range test as HTML; the id of its figure is `range-test`.

    Args:
        name: the name of the file or the task.
        curve: what `RangeTest.to_dict` gives.
    """
    key = _CURVE_KEY + _diverged_at_key(curve)
    return filled_in("range_test.html", name=name, curve=curve, key=key)


def range_test_figure(curve: dict[str, Any]) -> PlotlyFigure:
    """The figure of a range test, from what `RangeTest.to_dict` gives."""
    return plotly_figure(_rising_rate_panel(curve))


def schedules_page(
    labelled: Sequence[tuple[str, np.ndarray]],
    law: LossLaw | None = None,
    predictions: Sequence[PredictedLoss] = (),
) -> str:
    """Schedules in one figure, with a table of their rates, as one HTML file that loads nothing.

    Args:
        labelled: a label, usually the schedule's text, and the rate of every step; at least one.
        law: what predicted their losses, if they were predicted.
        predictions: the loss of each schedule.
    """
    schedules = []
    for number, (label, rates) in enumerate(labelled):
        colour, dash = line_style(number)
        schedules.append(
            {"label": label, "rates": rates, "colour": colour, "sign": _DASH_SIGNS[dash]}
        )
    figures = {"schedules": plotly_figure(charts.schedules_panel(labelled))}
    if law is not None:
        (panel,) = charts.describe(law, predictions).panels
        figures["losses"] = plotly_figure(panel)
    return whole_page(
        title="Schedules (learnrate show)",
        body=filled_in("schedules.html", schedules=schedules, law=law, predictions=predictions),
        figures=figures,
    )


def _diverged_at_key(curve: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    return () if curve["diverged_at"] is None else _DIVERGED_AT_KEY


def _snippet(plan: Plan) -> str:
    return (
        "import learnrate\n"
        f'run = learnrate.attach(optimizer, "{plan.schedule}")  # before the loop\n'
        "run.step(loss)  # after each optimizer.step()"
    )


def _rising_rate_panel(curve: dict[str, Any], tried: Sequence[float] = ()) -> charts.Panel:
    """The loss under a rising rate, and the rates at which trials continued from there.

    Args:
        curve: what `RangeTest.to_dict` gives.
        tried: the rates of the trials, if there were any.
    """
    lr, loss = curve["lr"], curve["loss"]
    fall = max(loss[0] - min(loss), _NOISE * neighbour_noise(loss)) or abs(loss[0]) or 1.0
    marks: list[charts.PanelMark] = [
        charts.Polyline(x=lr, y=loss, colour=charts.Colour.MEASURED, width=2.0)
    ]
    rates = [lr[-1], *tried]
    if tried:
        ends = min(tried), max(tried)
        marks.append(
            charts.VerticalSpan(
                low=ends[0], high=ends[1], colour=charts.Colour.MEASURED, label="tried next"
            )
        )
    if curve["diverged_at"] is not None:
        marks.append(charts.VerticalLine(x=curve["diverged_at"], colour=charts.Colour.DIVERGED))
        rates.append(curve["diverged_at"])
    return charts.Panel(
        x=charts.Axis(label="learning rate", low=lr[0], high=max(rates), log=True, most_ticks=5),
        y=charts.Axis(
            label="training loss",
            low=min(loss) - 0.08 * fall,
            high=loss[0] + 0.45 * fall,  # the explosion after the fall is cut off
            number_format=".4g",
        ),
        marks=tuple(marks),
    )
