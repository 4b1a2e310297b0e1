"""The picture of a sweep: final loss against rate, on matplotlib axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import (
    CHOSEN,
    DIVERGED,
    MEASURED,
    QUIET,
    Mark,
    axes_or_new,
    legend_below,
    log_axis,
    mark_rates,
    rate_text,
    style,
)
from learnrate.sweeping._result import final_losses, tried_rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from learnrate.sweeping._result import Sweep

__all__ = ["draw"]


def draw(sweep: Sweep, axes: Axes | None = None) -> Axes:
    """Draw every final loss, their mean and range over seeds, and the best rate.

    Raises:
        MissingExtraError: `axes` is None and matplotlib is not installed.
    """
    axes = axes_or_new(axes)
    style(axes, _title(sweep), x="peak learning rate", y="final loss")
    rates = tried_rates(sweep.trials)
    lowest, highest = float(rates[0]), float(rates[-1])
    axes.set_xlim(lowest / 1.3, highest * 1.3)
    log_axis(axes.xaxis, lowest / 1.3, highest * 1.3)
    _losses(axes, sweep)
    _not_finished(axes, sweep)
    if sweep.best is not None:
        mark_rates(
            axes, [Mark(sweep.best, f"best {rate_text(sweep.best, 2)}", CHOSEN, strong=True)]
        )
    return axes


def _title(sweep: Sweep) -> str:
    if sweep.best is None or sweep.low is None or sweep.high is None:
        return "Sweep: no trial finished"
    ends = f"{rate_text(sweep.low, 2)} to {rate_text(sweep.high, 2)}"
    return f"Sweep: best {rate_text(sweep.best, 2)}, 80 % interval {ends}"


def _losses(axes: Axes, sweep: Sweep) -> None:
    for length in sweep.lengths[:-1]:
        _shorter(axes, sweep, length)
    whole = np.isfinite(sweep.losses).all(axis=1)
    if not whole.any():
        return
    rates, losses = sweep.lrs[whole], sweep.losses[whole]
    axes.fill_between(
        rates,
        losses.min(axis=1),
        losses.max(axis=1),
        color=MEASURED,
        alpha=0.2,
        linewidth=0,
        label="lowest to highest seed",
    )
    label = f"mean of {losses.shape[1]}"
    axes.plot(rates, losses.mean(axis=1), "o-", color=MEASURED, markersize=4, label=label)
    if sweep.low is not None and sweep.high is not None:
        axes.axvspan(sweep.low, sweep.high, color=CHOSEN, alpha=0.08, linewidth=0)
    low, high = float(losses.min()), float(losses.max())
    first = float(losses[0].mean())
    if low > 0 and high > 20 * max(first, low):
        axes.set_yscale("log")
    legend_below(axes)


def _shorter(axes: Axes, sweep: Sweep, length: int) -> None:
    """The mean losses of a shorter rung of successive halving."""
    trials = sweep.at_length(length)
    rates = tried_rates(trials)
    losses = final_losses(trials)
    whole = np.isfinite(losses).all(axis=1)
    axes.plot(
        rates[whole],
        losses[whole].mean(axis=1),
        "o-",
        color=QUIET,
        markersize=3,
        linewidth=1,
        alpha=0.4 + 0.5 * length / sweep.total_steps,
        label=f"{length:,} updates",
    )


def _not_finished(axes: Axes, sweep: Sweep) -> None:
    """A cross at the top for each rate at which a seed did not finish."""
    broken = sweep.lrs[~np.isfinite(sweep.losses).all(axis=1)]
    if not len(broken):
        return
    axes.plot(
        broken,
        np.full(len(broken), 0.03),
        "x",
        color=DIVERGED,
        transform=axes.get_xaxis_transform(),
        label="a seed diverged or failed",
    )
    legend_below(axes)
