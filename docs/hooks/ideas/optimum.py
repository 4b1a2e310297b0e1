"""Why there is a best rate: a lower rate is slow, and a higher one does not converge, or diverges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ideas._bench import Setting, rates, sweep
from ideas._idea import Idea, draw_sweeps, figure_of, picture, written
from learnrate._axes_style import CHOSEN, DIVERGED, MEASURED, legend_below, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRID = rates(2**-12, 8, 2)


def measure() -> Idea:
    """Sweep digits, and keep the losses at three rates."""
    swept = sweep(Setting(), GRID)
    best = int(np.argmin(swept.validation))
    low, high = best - 8, best + 5  # a sixteenth of the best rate, and nearly six times it
    shown = {
        f"too low, {written(swept.lr[low])}": (low, MEASURED),
        f"best, {written(swept.lr[best])}": (best, CHOSEN),
        f"too high, {written(swept.lr[high])}": (high, DIVERGED),
    }

    def courses() -> Figure:
        (axes,) = picture()
        for label, (index, colour) in shown.items():
            smooth = np.convolve(swept.loss[:, index], np.ones(10) / 10, mode="valid")
            axes.plot(smooth, color=colour, label=label, linewidth=1.6)
        style(axes, "", x="step", y="training loss")
        axes.set_ylim(0, 3)
        legend_below(axes)
        return figure_of(axes)

    def curve() -> Figure:
        (axes,) = picture()
        draw_sweeps(axes, {"digits": swept})
        for index, colour in shown.values():
            axes.plot(swept.lr[index], swept.validation[index], "o", color=colour, markersize=9)
        return figure_of(axes)

    lowest = swept.validation.min()
    return Idea(
        {"optimum-courses": courses, "optimum-curve": curve},
        {
            "best": written(swept.best),
            "lowest": f"{lowest:.2f}",
            "quarter": f"{swept.validation[best - 4]:.2f}",
            "fourfold": f"{swept.validation[best + 4]:.2f}",
        },
    )
