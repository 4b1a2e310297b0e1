"""The range test, and how its answer depends on its length."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

import learnrate
from ideas._bench import Setting, digits, rates, sweep
from ideas._idea import Idea, figure_of, picture, written
from learnrate._axes_style import QUIET, SERIES, legend_below, log_axis, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LENGTHS = (30, 100, 300, 1000)


def measure() -> Idea:
    """Range tests of four lengths of one task, and the best rate of a whole run of it."""
    torch.set_num_threads(1)
    tests = {
        length: learnrate.find(task(), low=1e-5, high=10.0, iters=length, progress=False)
        for length in LENGTHS
    }
    lowest = {length: test.lr[int(np.argmin(test.mean))] for length, test in tests.items()}
    steepest = {length: test.rules["steepest"] for length, test in tests.items()}
    best = sweep(Setting(), rates(2**-12, 8, 2)).best

    def drawn() -> Figure:
        (axes,) = picture(height=3.6)
        for (length, test), colour in zip(tests.items(), SERIES, strict=False):
            axes.plot(
                test.lr[: len(test.mean)],
                test.mean,
                color=colour,
                label=f"{length:,} updates",
                linewidth=1.6,
            )
            lowest = int(np.argmin(test.mean))
            axes.plot(test.lr[lowest], test.mean[lowest], "o", color=colour, markersize=7)
        axes.axvline(best, color=QUIET, linestyle="--", linewidth=1.2)
        style(axes, "", x="rate", y="smooth loss")
        log_axis(axes.xaxis, 1e-5, 10)
        axes.set_ylim(0, 3.2)
        legend_below(axes, columns=4)
        return figure_of(axes)

    named = {f"lowest{length}": written(rate) for length, rate in lowest.items()}
    named |= {f"steepest{length}": written(rate or np.nan) for length, rate in steepest.items()}
    named["times"] = f"{lowest[LENGTHS[0]] / lowest[LENGTHS[-1]]:.0f}"
    return Idea({"range-test": drawn}, {"best": written(best), **named})


def task() -> learnrate.Task:
    """The bench's network on digits, as a task of learnrate."""
    x, y, _, _ = digits()

    def batches(seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
        return [(x[rows], y[rows]) for rows in order.split(32) if len(rows) == 32]

    return learnrate.Task(
        model=lambda: torch.nn.Sequential(
            torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
        ),
        loss=torch.nn.CrossEntropyLoss(),
        data=batches,
        optimizer=partial(torch.optim.SGD, momentum=0.9),
    )
