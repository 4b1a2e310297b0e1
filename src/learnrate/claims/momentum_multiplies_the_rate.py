"""Momentum as a factor of the rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.claims._measurement import ABOUT, factor
from learnrate.claims._measures import geometric_grid
from learnrate.claims._tasks import digits_mlp, noisy_digits_mlp
from learnrate.claims._variants import LOSS, RATE, VariantPair, variants_claim

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMES = 10.0  # 1 / (1 - 0.9)


def _pairs(full: bool) -> Sequence[VariantPair]:
    """SGD with momentum and without it; the full test has two data sets."""
    makers = {"noisy digits": noisy_digits_mlp}
    if full:
        makers["digits"] = digits_mlp
    pairs = []
    for name, make in makers.items():
        with_momentum, without = (
            make(optimizer, width=32, batch=32, steps=100) for optimizer in ("SGD momentum", "SGD")
        )
        pairs.append(VariantPair(name, with_momentum, without, geometric_grid(1e-2, 10, 2)))
    return pairs


CLAIM = variants_claim(
    topic="defaults",
    statement="Momentum 0.9 acts like a rate that is ten times higher.",
    source="Smith, Kindermans, Ying and Le 2018, arXiv:1711.00489: lr / (1 - momentum)",
    design="Two hidden layers learn by SGD without momentum and with momentum 0.9, for 100 updates at rates two a decade.",
    figures=(
        factor(
            RATE,
            "best rate without momentum over that with momentum 0.9",
            low=_TIMES / ABOUT,
            high=_TIMES * ABOUT,
        ),
        factor(LOSS, "lowest loss without momentum over that with it"),
    ),
    pairs=_pairs,
    seeds=(4, 8),
    quick_decides=False,
    remark="""
        The rule holds for small rates. Near the stability limit, momentum 0.9 allows a rate that is
        only (2 + 2 * 0.9) / 2 = 1.9 times higher. By the rule, the limit would be ten times lower.
    """,
)
