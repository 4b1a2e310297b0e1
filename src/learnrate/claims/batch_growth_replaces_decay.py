"""A growing batch in place of a decaying rate."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, islice
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._data import noisy_digits
from learnrate.claims._measurement import AS_GOOD, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_of_others, best_rates, geometric_grid
from learnrate.claims._tasks import noisy_digits_mlp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from learnrate.claims._data import Examples, Pair
    from learnrate.claims._trials import ClaimTrials

_STEPS, _BATCH, _TIMES = 400, 32, 4
_GROWING = ((32, 200), (128, 25), (512, 6))  # the same examples as 400 updates of 32
_RATES = {"SGD momentum": geometric_grid(1e-2, 1.0, 3), "Adam": geometric_grid(1e-3, 0.1, 3)}
_CUTS = f"warmup(5%) >> multi_step(factor={1 / _TIMES}, boundaries=[45%, 70%])"


def _growing(examples: Examples) -> Callable[[int], Iterator[Pair]]:
    """The batches of a whole run: as many examples in each part as without growth."""

    def whole_run(seed: int) -> Iterator[Pair]:
        for size, updates in _GROWING:
            passes = (examples.batches(size)(seed + 1000 * index) for index in count())
            yield from islice((batch for one_pass in passes for batch in one_pass), updates)

    return whole_run


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The growing batch at a constant rate over the batch of 32 with cuts, each at its best peak."""
    parts = []
    for optimizer, rates in _RATES.items():
        task = noisy_digits_mlp(optimizer, steps=_STEPS)
        updates = sum(number for _, number in _GROWING)
        growing = replace(task, data=_growing(noisy_digits()), total_steps=updates)
        cut = trials.sweep(task, rates, _CUTS)
        grown = trials.sweep(growing, rates, f"warmup({_STEPS // 20}) >> constant()")
        neither = trials.sweep(task, rates, "warmup(5%) >> constant()")
        parts.append(
            ClaimMeasurement.of(
                task.name,
                {
                    "loss": best_of_others(grown) / best_of_others(cut),
                    "neither": best_of_others(neither) / best_of_others(cut),
                    "peak": best_rates(np.array(rates), grown) / best_rates(np.array(rates), cut),
                },
                ClaimLine.of_means(f"{task.name}, batch grows", rates, grown),
                ClaimLine.of_means(f"{task.name}, rate falls", rates, cut),
                ClaimLine.of_means(f"{task.name}, neither", rates, neither),
            )
        )
    return ClaimMeasurement.joined(parts, by_figure=("loss", "neither", "peak"))


CLAIM = Claim(
    topic="batch size",
    statement="Do not decay the learning rate, increase the batch size.",
    source="Smith, Kindermans, Ying and Le 2018, arXiv:1711.00489",
    design="""
        Networks with two hidden layers learn digits with new noise, 12,800 examples in total.
        Either the batch size stays at 32 and the rate is divided by 4 after about a half and three
        quarters of the run, or the rate stays and the batch size is multiplied by 4 instead, after
        the same numbers of examples. The growing batch needs 231 updates instead of 400. Peaks are
        chosen on the other seeds.
    """,
    figures=(
        factor(
            "loss",
            "loss with the growing batch divided by loss with cuts of the rate",
            high=AS_GOOD,
        ),
        factor("neither", "loss with neither divided by loss with cuts of the rate"),
        factor("peak", "best peak with the growing batch divided by best peak with cuts"),
    ),
    measure=_measure,
    seeds=(4, 10),
    axes=ClaimAxes("peak", "validation loss"),
    remark="""
        The rule is for SGD below the noise scale. Its purpose is to save time: with enough
        processors, an update takes equally long at any batch size, so a run with fewer updates is
        shorter.
    """,
)
