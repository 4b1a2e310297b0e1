"""The best rate of the rest of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import best_constant, rates_around
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_rates, geometric_grid
from learnrate.claims._tasks import narrow_mlp_tasks
from learnrate.claims._trials import ClaimTrials, for_each_task
from learnrate.schedules import shape

if TYPE_CHECKING:
    from learnrate.task import Task

_FACTORS = geometric_grid(1 / 32, 32.0, 2)
_BRANCHES = {"after an eighth": 8, "after a half": 2}


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The best rate of the rest of a run over the rate so far."""
    total_steps = task.run_length()
    soon = max(2, total_steps // 8)
    lr = best_constant(trials, task, rates_around(trials, task, 0.1, 10.0), soon)
    parts = []
    for name, divisor in _BRANCHES.items():
        cut = total_steps // divisor
        losses = trials.losses(
            task,
            [
                (lr * shape(f"constant({cut}) >> ({times!r} * constant())")).over(total_steps)
                for times in _FACTORS
            ],
        )
        where = f"{task.name}, {name}"
        best = best_rates(np.array(_FACTORS), losses)
        line = ClaimLine.of_means(where, _FACTORS, losses)
        parts.append(ClaimMeasurement.of(where, {"factor": best}, line))
    return ClaimMeasurement.joined(parts)


CLAIM = Claim(
    topic="horizon",
    statement="As learning slows down, a fixed rate becomes too small.",
    source="an interpretation of the flattening loss curve; methods that raise the rate on slow progress",
    design="""
        Each network trains at the constant rate with the lowest training loss after an eighth of
        the run. After an eighth and after half of the run, copies continue at 1/32 to 32 times that
        rate, two factors a decade. Their validation losses at the end are compared.
    """,
    figures=(
        factor("factor", "best rate for the rest of the run divided by the rate so far", low=1.0),
    ),
    measure=for_each_task(_measure),
    tasks=narrow_mlp_tasks(60, 60, batch=16),
    seeds=(4, 8),
    axes=ClaimAxes("factor after the branch", "validation loss"),
    remark="""
        The loss flattens for two reasons. If the remaining directions are flat, a higher rate
        helps. If gradient noise keeps the loss high, a lower rate helps. Which reason is stronger
        depends on the batch size and on the remaining time.
    """,
)
