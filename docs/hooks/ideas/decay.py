"""Decay: the schedule of theory, its bound for several schedules, and real training under four."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ideas._bench import Setting, rates, sweep
from ideas._idea import Idea, draw_sweeps, figure_of, picture, written
from learnrate import schedules
from learnrate._axes_style import SERIES, legend_below, log_axis, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOTAL = 400
SHAPES = {
    "constant": "constant()",
    "cosine to a tenth": "warmup(5%) >> cosine(floor=0.1)",
    "constant, then linear (20 %)": "warmup(5%) >> constant() >> linear(20%)",
    "cosine": "warmup(5%) >> cosine()",
    "linear": "warmup(5%) >> linear()",
}
NORMS = {
    "constant": np.ones(TOTAL),
    "falling to a third": np.linspace(3, 1, TOTAL),
    "rising to three times": np.linspace(1, 3, TOTAL),
}


def measure() -> Idea:
    """The refined schedules, the bound over peaks, and sweeps."""
    swept = {
        name: sweep(Setting(shape=shape, batch=16, steps=400, seeds=4), rates(2**-7, 0.5, 2))
        for name, shape in SHAPES.items()
    }
    peaks = np.geomspace(0.01, 0.2, 41)
    tables = {
        name: schedules.schedule(shape).over(TOTAL).table() for name, shape in SHAPES.items()
    }
    bounds = {
        name: np.array([bound(peak * table) for peak in peaks]) for name, table in tables.items()
    }

    def refinement() -> Figure:
        norms, rates_ = picture(2)
        for (name, norm), colour in zip(NORMS.items(), SERIES, strict=False):
            norms.plot(norm, color=colour, label=name, linewidth=1.6)
            rates_.plot(refined(norm), color=colour, label=name, linewidth=1.6)
        style(norms, "Gradient norm", x="step", y="")
        style(rates_, "Best rate, over its peak", x="step", y="")
        legend_below(norms, columns=1)
        return figure_of(norms)

    def bounded() -> Figure:
        (axes,) = picture(height=3.6)
        for (name, heights), colour in zip(bounds.items(), SERIES, strict=False):
            axes.plot(peaks, heights, color=colour, label=name, linewidth=1.6)
            lowest_index = int(np.argmin(heights))
            axes.plot(peaks[lowest_index], heights[lowest_index], "o", color=colour, markersize=7)
        style(axes, "", x="peak rate", y="bound on the last loss")
        log_axis(axes.xaxis, 0.01, 0.2)
        axes.set_ylim(0.09, 0.17)
        legend_below(axes, columns=2)
        return figure_of(axes)

    def real() -> Figure:
        (axes,) = picture(height=3.8)
        draw_sweeps(axes, swept, ceiling=1.0)
        legend_below(axes, columns=2)
        return figure_of(axes)

    lowest = {name: curve.validation.min() for name, curve in swept.items()}
    shared = int(np.argmin(swept["constant"].validation))
    return Idea(
        {"decay-refined": refinement, "decay-bound": bounded, "decay-real": real},
        {
            "constant": f"{lowest['constant']:.3f}",
            "constant_at": written(swept["constant"].best),
            "linear": f"{lowest['linear']:.3f}",
            "linear_at": written(swept["linear"].best),
            "less": f"{100 * (1 - lowest['linear'] / lowest['constant']):.0f} %",
            "linear_shared": f"{swept['linear'].validation[shared]:.3f}",
            "bound_times": f"{peaks[bounds['linear'].argmin()] / peaks[bounds['constant'].argmin()]:.1f}",
            "bound_less": f"{100 * (1 - bounds['linear'].min() / bounds['constant'].min()):.0f} %",
        },
    )


def refined(norm: np.ndarray) -> np.ndarray:
    """The schedule that is best for gradients of these norms, with peak 1.

    rate_t ~ w_t * (sum of w_s over s > t) with w = 1 / norm^2 (Defazio et al. 2023).
    """
    weight = 1.0 / norm**2
    rate = weight * (np.cumsum(weight[::-1])[::-1] - weight)
    return np.asarray(rate / rate.max())


def bound(rate: np.ndarray, distance: float = 1.0, norm: float = 1.0) -> float:
    """How far above the optimum the last iterate can be on a convex problem, at most.

    distance^2 / (2 S_T) + norm^2 sum(rate^2) / (2 S_T)
      + 1/2 sum_k rate_k / tail_{k+1} * norm^2 sum_{s>=k} rate_s^2 / tail_k
    with S_T the sum of all rates and tail_k that from k on (Schaipp et al. 2025).
    """
    rate = rate[rate > 0]
    tail = np.cumsum(rate[::-1])[::-1]
    squares = np.cumsum((rate**2)[::-1])[::-1] * norm**2
    whole = (distance**2 + squares[0]) / (2 * tail[0])
    last = rate[:-1] / tail[1:] * squares[:-1] / tail[:-1]
    return float(whole + last.sum() / 2)
