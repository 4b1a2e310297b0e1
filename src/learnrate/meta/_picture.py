"""The map of a sweep: test loss over both rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import CHOSEN, QUIET, axes_or_new, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from learnrate.meta._sweep import MetaSweep

__all__ = ["draw_map"]


def draw_map(sweep: MetaSweep, axes: Axes | None = None) -> Axes:
    """Draw the mean loss as colours, the optimum as a cross whose arms are its intervals.

    Raises:
        MissingExtraError: `axes` is None and matplotlib is not installed.
    """
    axes = axes_or_new(axes)
    mean = np.where(np.isfinite(sweep.mean), sweep.mean, np.nan)
    style(axes, _title(sweep), x="inner_lr (meta-training)", y="adapt_lr (test time)")
    axes.grid(visible=False)
    axes.set_facecolor("#D9D9D9")
    if np.isfinite(mean).any():
        shown = axes.pcolormesh(
            _edges(sweep.inner_lrs),
            _edges(sweep.adapt_lrs),
            mean.T,
            cmap="viridis",
            vmin=float(np.nanmin(mean)),
            vmax=float(min(np.nanmax(mean), _ceiling(mean))),
        )
        figure = axes.get_figure(root=True)
        assert figure is not None  # noqa: S101 - axes that are drawn on belong to one
        figure.colorbar(shown, ax=axes, label="mean test loss", extend="max")
    axes.axvline(0.0, color=QUIET, linewidth=0.8, linestyle="--")
    if sweep.best is not None:
        inner, adapt = sweep.best.inner_lr, sweep.best.adapt_lr
        arms = [[inner.best - inner.low], [inner.high - inner.best]]
        rises = [[adapt.best - adapt.low], [adapt.high - adapt.best]]
        for width, colour in ((4.0, "white"), (2.0, CHOSEN)):
            axes.errorbar(
                [inner.best], [adapt.best], xerr=arms, yerr=rises,
                fmt="o", color=colour, markersize=width + 2, linewidth=width,
            )  # fmt: skip
    axes.set_xlim(_edges(sweep.inner_lrs)[[0, -1]].tolist())
    axes.set_ylim(_edges(sweep.adapt_lrs)[[0, -1]].tolist())
    return axes


def _title(sweep: MetaSweep) -> str:
    if sweep.best is None:
        return "No trial finished"
    inner, adapt = sweep.best.inner_lr, sweep.best.adapt_lr
    return (
        f"Best inner_lr {inner.best:.2g} ({inner.low:.2g} to {inner.high:.2g}), "
        f"adapt_lr {adapt.best:.2g} ({adapt.low:.2g} to {adapt.high:.2g})"
    )


def _ceiling(mean: np.ndarray) -> float:
    """The loss that colours end at, so that a few diverging corners do not take them all."""
    low, middle = float(np.nanmin(mean)), float(np.nanmedian(mean))
    return low + 3 * (middle - low) if middle > low else float(np.nanmax(mean))


def _edges(rates: np.ndarray) -> np.ndarray:
    if len(rates) == 1:
        return np.array([rates[0] - 0.5, rates[0] + 0.5])
    middles = (rates[1:] + rates[:-1]) / 2
    return np.concatenate([[2 * rates[0] - middles[0]], middles, [2 * rates[-1] - middles[-1]]])
