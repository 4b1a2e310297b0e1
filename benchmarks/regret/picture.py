"""The picture of the table: every row's excess, a line of dots a method, light and dark."""

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

# Ink, dots of the cells that methods were made with, dots of those kept apart, medians.
COLOURS = {
    "light": ("#1B1F24", "#0072B2", "#D55E00", "#1B1F24"),
    "dark": ("#E8EAED", "#56B4E9", "#FF9A4D", "#E8EAED"),
}
_LOWEST, _DIVERGED = (
    0.001,
    300.0,
)  # excesses below are drawn there; what diverged has its own place


def draw(judged: Sequence[Score], folder: Path) -> None:
    """Write `regret-light.svg` and `regret-dark.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (ink, seen, apart, middle) in COLOURS.items():
        with mpl.rc_context():
            mpl.rc("svg", hashsalt="learnrate")
            mpl.rc("text", color=ink)
            mpl.rc("axes", edgecolor=ink, labelcolor=ink)
            mpl.rc("xtick", color=ink)
            mpl.rc("ytick", color=ink)
            figure = plt.figure(figsize=(9, 8), layout="constrained")
            _draw(figure.add_subplot(), judged, seen, apart, middle)
            path = folder / f"regret-{name}.svg"
            figure.savefig(path, transparent=True, metadata={"Date": None})
            plt.close(figure)


def _draw(axes: Axes, judged: Sequence[Score], seen: str, apart: str, middle: str) -> None:
    order = [one for one in reversed(summaries(judged)) if one.refused < one.rows]
    draws = np.random.default_rng(0)
    for height, one in enumerate(order):
        own = [
            score for score in judged if score.method == one.method and score.excess is not None
        ]
        for held_out, colour in ((False, seen), (True, apart)):
            places = [_place(score.excess) for score in own if score.cell.held_out == held_out]
            spread = height + draws.uniform(-0.28, 0.28, len(places))
            label = ("other cells", "cells kept apart")[held_out] if height == 0 else None
            axes.scatter(places, spread, s=9, color=colour, alpha=0.6, linewidths=0, label=label)
        label = "median" if height == 0 else None
        axes.scatter([_place(one.median)], [height], s=170, marker="|", color=middle, label=label)
    axes.set_yticks(range(len(order)), [one.method for one in order])
    axes.set_xscale("log")
    ticks = {0.001: "0.1 % or less", 0.01: "1 %", 0.1: "10 %", 1: "100 %", 10: "1000 %"}
    axes.set_xticks([*ticks, _DIVERGED], [*ticks.values(), "diverged"])
    axes.minorticks_off()
    axes.axvline(_DIVERGED / 3, color=middle, linewidth=0.6, alpha=0.5)
    axes.set_xlabel("validation loss above that of the best rate")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="x", alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.06), ncols=3, frameon=False)


def _place(excess: float | None) -> float:
    """Where an excess is drawn."""
    if excess is None or math.isinf(excess):
        return _DIVERGED
    return float(np.clip(excess, _LOWEST, _DIVERGED / 4))
