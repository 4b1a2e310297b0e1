"""What a warm-up is for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims import _data as data
from learnrate.claims._claim import Case, Claim, Figure, Measured
from learnrate.claims._measures import highest_below
from learnrate.claims._peaks import at_own_best, peak_lines
from learnrate.claims._tasks import mlp, row_transformer, task_on
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

_WITH, _WITHOUT = "warm-up", "none"
_SHAPES = {_WITH: "warmup(10%) >> linear()", _WITHOUT: "linear()"}


def _measure(bench: Bench) -> Measured:
    highest, best, gain, found = [], [], [], []
    for task in bench.tasks:
        peaks = at_own_best(bench, task, _SHAPES, above=4)
        (start,) = bench.losses(task, [(0.0 * Constant()).over(1)])
        lowest = np.min([losses.mean(axis=1).min() for losses in peaks.losses.values()])
        ends = [
            highest_below(peaks.rates, peaks.losses[name], 0.5 * (start + lowest))
            for name in (_WITH, _WITHOUT)
        ]
        highest.append(Case("highest peak", task.name, (ends[0] / ends[1]).tolist()))
        best.append(Case("best peak", task.name, peaks.peak_over(_WITH, _WITHOUT)))
        gain.append(Case("loss ratio", task.name, peaks.over(_WITH, _WITHOUT)))
        found.append((task, peaks))
    return Measured([*highest, *best, *gain], peak_lines(found))


def _tasks(full: bool) -> Sequence[Task]:
    digits = data.digits()
    deep = [
        task_on(
            digits,
            partial(mlp, 64, 32, layers=5),
            optimizer,
            batch=256,
            steps=150,
            called="deep MLP",
        )
        for optimizer in ("SGD momentum", "Adam")
    ]
    made = [
        task_on(
            digits,
            partial(row_transformer, 8),
            "Adam",
            batch=64,
            steps=150,
            called="transformer",
        )
    ]
    if full:
        made += [
            task_on(
                data.fashion(),
                partial(row_transformer, 28, 32),
                optimizer,
                batch=128,
                steps=300,
                called="transformer",
            )
            for optimizer in ("SGD momentum", "Adam")
        ]
    return [*deep, *made]


CLAIM = Claim(
    name="warmup-allows-larger-peak",
    topic="warm-up and cycles",
    statement="Warm-up lets a network train at a larger peak rate.",
    source=(
        "Kalra and Barkeshli 2024, Why warmup the learning rate? Underlying mechanisms and "
        "improvements, arXiv:2406.09405"
    ),
    design=(
        "Five hidden layers in batches of 256, and a transformer over rows of pixels: linear to zero, "
        "with a warm-up over 10 % of the run and without, at peaks a factor of two "
        "apart. A run still trains whose loss falls by at least half of what the best falls by; "
        "the highest such peak with warm-up is compared with that without."
    ),
    figures=(
        Figure(
            name="highest peak",
            says="highest peak that still trains, with warm-up over without",
            low=1.25,
            unit="x",
        ),
        Figure(name="best peak", says="best peak, with warm-up over without", unit="x"),
        Figure(
            name="loss ratio", says="loss at the best peak, with warm-up over without", unit="x"
        ),
    ),
    measure=_measure,
    seeds=6,
    full_seeds=8,
    tasks=_tasks,
    remark=(
        "A higher peak is not yet a lower loss: see the last figure. What needs a warm-up most, a "
        "deep transformer in a large batch, is larger than what is trained here."
    ),
    axes=("peak", "validation loss"),
)
