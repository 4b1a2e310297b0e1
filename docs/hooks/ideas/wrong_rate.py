"""The cost of a wrong rate: the stored exhaustive sweeps of the regret benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ideas._idea import Idea, figure_of, picture
from learnrate._axes_style import CHOSEN, DIVERGED, QUIET, legend_below, log_axis, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRUTH = Path(__file__).parents[3] / "benchmarks" / "regret" / "results" / "truth"
FACTORS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)


def measure() -> Idea:
    """The excess over each cell's lowest loss, at multiples of its best rate."""
    curves = [excess(json.loads(path.read_text())) for path in sorted(TRUTH.glob("*.json"))]
    grid = np.geomspace(1 / 16, 8, 57)
    table = np.array([np.interp(np.log(grid), x, y, left=np.nan, right=np.nan) for x, y in curves])
    middle, fifth = (quantile(table, share) for share in (0.5, 0.8))

    def drawn() -> Figure:
        (axes,) = picture(height=3.6)
        for row in table:
            axes.plot(grid, 1 + row, color=QUIET, linewidth=0.8, alpha=0.6)
        axes.plot(grid, 1 + middle, color=CHOSEN, linewidth=2.4, label="median")
        axes.plot(grid, 1 + fifth, color=DIVERGED, linewidth=2.4, label="exceeded by one in five")
        style(axes, "", x="rate, as a multiple of the best", y="loss, as a multiple of the lowest")
        log_axis(axes.xaxis, 1 / 16, 8)
        axes.set_xticks(FACTORS, ["1/16", "1/8", "1/4", "1/2", "1", "2", "4", "8"])
        axes.set_xlim(1 / 16, 8)
        axes.set_ylim(0.95, 2.5)
        legend_below(axes)
        return figure_of(axes)

    columns = {factor: int(np.argmin(abs(grid - factor))) for factor in FACTORS}
    rows = [
        f"| {_named(factor)} | {_percent(middle[column])} | {_percent(fifth[column])} "
        f"| {np.isfinite(table[:, column]).sum()} |"
        for factor, column in columns.items()
    ]
    return Idea({"wrong-rate": drawn}, {"cells": str(len(curves)), "rows": "\n".join(rows)})


def quantile(table: np.ndarray, share: float) -> np.ndarray:
    """The quantile of each column over the cells that have a finite value there."""
    return np.array([np.quantile(losses[np.isfinite(losses)], share) for losses in table.T])


def _named(factor: float) -> str:
    return f"1/{1 / factor:.0f}" if factor < 1 else f"{factor:.0f}"


def _percent(excess: float) -> str:
    return f"{100 * excess:.0f} %" if excess < 10 else "diverged"


def excess(cell: dict[str, list[dict[str, list[list[float]]]]]) -> tuple[np.ndarray, np.ndarray]:
    """ln(lr / best) of a cell's whole runs, and their excess over the lowest loss."""
    whole = cell["tables"][0]
    losses = np.array([[_finite(loss) for loss in row] for row in whole["loss"]]).mean(axis=1)
    best = int(np.argmin(losses))
    return np.log(np.array(whole["lr"]) / whole["lr"][best]), losses / losses[best] - 1


def _finite(loss: float | None) -> float:
    return 1e6 if loss is None or not np.isfinite(loss) else float(loss)
