"""One file for each idea of docs/why: it computes the numbers of the page and draws its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ideas import (
    adam,
    batch_size,
    decay,
    edge,
    horizon,
    momentum,
    optimum,
    range_test,
    warm_up,
    weight_decay,
    wrong_rate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ideas._idea import Idea

IDEAS: dict[str, Callable[[], Idea]] = {
    "optimum": optimum.measure,
    "wrong-rate": wrong_rate.measure,
    "range-test": range_test.measure,
    "horizon": horizon.measure,
    "warm-up": warm_up.measure,
    "decay": decay.measure,
    "batch-size": batch_size.measure,
    "momentum": momentum.measure,
    "adam": adam.measure,
    "weight-decay": weight_decay.measure,
    "edge-of-stability": edge.measure,
}
