"""Warm-up: how it raises the highest rate that still trains."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ideas._bench import Setting, rates, sweep
from ideas._idea import Idea, figure_of, picture, sweeps_figure, written
from learnrate._axes_style import SERIES, legend_below, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ideas._bench import Swept

SHAPES = {
    "no warm-up": "linear()",
    "warm-up of 5 %": "warmup(5%) >> linear()",
    "of 20 %": "warmup(20%) >> linear()",
}
GRID = rates(2**-9, 2**-2, 2)
BEARABLE = 0.4  # far from the loss at chance, 2.3, and from the lowest, 0.15


def measure() -> Idea:
    """Sweep Adam on a network of six hidden layers under three warm-ups."""
    swept = {
        name: sweep(
            Setting(shape=shape, optimizer="adam", depth=6, batch=64, steps=200),
            GRID,
        )
        for name, shape in SHAPES.items()
    }
    borne = [bearable(curve) for curve in swept.values()]
    index = int(np.argmin(abs(np.log(GRID / borne[0])))) + 1

    def courses() -> Figure:
        (axes,) = picture()
        for (name, curve), colour in zip(swept.items(), SERIES, strict=False):
            axes.plot(curve.loss[:, index], color=colour, label=name, linewidth=1.4)
        style(axes, "", x="step", y="training loss")
        axes.set_ylim(0, 6)
        legend_below(axes)
        return figure_of(axes)

    return Idea(
        {"warm-up-sweeps": partial(sweeps_figure, swept), "warm-up-courses": courses},
        {
            "bare": written(borne[0]),
            "warmed": written(borne[-1]),
            "times": f"{borne[-1] / borne[0]:.1f}",
            "at": written(GRID[index]),
        },
    )


def bearable(swept: Swept) -> float:
    """The rate above the best one at which the loss rises through BEARABLE."""
    best = int(np.argmin(swept.validation))
    above = best + int(np.argmax(swept.validation[best:] > BEARABLE))
    losses = np.log(swept.validation[above - 1 : above + 1])
    return float(
        np.exp(np.interp(np.log(BEARABLE), losses, np.log(swept.lr[above - 1 : above + 1])))
    )
