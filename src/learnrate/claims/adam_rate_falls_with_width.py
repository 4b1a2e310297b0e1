"""The best rate against the width of the layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._data import noisy_digits
from learnrate.claims._measurement import EXPONENT, ClaimLine, ClaimMeasurement, Figure, factor
from learnrate.claims._measures import best_rates, geometric_grid, geometric_mean
from learnrate.claims._tasks import mlp, task_on

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_RATES = np.array(geometric_grid(3e-4, 0.09, 2))
_WIDTHS = (16, 128)


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The exponent d ln best rate / d ln width."""
    examples = noisy_digits()
    best = []
    for width in _WIDTHS:
        network = partial(mlp, 64, width, layers=3)
        task = task_on(examples, network, "Adam", batch=32, steps=100, label=f"width {width}")
        best.append(best_rates(_RATES, trials.sweep(task, _RATES)))
    exponents = np.polyfit(np.log(_WIDTHS), np.log(best), 1)[0]
    return ClaimMeasurement.of(
        f"{examples.name}, width {_WIDTHS[0]} to {_WIDTHS[-1]}",
        {"exponent": exponents, "ratio": best[0] / best[-1]},
        ClaimLine.of(examples.name, _WIDTHS, geometric_mean(np.array(best), axis=1)),
    )


CLAIM = Claim(
    topic="defaults",
    statement="The best learning rate of Adam is inversely proportional to the width.",
    source="Yang et al., Tensor programs V, 2022, arXiv:2203.03466: the rate of hidden layers",
    design="""
        Networks with three hidden layers of width 16 and 128, with torch's initial weights, learn
        digits with new noise. They train with Adam for 100 updates at rates two a decade, with 5 %
        warm-up and a linear decay to 0. The exponent is the slope of the logarithm of the best rate
        against the logarithm of the width. Inversely proportional means -1.25 to -0.75.
    """,
    figures=(
        Figure(
            "exponent", "d ln best rate / d ln width", low=-1.0 - EXPONENT, high=-1.0 + EXPONENT
        ),
        factor("ratio", "best rate of the narrow network divided by that of the wide one"),
    ),
    measure=_measure,
    seeds=(4, 8),
    axes=ClaimAxes("width", "best rate", log="xy"),
    remark="""
        The law belongs to muP, in which the first and the last layer follow other laws. With one
        rate for all layers, these two layers weaken the effect, more in narrow networks than in
        wide ones.
    """,
)
