"""Claims that compare variants of a training, each at its own best rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np

from learnrate.claims._claim import Claim, ClaimTextAndSeeds
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement
from learnrate.claims._measures import best_of_others, best_rates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._measurement import Figure
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

__all__ = ["LOSS", "RATE", "VariantPair", "variants_claim"]

LOSS, RATE = "loss", "best rate"
"""The names of the two figures."""

_SHAPE = "warmup(5%) >> linear()"


@dataclass(frozen=True)
class VariantPair:
    """A training and a variant of it.

    Attributes:
        where: what is compared, in reports.
        task: the training.
        variant: the same training with the change that the claim is about.
        rates: the rates at which both are tried.
    """

    where: str
    task: Task
    variant: Task
    rates: Sequence[float]


def variants_claim(
    *,
    topic: str,
    design: str,
    figures: tuple[Figure, ...],
    pairs: Callable[[bool], Sequence[VariantPair]],
    shape: str = _SHAPE,
    **text: Unpack[ClaimTextAndSeeds],
) -> Claim:
    """A claim about the best loss or the best rate of a variant over those without it.

    Args:
        topic: one of the topics of claims.
        design: what is compared.
        figures: named `LOSS` and `RATE`.
        pairs: those of a quick or a full test. A training that several pairs share is trained once.
        shape: the shape of every schedule.
        text: statement, source and remark of the claim, and its numbers of seeds.
    """

    def measure(trials: ClaimTrials) -> ClaimMeasurement:
        swept: dict[int, np.ndarray] = {}

        def losses_of(task: Task, rates: Sequence[float]) -> np.ndarray:
            if id(task) not in swept:
                swept[id(task)] = trials.sweep(task, rates, shape)
            return swept[id(task)]

        parts = []
        for pair in pairs(trials.full):
            rates = np.array(pair.rates)
            plain, changed = (losses_of(task, pair.rates) for task in (pair.task, pair.variant))
            values = {
                LOSS: best_of_others(changed) / best_of_others(plain),
                RATE: best_rates(rates, changed) / best_rates(rates, plain),
            }
            lines = [
                ClaimLine.of_means(f"{pair.where}, {kind}", rates, losses)
                for kind, losses in (("without", plain), ("with", changed))
            ]
            parts.append(ClaimMeasurement.of(pair.where, values, *lines))
        return ClaimMeasurement.joined(parts, by_figure=[figure.name for figure in figures])

    return Claim(
        topic=topic,
        design=f"{design} Both train at several rates, {_IN_WORDS[shape]}, and are compared at their own best rates.",
        figures=figures,
        measure=measure,
        **text,
    )


_IN_WORDS = {_SHAPE: "with 5 % warm-up and a linear decay to 0", "constant()": "held constant"}
