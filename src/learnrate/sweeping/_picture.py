"""The chart of a sweep: final loss against rate."""

from __future__ import annotations

import numpy as np

import learnrate._chart as charts
from learnrate._numbers import rate_text
from learnrate.sweeping._result import Sweep, final_losses, tried_rates

__all__: list[str] = []

_AXIS_MARGIN = 1.3  # factor by which the axis reaches beyond the lowest and the highest rate
_LOG_AXIS_RATIO = 20  # the axis is logarithmic if the highest loss is this many times the first


@charts.describe.register(Sweep)
def _sweep_chart(sweep: Sweep) -> charts.Chart:
    """Every final loss, their mean and range over seeds, and the best rate."""
    rates = tried_rates(sweep.trials)
    is_finished = np.isfinite(sweep.losses).all(axis=1)
    losses = sweep.losses[is_finished]
    best: list[charts.PanelMark] = []
    if sweep.best is not None:
        label = f"best {rate_text(sweep.best, 2)}"
        best.append(
            charts.VerticalLine(
                x=sweep.best, label=label, colour=charts.Colour.CHOSEN, strong=True, dash="solid"
            )
        )
    panel = charts.Panel(
        title=_title(sweep),
        x=charts.Axis(
            label="peak learning rate",
            low=float(rates[0]) / _AXIS_MARGIN,
            high=float(rates[-1]) * _AXIS_MARGIN,
            log=True,
        ),
        y=charts.Axis(
            label="final loss",
            log=bool(len(losses)) and _spans_decades(losses),
            unnumbered=not len(losses),
        ),
        marks=(
            *(_shorter(sweep, length) for length in sweep.lengths[:-1]),
            *(_finished(sweep, sweep.lrs[is_finished], losses) if len(losses) else ()),
            *_not_finished(sweep.lrs[~is_finished]),
            *best,
        ),
        legend_columns=3,
    )
    return charts.Chart(panels=(panel,))


def _title(sweep: Sweep) -> str:
    if sweep.best is None or sweep.low is None or sweep.high is None:
        return "Sweep: no trial finished"
    ends = f"{rate_text(sweep.low, 2)} to {rate_text(sweep.high, 2)}"
    return f"Sweep: best {rate_text(sweep.best, 2)}, 80 % interval {ends}"


def _spans_decades(losses: np.ndarray) -> bool:
    low, high = float(losses.min()), float(losses.max())
    return low > 0 and high > _LOG_AXIS_RATIO * max(float(losses[0].mean()), low)


def _finished(sweep: Sweep, rates: np.ndarray, losses: np.ndarray) -> list[charts.PanelMark]:
    marks: list[charts.PanelMark] = [
        charts.Band(
            x=rates,
            low=losses.min(axis=1),
            high=losses.max(axis=1),
            colour=charts.Colour.MEASURED,
            label="lowest to highest seed",
        ),
        charts.Polyline(
            x=rates,
            y=losses.mean(axis=1),
            colour=charts.Colour.MEASURED,
            marker_size=4,
            label=f"mean of {losses.shape[1]}",
        ),
    ]
    if sweep.low is not None and sweep.high is not None:
        marks.append(
            charts.VerticalSpan(low=sweep.low, high=sweep.high, colour=charts.Colour.CHOSEN)
        )
    return marks


def _shorter(sweep: Sweep, length: int) -> charts.Polyline:
    """The mean losses of a shorter rung of successive halving."""
    trials = sweep.at_length(length)
    losses = final_losses(trials)
    is_finished = np.isfinite(losses).all(axis=1)
    return charts.Polyline(
        x=tried_rates(trials)[is_finished],
        y=losses[is_finished].mean(axis=1),
        colour=charts.Colour.QUIET,
        width=1,
        opacity=0.4 + 0.5 * length / sweep.total_steps,
        marker_size=3,
        label=f"{length:,} updates",
    )


def _not_finished(rates: np.ndarray) -> list[charts.PanelMark]:
    """A cross for each rate at which a seed did not finish."""
    label = "a seed diverged or failed"
    return (
        [charts.Crosses(x=rates, colour=charts.Colour.DIVERGED, label=label, height=0.03)]
        if len(rates)
        else []
    )
