"""The edge of stability: the sharpness of full-batch training climbs to 2 / rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ideas._idea import Idea, figure_of, picture
from learnrate._axes_style import QUIET, SERIES, legend_below, style
from learnrate.probing import sharpness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = (0.4, 0.2, 0.1)
STEPS, EVERY = 1500, 50


def measure() -> Idea:
    """Train at three rates, and measure the sharpness along the way."""
    torch.set_num_threads(1)
    courses = {lr: course(lr) for lr in RATES}

    def drawn() -> Figure:
        (axes,) = picture(height=3.6)
        for (lr, sharpnesses), colour in zip(courses.items(), SERIES, strict=False):
            axes.plot(
                range(0, STEPS + 1, EVERY),
                sharpnesses,
                color=colour,
                label=f"rate {lr:g}",
                linewidth=1.6,
            )
            axes.axhline(2 / lr, color=colour, linestyle=":", linewidth=1.2)
        axes.plot([], [], color=QUIET, linestyle=":", label="2 / rate")
        style(axes, "", x="step", y="sharpness")
        axes.set_ylim(bottom=0)
        legend_below(axes, columns=4)
        return figure_of(axes)

    return Idea(
        {"edge": drawn},
        {
            f"{name}{number}": f"{lr * sharpnesses[where]:.2f}"
            for number, (lr, sharpnesses) in enumerate(courses.items())
            for name, where in (("start", 0), ("end", -1))
        },
    )


def course(lr: float) -> list[float]:
    """The sharpness of a network 10-32-32-1, every EVERY updates of gradient descent."""
    torch.manual_seed(0)
    x = torch.randn(100, 10)
    batch = (x, torch.sin(x[:, :1]) + 0.3 * x[:, 1:2] * x[:, 2:3])
    model = torch.nn.Sequential(
        torch.nn.Linear(10, 32),
        torch.nn.Tanh(),
        torch.nn.Linear(32, 32),
        torch.nn.Tanh(),
        torch.nn.Linear(32, 1),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    sharpnesses = []
    measured = None
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            measured = sharpness(model, _loss, batch, start=measured)
            sharpnesses.append(measured.eigenvalue)
        optimizer.zero_grad()
        _loss(model, batch).backward()
        optimizer.step()
    return sharpnesses


def _loss(model: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return torch.nn.functional.mse_loss(model(batch[0]), batch[1])
