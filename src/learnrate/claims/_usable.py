"""Claims that a technique allows higher rates: the highest rate that still learns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Unpack

import numpy as np

from learnrate.claims._claim import Claim, ClaimTextAndSeeds
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_of_others, best_rates, geometric_grid, highest_below

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

__all__ = ["usable_claim"]


def usable_claim(
    *,
    technique: str,
    short: str,
    low: float,
    pairs: Callable[[bool], Sequence[tuple[Task, Task]]],
    lowest: float,
    highest: float,
    **text: Unpack[ClaimTextAndSeeds],
) -> Claim:
    """A claim that the highest usable rate is higher with a technique than without.

    Args:
        technique: what allows higher rates, as the design names it.
        short: the same in one word, for the names of the figures.
        low: the claim says that the highest usable rate is at least so many times higher.
        pairs: the tasks of a quick or a full test, without the technique and with it, with the
            same name.
        lowest: lowest rate tried.
        highest: highest rate tried.
        text: statement, source and remark of the claim, and its numbers of seeds.
    """

    def measure(trials: ClaimTrials) -> ClaimMeasurement:
        rates = np.array(geometric_grid(lowest, highest, 3))
        return ClaimMeasurement.joined(
            _compared(trials, rates, *pair) for pair in pairs(trials.full)
        )

    return Claim(
        topic="extremes",
        design=f"""
            Each network trains with and without {technique} at constant rates, three a decade,
            with the same seeds at every rate. A rate at or above the best rate is usable if the
            validation loss ends below half the loss of random guessing, ln 10, at this rate and at all
            rates in between.
        """,
        figures=(
            factor("usable", f"highest usable rate, with {short} divided by without", low=low),
            factor("best rate", f"with {short} divided by without"),
            factor("best loss", f"with {short} divided by without, each at its best rate"),
        ),
        measure=measure,
        **text,
    )


def _compared(
    trials: ClaimTrials, rates: np.ndarray, without: Task, with_technique: Task
) -> ClaimMeasurement:
    """One network without the technique and with it."""
    plain, changed = (
        trials.sweep(task, rates, "constant()") for task in (without, with_technique)
    )
    half = np.full(len(trials.seeds), 0.5 * math.log(10))  # of the loss of a guess among ten
    usable = highest_below(rates, changed, half) / highest_below(rates, plain, half)
    return ClaimMeasurement.of(
        without.name,
        {
            "usable": usable,
            "best rate": best_rates(rates, changed) / best_rates(rates, plain),
            "best loss": best_of_others(changed) / best_of_others(plain),
        },
        ClaimLine.of_means(f"{without.name}, without", rates, plain),
        ClaimLine.of_means(f"{without.name}, with", rates, changed),
    )
