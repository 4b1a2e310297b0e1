"""The effect of a warm-up on the highest peak."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims import _data as data
from learnrate.claims._claim import Claim
from learnrate.claims._measurement import factor
from learnrate.claims._measures import highest_below
from learnrate.claims._peaks import PEAK_AXES, PeakSweep, measure_peaks
from learnrate.claims._tasks import mlp, row_transformer, task_on
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_WITH, _WITHOUT = "warm-up", "none"
_SHAPES = {_WITH: "warmup(10%) >> linear()", _WITHOUT: "linear()"}


def _compare(trials: ClaimTrials, task: Task, sweep: PeakSweep) -> dict[str, np.ndarray]:
    """The highest and the best peak with a warm-up, divided by those without."""
    (start,) = trials.losses(task, [(0.0 * Constant()).over(1)])
    lowest = np.min([losses.mean(axis=1).min() for losses in sweep.losses.values()])
    highest, reference = (
        highest_below(sweep.rates, sweep.losses[name], 0.5 * (start + lowest))
        for name in (_WITH, _WITHOUT)
    )
    return {
        "highest peak": highest / reference,
        "best peak": sweep.peak_over(_WITH, _WITHOUT),
        "loss ratio": sweep.over(_WITH, _WITHOUT),
    }


def _tasks(full: bool) -> Sequence[Task]:
    """Deep networks in large batches, and transformers."""
    digits, optimizers = data.digits(), ("SGD momentum", "Adam")
    deep = partial(mlp, 64, 32, layers=5)
    tasks = [
        task_on(digits, deep, optimizer, batch=256, steps=150, label="deep MLP")
        for optimizer in optimizers
    ]
    rows = partial(row_transformer, 8)
    tasks.append(task_on(digits, rows, "Adam", batch=64, steps=150, label="transformer"))
    if full:
        rows = partial(row_transformer, 28, 32)
        tasks += [
            task_on(data.fashion(), rows, optimizer, batch=128, steps=300, label="transformer")
            for optimizer in optimizers
        ]
    return tasks


CLAIM = Claim(
    topic="warm-up and cycles",
    statement="Warm-up lets a network train at a larger peak rate.",
    source="""
        Kalra and Barkeshli 2024, Why warmup the learning rate? Underlying mechanisms and
        improvements, arXiv:2406.09405
    """,
    design="""
        A network with five hidden layers in batches of 256 and a transformer over rows of pixels
        train with a linear decay to zero, with a warm-up over 10 % of the run and without, at peaks
        a factor of two apart. A run counts as trained if its loss falls by at least half as much as
        the loss of the best run. The highest peak of a trained run is compared with and without
        warm-up.
    """,
    figures=(
        factor(
            "highest peak",
            "highest peak that still trains, with warm-up divided by without",
            low=1.0,
        ),
        factor("best peak", "best peak with warm-up divided by best peak without"),
        factor("loss ratio", "loss at the best peak with warm-up divided by that without"),
    ),
    measure=measure_peaks(
        _SHAPES, _compare, by_figure=("highest peak", "best peak", "loss ratio"), above=4
    ),
    seeds=(6, 8),
    tasks=_tasks,
    remark="""
        A higher peak does not imply a lower loss: see the last figure. Deep transformers with large
        batches need a warm-up most, but they are larger than the networks trained here.
    """,
    axes=PEAK_AXES,
)
