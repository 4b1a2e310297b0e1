"""A smaller rate with as many updates as it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._overfitting import few_examples, histories_at_shares
from learnrate.claims._trials import for_each_task

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_TIMES = 5  # lower, and longer


def _measured(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The lowest validation loss of the smaller rate over that of the best one."""
    at_best, at_smaller = histories_at_shares(trials, task, (1.0, 1 / _TIMES), _TIMES)
    pairs = list(zip(at_smaller, at_best, strict=True))
    values = {
        "lowest": [small.validation.min() / best.validation.min() for small, best in pairs],
        "at the end": [small.validation[-1] / best.validation[-1] for small, best in pairs],
    }
    lines = [
        ClaimLine.of(f"{task.name}, {label}", history.steps, history.validation)
        for label, history in (("best rate", at_best[0]), ("a fifth", at_smaller[0]))
    ]
    return ClaimMeasurement.of(task.name, values, *lines)


CLAIM = Claim(
    topic="overfitting",
    statement="A smaller learning rate generalises better, given enough time.",
    source="""
        common advice; against it Li, Wei and Ma 2019, arXiv:1907.04595, and Keskar et al. 2016,
        arXiv:1609.04836
    """,
    design="""
        There are few examples. The constant rate with the lowest validation loss in a run is
        compared with a fifth of this rate, both for five times as many updates and with the same
        batches. The lowest of 40 validation losses of each run decides, as if both runs had been
        stopped at the best time.
    """,
    figures=(
        factor("lowest", "lowest validation loss divided by that of the best rate", high=1.0),
        factor("at the end", "the same for the last validation loss"),
    ),
    measure=for_each_task(_measured, by_figure=("lowest", "at the end")),
    tasks=few_examples,
    seeds=(4, 5),
    axes=ClaimAxes("update, first seed", "validation loss", log="y"),
    remark="""
        Both runs are so long that they overfit at the end. At the end the smaller rate has
        overfitted less, because it has learned less: see lower-rate-against-overfitting.
    """,
)
