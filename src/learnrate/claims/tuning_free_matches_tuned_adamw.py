"""Optimizers that need no learning rate, against one whose rate is tuned."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate._errors import MissingExtraError
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import final_loss
from learnrate.claims._measurement import AS_GOOD, Case, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_of_others, geometric_grid
from learnrate.claims._tasks import digits_cnn, digits_mlp, fashion_cnn, without_optimizer
from learnrate.comparing import TUNING_FREE
from learnrate.schedules import schedule
from learnrate.trials import DivergenceTest, Training, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

# The shape that the authors recommend; constant if they recommend none.
SHAPES = {
    "Prodigy": "cosine()",
    "D-Adaptation": "warmup(5%) >> linear()",
    "DoG": "constant()",
    "schedule-free": "constant()",
}
RATES = geometric_grid(1e-4, 0.1, 3)


def _final(task: Task, name: str, seed: int) -> float:
    """The validation loss after a whole run; the first training loss if it diverges."""
    total_steps, tuning_free = task.run_length(), TUNING_FREE[name]
    changed = replace(
        task,
        optimizer=lambda model: tuning_free.make(model, sgd=False, total_steps=total_steps),
    )
    with preserved(changed):
        training = Training(changed, seed)
        default = tuning_free.lr[tuning_free.adam]
        losses: list[float] = []
        test = DivergenceTest()
        for factor in schedule(SHAPES[name]).over(total_steps).table().tolist():
            losses.append(training.update(default * factor))
            if test.diverged(losses[-1]):
                return losses[0]
        return final_loss(training, losses)


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The loss of each optimizer at its defaults, divided by that of tuned AdamW."""
    for tuning_free in map(TUNING_FREE.__getitem__, SHAPES):
        if tuning_free.installed_version is None:
            raise MissingExtraError(tuning_free.package, "tuning-free", "This claim")
    cases, lines = [], []
    for task in trials.tasks:
        losses = trials.sweep(replace(task, optimizer=torch.optim.AdamW), RATES)
        tuned = best_of_others(losses)
        lines.append(ClaimLine.of_means(f"{task.name}, AdamW", RATES, losses))
        rows = trials.for_each_seed(partial(_final, task), list(SHAPES))
        for name, row in zip(SHAPES, rows, strict=True):
            cases.append(Case("loss", f"{task.name}: {name}", (np.array(row) / tuned).tolist()))
            if task is trials.tasks[0]:
                ends = [RATES[0], RATES[-1]]
                lines.append(ClaimLine.of(f"{task.name}, {name}", ends, [np.mean(row)] * 2))
    return ClaimMeasurement(cases, lines)


def _tasks(full: bool) -> Sequence[Task]:
    """The tasks that are trained with every optimizer."""
    tasks = [digits_mlp(steps=600)]
    if full:
        tasks = [digits_mlp(steps=1600), digits_cnn(steps=800), fashion_cnn(steps=800)]
    return [without_optimizer(task) for task in tasks]


CLAIM = Claim(
    topic="tuning-free",
    statement="Optimizers without a learning rate match a tuned AdamW at their defaults.",
    source="""
        D-Adaptation arXiv:2301.07733, DoG arXiv:2302.12022, Prodigy arXiv:2306.06101,
        Schedule-Free arXiv:2405.15682; against it arXiv:2505.24005 on the AlgoPerf benchmark
    """,
    design="""
        Each optimizer trains as its authors recommend: Prodigy at lr 1 with a cosine, DAdaptAdam
        at lr 1 with 5 % warm-up and linear to 0, DoG at a constant rate and judged by its
        averaged weights, schedule-free AdamW with 5 % warm-up and judged in its evaluation mode.
        They are compared with AdamW, 5 % warm-up and linear to 0, at the rate that is best for
        the other seeds. Initial weights, batches and steps are the same.
    """,
    figures=(
        factor(
            "loss", "validation loss at the defaults divided by that of tuned AdamW", high=AS_GOOD
        ),
    ),
    measure=_measure,
    seeds=(6, 8),
    tasks=_tasks,
    quick_decides=False,
    remark="""
        Tuning AdamW took a sweep of ten runs; the other optimizers needed none. They find their
        scale during the run, so short runs are hard for them. Schedule-free has a rate, 2.5e-3 by
        default, and its authors advise tuning it.
    """,
    axes=ClaimAxes(log="xy"),
)
