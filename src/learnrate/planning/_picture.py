"""The picture of a plan, on matplotlib axes: its rungs, the extrapolation, the schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from learnrate._axes import (
    BEST,
    CHOSEN,
    DIVERGED,
    MEASURED,
    draw_schedules,
    legend_below,
    log_axis,
    new_figure,
    rate_text,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from learnrate.planning._result import Plan, Rung

__all__ = ["draw"]

_BLUES = ("#7FB8DA", MEASURED, "#00395A")  # short to long horizon: lightness carries the order
_SYMBOLS = ("o", "s", "^")


def draw(plan: Plan, axes: Sequence[Axes] | None = None) -> Figure:
    """Draw the rungs, the extrapolation and the schedule, on three axes given or new ones.

    Raises:
        MissingExtraError: `axes` is None and matplotlib is not installed.
    """
    rungs, extrapolation, schedule = _new_axes() if axes is None else axes
    draw_rungs(plan, rungs)
    draw_extrapolation(plan, extrapolation)
    draw_schedules([(str(plan.schedule), plan.schedule.table())], schedule)
    figure = rungs.get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes always lie in a figure
    return figure


def _new_axes() -> tuple[Axes, Axes, Axes]:
    figure = new_figure(11.0, 8.0)
    panels = figure.subplot_mosaic(
        [["rungs", "extrapolation"], ["schedule", "schedule"]], height_ratios=[3, 2]
    )
    return panels["rungs"], panels["extrapolation"], panels["schedule"]


def draw_rungs(plan: Plan, axes: Axes) -> None:
    """Final loss against rate: the trials of each rung, their fit, and the best rate."""
    losses = [t.loss for rung in plan.rungs for t in rung.trials if t.loss is not None]
    drawn = [lr for rung in plan.rungs for lr in rung.fit_lr]
    drawn += [trial.lr for rung in plan.rungs for trial in rung.trials]
    style(axes, "Rungs: short trials, each annealed", x="peak learning rate", y="final loss")
    low, high = min(losses), max(losses)
    if low > 0:
        room = 0.15 * math.log(high / low) + 0.05
        low, high = low * math.exp(-room), high * math.exp(2 * room)
        log_axis(axes.yaxis, low, high)
    else:
        room = 0.15 * (high - low) or 1.0
        low, high = low - room, high + 2 * room
    log_axis(axes.xaxis, min(drawn), max(drawn))
    axes.set_ylim(low, high)
    axes.set_xlim(min(drawn), max(drawn))
    for index, rung in enumerate(plan.rungs):
        place = min(index, len(_BLUES) - 1) if len(plan.rungs) > 1 else 1
        label = "best rate, 80 % interval" if rung is plan.rungs[-1] else None
        _draw_rung(axes, rung, _BLUES[place], _SYMBOLS[place], label)
    _draw_diverged(axes, plan)
    legend_below(axes, columns=2)


def _draw_rung(axes: Axes, rung: Rung, colour: str, symbol: str, label: str | None) -> None:
    finished = [(trial.lr, trial.loss) for trial in rung.trials if trial.loss is not None]
    axes.plot(rung.fit_lr, rung.fit_loss, color=colour, linewidth=1.4)
    axes.plot(
        [lr for lr, _ in finished],
        [loss for _, loss in finished],
        symbol,
        color=colour,
        markersize=6,
        label=f"{rung.steps:,} updates",
    )
    height = _fit_at_best(rung)
    axes.errorbar(
        [rung.best],
        [height],
        xerr=[[rung.best - rung.low], [rung.high - rung.best]],
        color=BEST,
        marker="D",
        markersize=6,
        capsize=4,
        linewidth=1.6,
        zorder=4,
        label=label,
    )


def _draw_diverged(axes: Axes, plan: Plan) -> None:
    rates = [trial.lr for rung in plan.rungs for trial in rung.trials if trial.loss is None]
    if rates:
        axes.plot(
            rates,
            [0.96] * len(rates),
            "x",
            transform=axes.get_xaxis_transform(),
            color=DIVERGED,
            markersize=8,
            markeredgewidth=2,
            label="diverged",
        )


def _fit_at_best(rung: Rung) -> float:
    nearest = min(range(len(rung.fit_lr)), key=lambda i: abs(math.log(rung.fit_lr[i] / rung.best)))
    return rung.fit_loss[nearest]


def draw_extrapolation(plan: Plan, axes: Axes) -> None:
    """Best rate against horizon, with its interval, from the rungs to the whole run."""
    steps = [rung.steps for rung in plan.rungs] + [plan.total_steps]
    lows = [rung.low for rung in plan.rungs] + [plan.low]
    highs = [rung.high for rung in plan.rungs] + [plan.high]
    middles = [rung.best for rung in plan.rungs] + [math.sqrt(plan.low * plan.high)]
    style(axes, "Extrapolation to the whole run", x="updates", y="best peak learning rate")
    log_axis(axes.xaxis, min(steps) / 1.3, plan.total_steps * 1.6)
    log_axis(axes.yaxis, min(lows) / 1.3, max(highs) * 1.3)
    axes.fill_between(
        steps, lows, highs, color=BEST, alpha=0.15, linewidth=0, label="80 % interval"
    )
    axes.plot(steps, middles, "--", color=BEST, linewidth=1.2)
    axes.plot(steps[:-1], middles[:-1], "D", color=BEST, markersize=6, label="best rate of a rung")
    axes.plot(
        [plan.total_steps], [plan.peak], "*", color=CHOSEN, markersize=15, label="chosen peak"
    )
    axes.annotate(
        rate_text(plan.peak),
        (plan.total_steps, plan.peak),
        xytext=(-10, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        color=CHOSEN,
        fontweight="bold",
    )
    axes.set_xlim(min(steps) / 1.3, plan.total_steps * 1.6)
    axes.set_ylim(min(lows) / 1.3, max(highs) * 1.3)
    legend_below(axes)
