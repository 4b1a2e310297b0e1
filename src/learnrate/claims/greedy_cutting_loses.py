"""A cut of the rate early in a run against a decay at its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import rates_around, smooth_line
from learnrate.claims._measurement import ClaimMeasurement, factor
from learnrate.claims._measures import best_rate
from learnrate.claims._tasks import mlp_tasks
from learnrate.claims._trials import ClaimTrials, final_losses, for_each_task, seeds_from
from learnrate.schedules import Constant, shape

if TYPE_CHECKING:
    from learnrate.task import Task

_STAYS = "constant() >> linear(20%)"


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The loss of the cut run over that of the run that stays high: soon after, and at the end."""
    total_steps = task.run_length()
    cut_step, soon = max(1, total_steps // 8), max(2, total_steps // 6)
    rates = rates_around(trials, task, 0.3, 10.0)
    other_seeds = replace(trials, seeds=seeds_from(trials.seeds[0], 3))
    peak = best_rate(rates, other_seeds.sweep(task, rates, _STAYS))
    cut = peak * shape(f"constant({cut_step}) >> (0.1 * constant())")
    ends = [cut.over(total_steps), (peak * shape(_STAYS)).over(total_steps)]
    rows = trials.curves(task, [cut.over(soon), (peak * Constant()).over(soon), *ends])
    losses = final_losses(rows)
    width, shown = max(2, total_steps // 50), np.linspace(0, total_steps - 1, 50).astype(int)
    return ClaimMeasurement.of(
        task.name,
        {"soon": losses[0] / losses[1], "end": losses[2] / losses[3]},
        smooth_line(f"{task.name}, cut", rows[2], total_steps, width, shown),
        smooth_line(f"{task.name}, stays", rows[3], total_steps, width, shown),
    )


CLAIM = Claim(
    topic="horizon",
    statement="Cutting the rate where progress slows looks good at once and loses in the end.",
    source="Wu et al., Understanding short-horizon bias, 2018, arXiv:1803.02021",
    design="""
        A run at a constant rate is split into two branches after an eighth of its length. One
        branch continues at a tenth of the rate. The other keeps the rate and decays to 0 over the
        last fifth. The rate is the best one for the second branch, chosen on the other seeds. The
        validation losses are compared soon after the split, at a sixth of the run, and at the end.
    """,
    figures=(
        factor(
            "soon",
            "loss of the cut run divided by that of the other run, soon after the cut",
            high=1.0,
        ),
        factor("end", "the same at the end", low=1.0),
    ),
    measure=for_each_task(_measure),
    tasks=mlp_tasks("SGD", "Adam", batch=8, steps=1600, full_steps=3200),
    axes=ClaimAxes("update", "training loss", log="y"),
    remark="""
        Lowering the rate reduces the loss at any time, so a lower loss is no evidence that the cut
        came at the right time. The cut run may stay ahead of a run that never decays for a long
        time.
    """,
)
