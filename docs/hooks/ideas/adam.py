"""Adam's normalisation: the scale of the loss changes the best rate of SGD but not that of Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ideas._bench import Setting, rates, sweep
from ideas._idea import Idea, draw_sweeps, figure_of, legend_of_all, picture, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALES = (0.01, 1.0, 100.0)
GRIDS = {"sgd": rates(2**-13, 2**8, 1), "adam": rates(2**-13, 2**-1, 1)}


def measure() -> Idea:
    """Sweep both optimizers under the loss, a hundredth of it, and a hundred times it."""
    swept = {
        optimizer: {
            f"loss times {scale:g}": sweep(
                Setting(optimizer=optimizer, scale=scale, steps=200), grid
            )
            for scale in SCALES
        }
        for optimizer, grid in GRIDS.items()
    }

    def drawn() -> Figure:
        left, right = picture(2, height=3.8)
        draw_sweeps(left, swept["sgd"], title="SGD with momentum")
        draw_sweeps(right, swept["adam"], title="Adam")
        right.set_ylabel("")
        legend_of_all(figure_of(left), (left, right), columns=3)
        return figure_of(left)

    return Idea(
        {"adam": drawn},
        {
            f"{optimizer}{number}": written(curve.best)
            for optimizer, by_setting in swept.items()
            for number, curve in enumerate(by_setting.values())
        },
    )
