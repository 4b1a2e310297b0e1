"""Cuts of the rate on plateaus against a planned decay."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from torch.optim.lr_scheduler import ReduceLROnPlateau

from learnrate.claims._claim import Claim
from learnrate.claims._decisions import against_planned_decay, loss_under_decisions
from learnrate.claims._measurement import AS_GOOD, ClaimMeasurement, Figure, factor
from learnrate.claims._measures import geometric_grid
from learnrate.claims._tasks import digits_cnn, digits_mlp, fashion_cnn
from learnrate.claims._trials import ClaimTrials, for_each_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from learnrate.claims._decisions import Decide
    from learnrate.task import Task

READINGS = 60
SHARES = (0.1, 0.1**0.5, 1.0)


def _decider(optimizer: torch.optim.Optimizer) -> Decide:
    """The scheduler of torch at its defaults; it reads the validation loss if there is one."""
    scheduler = ReduceLROnPlateau(optimizer)
    return lambda training_loss, validation_loss: scheduler.step(
        training_loss if validation_loss is None else validation_loss
    )


def _cut(task: Task, lr: float, seed: int) -> tuple[float, int]:
    """The final loss with cuts on plateaus, and the number of cuts."""
    final, final_share = loss_under_decisions(task, lr, seed, decisions=READINGS, decider=_decider)
    return final, round(-math.log10(final_share))


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """Cuts at the best of three peaks, compared with a linear decay at its best peak."""
    rates = geometric_grid(1e-4, 1.0, 2)
    return against_planned_decay(
        trials, task, _cut, rates=rates, shares=SHARES, labels=("decay", "cuts")
    )


def _tasks(full: bool) -> Sequence[Task]:
    """Networks on digits; in the full test longer, with convolutions and Fashion-MNIST too."""
    quick = [digits_mlp("SGD momentum"), digits_mlp("AdamW")]
    if full:
        quick = [replace(task, total_steps=1600) for task in quick]
        return [*quick, digits_cnn("AdamW", steps=800), fashion_cnn("AdamW")]
    return quick


CLAIM = Claim(
    topic="decay",
    statement=(
        "Cutting the rate whenever the validation loss stagnates does as well as a planned decay."
    ),
    source="""
        common advice; the documentation of ReduceLROnPlateau in torch and Keras (models benefit
        from a rate 2 to 10 times lower once learning stagnates)
    """,
    design="""
        torch's ReduceLROnPlateau with its defaults (factor 0.1, patience 10) reads the validation
        loss 60 times per run, at the best of three peaks. It is compared with a schedule of the
        same length, with 5 % warm-up and a linear decay to 0, at its own best peak. Peaks are
        chosen on the other seeds.
    """,
    figures=(
        factor("loss", "validation loss with cuts divided by that with the decay", high=AS_GOOD),
        Figure("cuts", "cuts made in a run at the best peak"),
    ),
    measure=for_each_task(_measure),
    seeds=(4, 6),
    tasks=_tasks,
    remark="""
        Cuts on a plateau do not need the length of the run, but a decay does; here the length is
        known. In a longer run, there are more readings, and a cut happens when they stagnate, not
        when it suits the rest of the run. The cuts use the validation loss, by which both are
        judged.
    """,
)
