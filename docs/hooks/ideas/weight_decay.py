"""Weight decay: decoupled or as a penalty under Adam, and how it moves the best rate."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ideas._bench import Setting, rates, sweep
from ideas._idea import Idea, figure_of, picture, sweeps_figure, written
from learnrate._axes_style import CHOSEN, MEASURED, QUIET, legend_below, log_axis, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LR, DECAY, STEPS = 1e-3, 1.0, 700
DECAYS = (0.1, 0.5, 2.0)


def measure() -> Idea:
    """Weights that only noise pushes, under both kinds; and sweeps of AdamW."""
    sizes = np.geomspace(0.1, 100, 25)
    left = {penalty: remaining(sizes, penalty=penalty) for penalty in (False, True)}
    swept = {
        f"decay {decay:g}": sweep(
            Setting(optimizer="adam", decay=decay), rates(2**-11, 2**-2, 1.5)
        )
        for decay in DECAYS
    }

    def kinds() -> Figure:
        (axes,) = picture()
        axes.plot(
            sizes, left[False], "o-", color=MEASURED, label="AdamW: decay apart from the gradient"
        )
        axes.plot(sizes, left[True], "o-", color=CHOSEN, label="Adam: penalty in the gradient")
        axes.axhline(
            np.exp(-LR * DECAY * STEPS), color=QUIET, linestyle=":", label="exp(-lr wd steps)"
        )
        style(axes, "", x="size of the weight's gradients", y="share of the weight left")
        log_axis(axes.xaxis, 0.1, 100)
        axes.set_ylim(0, 1.1)
        legend_below(axes, columns=2)
        return figure_of(axes)

    return Idea(
        {"weight-decay-kinds": kinds, "weight-decay-sweeps": partial(sweeps_figure, swept)},
        {
            "decoupled": f"{100 * left[False].mean():.0f} %",
            "small": f"{100 * left[True][0]:.0f} %",
            "large": f"{100 * left[True][-1]:.0f} %",
            **{
                f"best{number}": written(curve.best) for number, curve in enumerate(swept.values())
            },
        },
    )


def remaining(sizes: np.ndarray, *, penalty: bool) -> np.ndarray:
    """What is left of weights of 1 whose gradients are noise of these sizes, under Adam.

    The mean over 400 weights of each size.
    """
    draws = np.random.default_rng(0)
    weight = np.ones((400, len(sizes)))
    mean, square = np.zeros_like(weight), np.zeros_like(weight)
    for step in range(1, STEPS + 1):
        gradient = sizes * draws.standard_normal(weight.shape)
        if penalty:
            gradient += DECAY * weight
        else:
            weight *= 1 - LR * DECAY
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient**2 - square)
        size = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        weight -= LR * mean / (1 - 0.9**step) / size
    return np.asarray(weight.mean(axis=0))
