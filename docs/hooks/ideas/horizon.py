"""The horizon: how the best rate moves with the length, and why greedy tuning cuts too early."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ideas._bench import Setting, rates, sweep
from ideas._idea import Idea, figure_of, picture, sweeps_figure, written
from ideas.wrong_rate import TRUTH
from learnrate._axes_style import CHOSEN, DIVERGED, MEASURED, QUIET, legend_below, log_axis, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LENGTHS = (50, 100, 200, 400, 800)
GRID = rates(2**-7, 2, 2)
CUT, END = 150, 1500


def measure() -> Idea:
    """Sweeps of five lengths, the stored ones of the benchmark, and a noisy quadratic."""
    swept = {f"{n} updates": sweep(Setting(steps=n, batch=8), GRID) for n in LENGTHS}
    stored = [json.loads(path.read_text()) for path in sorted(TRUTH.glob("*.json"))]
    drifts = [drift(cell) for cell in stored if len(cell["tables"]) > 1]
    greedy = {name: quadratic(table) for name, table in courses().items()}
    bests = [curve.best for curve in swept.values()]

    def cells() -> Figure:
        (axes,) = picture(height=3.6)
        for small, colour in ((True, MEASURED), (False, CHOSEN)):
            label = "batch 32 or smaller" if small else "batch 64 or larger"
            for batch, shares, moved in drifts:
                if (batch <= 32) == small:
                    axes.plot(shares, moved, color=colour, linewidth=1.1, alpha=0.7, label=label)
                    label = ""
        axes.axhline(1.0, color=QUIET, linewidth=0.8)
        style(axes, "", x="length, as a share of the run", y="its best rate / the run's")
        log_axis(axes.xaxis, 1 / 35, 1)
        axes.set_xticks([1 / 32, 1 / 16, 1 / 8, 1 / 4, 1], ["1/32", "1/16", "1/8", "1/4", "1"])
        axes.set_yscale("log")
        log_axis(axes.yaxis, 0.1, 200)
        legend_below(axes)
        return figure_of(axes)

    def cuts() -> Figure:
        (axes,) = picture(height=3.6)
        for (name, loss), colour in zip(greedy.items(), (MEASURED, DIVERGED, CHOSEN), strict=True):
            axes.plot(loss, color=colour, label=name, linewidth=1.6)
        axes.axvline(CUT, color=QUIET, linestyle=":", linewidth=1.2)
        style(axes, "", x="step", y="expected loss")
        axes.set_ylim(0, 8)
        legend_below(axes)
        return figure_of(axes)

    small = [moved[2] for batch, _, moved in drifts if batch <= 32]  # at an eighth of the run
    soon, late = CUT + 40, END - 1
    cut, constant, planned = greedy.values()
    return Idea(
        {
            "horizon-lengths": partial(sweeps_figure, swept),
            "horizon-cells": cells,
            "horizon-greedy": cuts,
        },
        {
            "shortest": written(bests[0]),
            "longest": written(bests[-1]),
            "exponent": f"{np.polyfit(np.log(LENGTHS), np.log(bests), 1)[0]:.2f}",
            "higher": str(sum(factor > 1 for factor in small)),
            "lower": str(sum(factor < 1 for factor in small)),
            "small": str(len(small)),
            "problems": str(len(drifts)),
            "soon": f"{constant[soon] / cut[soon]:.1f}",
            "late": f"{cut[late] / planned[late]:.1f}",
        },
    )


def drift(cell: dict) -> tuple[float, list[float], list[float]]:
    """The batch of a benchmark cell, its lengths as shares of the run, and best rates relative to the run's."""
    parts = cell["cell"].split("-")
    sizes = [int(part[1:]) for part in parts if part[0] == "b" and part[1:].isdigit()]
    batch = sizes[0] if sizes else np.inf  # all examples at once
    bests = [table["lr"][int(np.argmin(_means(table["loss"])))] for table in cell["tables"]]
    total_steps = cell["tables"][0]["steps"]
    shares = [table["steps"] / total_steps for table in cell["tables"]]
    return batch, shares, [best / bests[0] for best in bests]


def _means(losses: list[list[float | None]]) -> list[float]:
    return [
        float(np.mean([np.inf if loss is None else loss for loss in row])) if row else np.inf
        for row in losses
    ]


def courses() -> dict[str, np.ndarray]:
    """Three schedules that are the same until step CUT."""
    high, low = 1.0, 0.1
    steps = np.arange(END)
    return {
        "cut now": np.where(steps < CUT, high, low),
        "never cut": np.full(END, high),
        "decay over what is left": np.where(steps < CUT, high, high * (END - steps) / (END - CUT)),
    }


def quadratic(lr: np.ndarray) -> np.ndarray:
    """The expected loss of SGD on 200 directions of curvature h = 1/i and gradient noise h.

    e <- (1 - lr h)^2 e + lr^2 h, exactly, for the mean square error e of each direction.
    """
    curvature = 1.0 / np.arange(1, 201)
    error = np.full(200, 8.0)
    losses = []
    for rate in lr:
        losses.append(float(curvature @ error) / 2)
        error = (1 - rate * curvature) ** 2 * error + rate**2 * curvature
    return np.array(losses)
