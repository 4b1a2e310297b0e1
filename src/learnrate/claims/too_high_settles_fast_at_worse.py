"""Training at a rate that is too high but does not diverge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import rates_around, smooth_line
from learnrate.claims._measurement import ClaimMeasurement, factor
from learnrate.claims._measures import best_rows_of_others
from learnrate.claims._tasks import mlp_tasks
from learnrate.claims._trials import ClaimTrials, final_losses, for_each_task
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.task import Task


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The rate that is best early, compared with the rate that is best at the end."""
    total_steps = task.run_length()
    rates = rates_around(trials, task, 0.05, 4.0)
    constant = [rate * Constant() for rate in rates]
    early = trials.losses(task, [shape.over(max(1, total_steps // 10)) for shape in constant])
    rows = trials.curves(task, [shape.over(total_steps) for shape in constant])
    end = final_losses(rows)
    seeds = np.arange(len(trials.seeds))
    high, good = best_rows_of_others(early), best_rows_of_others(end)
    width, shown = (
        max(2, total_steps // 20),
        np.unique(np.geomspace(1, total_steps, 60).astype(int)),
    )
    return ClaimMeasurement.of(
        task.name,
        {
            "early": early[high, seeds] / early[good, seeds],
            "end": end[high, seeds] / end[good, seeds],
            "rate": np.array(rates)[high] / np.array(rates)[good],
        },
        *(
            smooth_line(
                f"{task.name}, {rate_text(rates[row])}", rows[row], total_steps, width, shown - 1
            )
            for row in dict.fromkeys((int(high[0]), int(good[0])))
        ),
    )


def _tasks(full: bool) -> Sequence[Task]:
    optimizers = ("SGD", "SGD momentum", "Adam") if full else ("SGD momentum", "Adam")
    return mlp_tasks(*optimizers, batch=8, steps=1000, full_steps=1500)(full)


CLAIM = Claim(
    topic="extremes",
    statement="A rate that is too high learns fast at first and settles at something worse.",
    source="Stanford CS231n, course notes, Neural networks 3: low, good and high rates",
    design="""
        Each network trains at constant rates, three a decade, with small batches. The rate with
        the lowest validation loss after a tenth of the run is compared with the rate that has the
        lowest loss at the end. Both are chosen on the other seeds.
    """,
    figures=(
        factor(
            "early",
            "loss at the higher rate divided by that at the better one, after a tenth",
            high=1.0,
        ),
        factor(
            "end", "loss at the higher rate divided by that at the better one, at the end", low=1.0
        ),
        factor("rate", "best rate after a tenth divided by best rate at the end"),
    ),
    measure=for_each_task(_measure),
    tasks=_tasks,
    seeds=(8, 10),
    axes=ClaimAxes("update", "training loss", log="xy"),
    remark="""
        The same rate may have the lowest loss early and at the end. The claim is about two
        different rates, whose losses must differ at both times. A decay combines both advantages:
        it starts at the high rate and ends at a low one.
    """,
)
