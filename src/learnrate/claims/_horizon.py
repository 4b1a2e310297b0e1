"""Claims about the length of a run: the best rate at several lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes, ClaimTextAndSeeds
from learnrate.claims._constant import rates_around
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, Figure, factor
from learnrate.claims._measures import best_rates, geometric_mean
from learnrate.claims._tasks import mlp_tasks
from learnrate.claims._trials import ClaimTrials, for_each_task

if TYPE_CHECKING:
    from learnrate.task import Task

__all__ = ["HORIZON_SOURCE", "horizon_claim"]

HORIZON_SOURCE = (
    "Bjorck et al., Scaling optimal LR across token horizons, 2025, arXiv:2409.19913; "
    "against it Li et al., Step Law, 2025, arXiv:2503.04715"
)

_SHARES = (16, 4, 1)


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The best rate of a short run over that of a long one, and the slope over the lengths."""
    rates = rates_around(trials, task, 0.1, 30.0)
    lengths = [max(2, task.run_length() // share) for share in _SHARES]
    best = np.array(
        [
            best_rates(np.array(rates), trials.sweep(task, rates, total_steps=length))
            for length in lengths
        ]
    )
    slopes = np.polyfit(np.log(lengths), np.log(best), 1)[0]
    return ClaimMeasurement.of(
        task.name,
        {"ratio": best[0] / best[-1], "slope": slopes},
        ClaimLine.of(task.name, lengths, geometric_mean(best, axis=1)),
    )


def horizon_claim(*, batch: int, steps: int, **text: Unpack[ClaimTextAndSeeds]) -> Claim:
    """A claim that short runs have higher best rates than long ones.

    Args:
        batch: examples in a batch.
        steps: updates of a whole run; the full test has twice as many.
        text: statement, source and remark of the claim, and its numbers of seeds.
    """
    return Claim(
        topic="horizon",
        design=f"""
            Each network trains with batches of {batch} over the whole run, a quarter of it and a
            sixteenth of it, at rates three a decade. Each length has a complete schedule of 5 % warm-up
            and a linear decay to 0. The best rate has the lowest final loss.
        """,
        figures=(
            factor(
                "ratio",
                "best rate of a sixteenth of the run divided by that of the whole run",
                low=1.0,
            ),
            Figure("slope", "d ln best rate / d ln length"),
        ),
        measure=for_each_task(_measure),
        tasks=mlp_tasks(
            "SGD momentum", "Adam", width=32, batch=batch, steps=steps, full_steps=2 * steps
        ),
        axes=ClaimAxes("updates", "best rate", log="xy"),
        **text,
    )
