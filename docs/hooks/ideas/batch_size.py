"""Batch size: how the best rate grows with it, and the noise scale where that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ideas._bench import Setting, digits, rates, sweep
from ideas._idea import Idea, draw_sweeps, figure_of, picture, written
from learnrate._axes_style import CHOSEN, MEASURED, QUIET, legend_below, log_axis, style
from learnrate.probing import noise_scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCHES = (2, 4, 8, 16, 32, 64, 128, 256)


def measure() -> Idea:
    """Sweeps at eight batch sizes, the law fitted to them, and the noise scale measured."""
    swept = {
        batch: sweep(
            Setting(batch=batch, momentum=0.0, steps=200, seeds=4 if batch < 64 else 2),
            rates(2**-5, 4, 2),
        )
        for batch in BATCHES
    }
    bests = np.array([curve.best for curve in swept.values()])
    sizes = np.array(BATCHES, dtype=float)
    most, noise = fitted(sizes, bests)
    measured = noise_scales((0, 50, 150))

    def sweeps() -> Figure:
        (axes,) = picture(height=3.6)
        draw_sweeps(axes, {f"batch {batch}": swept[batch] for batch in (2, 8, 32, 256)})
        legend_below(axes, columns=4)
        return figure_of(axes)

    def law() -> Figure:
        (axes,) = picture(height=3.6)
        line = np.geomspace(2, 256, 60)
        axes.plot(sizes, bests, "o", color=MEASURED, markersize=7, label="best rate, measured")
        axes.plot(
            line, most / (1 + noise / line), color=CHOSEN, label="most / (1 + noise / B), fitted"
        )
        axes.plot(line, bests[0] * line / 2, color=QUIET, linestyle=":", label="in proportion")
        style(axes, "", x="batch size B", y="best rate")
        log_axis(axes.xaxis, 2, 256)
        axes.set_xticks(BATCHES, [str(size) for size in BATCHES])
        log_axis(axes.yaxis, 0.1, 2)
        axes.set_ylim(0.8 * bests.min(), 1.6 * bests.max())
        legend_below(axes)
        return figure_of(axes)

    return Idea(
        {"batch-size-sweeps": sweeps, "batch-size-law": law},
        {
            "smallest": written(bests[0]),
            "largest": written(bests[-1]),
            "noise": f"{noise:.0f}",
            "most": written(most),
            "start": f"{measured[0]:.0f}",
            "middle": f"{measured[1]:.0f}",
            "late": f"{measured[2]:.0f}",
        },
    )


def fitted(batch: np.ndarray, best: np.ndarray) -> tuple[float, float]:
    """Most and noise of best = most / (1 + noise / batch), by least squares in the logarithm."""
    noises = np.geomspace(0.1, 1000, 400)
    shapes = -np.log1p(noises[:, None] / batch)
    heights = (np.log(best) - shapes).mean(axis=1, keepdims=True)
    errors = ((np.log(best) - shapes - heights) ** 2).sum(axis=1)
    nearest = int(np.argmin(errors))
    return float(np.exp(heights[nearest, 0])), float(noises[nearest])


def noise_scales(steps: tuple[int, ...]) -> list[float]:
    """The simple noise scale of the same network after each number of updates at rate 0.5, batch 32."""
    x, y, _, _ = digits()
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scales = []
    for step in range(max(steps) + 1):
        if step in steps:
            batches = list(zip(x.split(26), y.split(26), strict=True))
            scales.append(noise_scale(model, _loss, batches).noise)
        rows = torch.randint(len(x), (32,))
        optimizer.zero_grad()
        _loss(model, (x[rows], y[rows])).backward()
        optimizer.step()
    return scales


def _loss(model: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])
