"""Averaged weights at a constant rate, against a decay, each at its best rate."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate._errors import needing
from learnrate.claims._claim import Claim
from learnrate.claims._measurement import AS_GOOD, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_of_others, best_rates, geometric_grid
from learnrate.claims._tasks import (
    digits_mlp,
    noisy_digits_mlp,
    without_optimizer,
)
from learnrate.claims._trials import for_each_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_RATES = geometric_grid(3e-4, 0.3, 2)


def _schedule_free(model: nn.Module) -> torch.optim.Optimizer:
    """AdamW without a schedule, from the package of its authors."""
    with needing("schedulefree", "tuning-free", "This claim"):
        package = import_module("schedulefree")
    optimizer: torch.optim.Optimizer = package.AdamWScheduleFree(model.parameters())
    return optimizer


def _measured(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The loss of schedule-free AdamW over that of AdamW under each schedule."""
    scheduled = replace(task, optimizer=torch.optim.AdamW)
    losses = {
        "schedule-free": trials.sweep(
            replace(task, optimizer=_schedule_free), _RATES, "warmup(5%) >> constant()"
        ),
        "linear": trials.sweep(scheduled, _RATES, "warmup(5%) >> linear()"),
        "constant": trials.sweep(scheduled, _RATES, "warmup(5%) >> constant()"),
    }
    best = {name: best_of_others(rows) for name, rows in losses.items()}
    free, linear = (
        best_rates(np.array(_RATES), losses[name]) for name in ("schedule-free", "linear")
    )
    return ClaimMeasurement.of(
        task.name,
        {
            "loss": best["schedule-free"] / best["linear"],
            "over constant": best["schedule-free"] / best["constant"],
            "best rate": free / linear,
        },
        *(
            ClaimLine.of_means(f"{task.name}, {name}", _RATES, rows)
            for name, rows in losses.items()
        ),
    )


def _tasks(_full: bool) -> Sequence[Task]:
    return [without_optimizer(make(steps=300)) for make in (noisy_digits_mlp, digits_mlp)]


CLAIM = Claim(
    topic="tuning-free",
    statement="Schedule-free training matches a tuned schedule, without one.",
    source="Defazio et al. 2024, The road less scheduled, arXiv:2405.15682",
    design="""
        Schedule-free AdamW, with 5 % warm-up and a constant rate and judged in its evaluation mode,
        is compared with AdamW under 5 % warm-up and a linear decay to 0, and under a constant rate.
        Each trains at seven rates from 3e-4 to 0.3, and its rate is chosen on the other seeds.
    """,
    figures=(
        factor(
            "loss",
            "loss of schedule-free divided by loss of linear decay, both at their best rates",
            high=AS_GOOD,
        ),
        factor("over constant", "loss of schedule-free divided by loss at a constant rate"),
        factor("best rate", "schedule-free's best rate over that of linear decay"),
    ),
    measure=for_each_task(_measured, by_figure=("loss", "over constant", "best rate")),
    seeds=(4, 6),
    tasks=_tasks,
    remark="""
        Both need a tuned rate. The advantage is that the length need not be known: a schedule-free
        run can stop at any time. tuning-free-matches-tuned-adamw tests schedule-free at its default
        rate.
    """,
)
