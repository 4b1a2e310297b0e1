"""The picture of the table: the excess of every row, one line of dots for each method."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

mpl.use("svg")

from matplotlib import pyplot as plt

from .scores import summaries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from .scores import Score

__all__ = ["draw"]

# Text, dots of domains that a method was fitted to, dots of domains left out, medians.
COLOURS = {
    "light": ("#1B1F24", "#0072B2", "#D55E00", "#1B1F24"),
    "dark": ("#E8EAED", "#56B4E9", "#FF9A4D", "#E8EAED"),
}
_LOWEST = 0.001  # smaller excesses are drawn here
_DIVERGED = 300.0  # runs that diverged are drawn here


def draw(scores: Sequence[Score], folder: Path) -> None:
    """Write `regret-light.svg` and `regret-dark.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (ink, *colours) in COLOURS.items():
        with mpl.rc_context():
            mpl.rc("svg", hashsalt="learnrate")
            mpl.rc("text", color=ink)
            mpl.rc("axes", edgecolor=ink, labelcolor=ink)
            mpl.rc("xtick", color=ink)
            mpl.rc("ytick", color=ink)
            figure = plt.figure(figsize=(9, 8), layout="constrained")
            _draw(figure.add_subplot(), scores, *colours)
            path = folder / f"regret-{name}.svg"
            figure.savefig(path, transparent=True, metadata={"Date": None})
            plt.close(figure)


def _draw(axes: Axes, scores: Sequence[Score], other: str, left_out: str, median: str) -> None:
    order = [summary for summary in reversed(summaries(scores)) if summary.refused < summary.rows]
    draws = np.random.default_rng(0)
    for height, summary in enumerate(order):
        answered = [
            score
            for score in scores
            if score.method == summary.method and score.excess is not None
        ]
        for apart, colour in ((False, other), (True, left_out)):
            x = [_position(score.excess) for score in answered if score.left_out == apart]
            y = height + draws.uniform(-0.28, 0.28, len(x))
            label = (
                ("domains it was fitted to", "domains left out")[apart] if height == 0 else None
            )
            axes.scatter(x, y, s=9, color=colour, alpha=0.6, linewidths=0, label=label)
        label = "median" if height == 0 else None
        x = [_position(summary.median)]
        axes.scatter(x, [height], s=170, marker="|", color=median, label=label)
    axes.set_yticks(range(len(order)), [summary.method for summary in order])
    axes.set_xscale("log")
    ticks = {0.001: "0.1 % or less", 0.01: "1 %", 0.1: "10 %", 1: "100 %", 10: "1000 %"}
    axes.set_xticks([*ticks, _DIVERGED], [*ticks.values(), "diverged"])
    axes.minorticks_off()
    axes.axvline(_DIVERGED / 3, color=median, linewidth=0.6, alpha=0.5)
    axes.set_xlabel("validation loss above that of the best rate")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="x", alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.06), ncols=3, frameon=False)


def _position(excess: float | None) -> float:
    """The position of an excess on the axis."""
    if excess is None or math.isinf(excess):
        return _DIVERGED
    return float(np.clip(excess, _LOWEST, _DIVERGED / 4))
