"""Momentum: curves of the loss against the rate fall together over the effective rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ideas._bench import Setting, rates, sweep
from ideas._idea import Idea, draw_sweeps, figure_of, legend_of_all, picture, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BETAS = (0.0, 0.5, 0.9, 0.97)


def measure() -> Idea:
    """Sweep SGD under four momenta."""
    swept = {
        f"momentum {beta:g}": sweep(Setting(momentum=beta), rates(2**-10, 4, 2)) for beta in BETAS
    }
    effective = [1 / (1 - beta) for beta in BETAS]

    def drawn() -> Figure:
        by_rate, by_effect = picture(2, height=3.8)
        draw_sweeps(by_rate, swept, title="By its number")
        draw_sweeps(
            by_effect, swept, title="By what it does", x="rate / (1 - momentum)", scaled=effective
        )
        by_effect.set_ylabel("")
        legend_of_all(figure_of(by_rate), (by_rate, by_effect), columns=4)
        return figure_of(by_rate)

    return Idea(
        {"momentum": drawn},
        {
            f"{kind}{number}": written(factor * curve.best)
            for number, (curve, share) in enumerate(zip(swept.values(), effective, strict=True))
            for kind, factor in (("best", 1.0), ("effective", share))
        },
    )
