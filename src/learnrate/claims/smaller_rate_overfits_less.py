"""Rates and overfitting, at equal training loss."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from learnrate._errors import TaskError
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._data import digits, fashion
from learnrate.claims._measures import geometric_grid
from learnrate.claims._tasks import cnn, mlp, task_on
from learnrate.claims._watched import at_equal_training_loss, watched
from learnrate.schedules import schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

# What is compared with the best constant rate: a share of it, the shape, and the time it is given.
OTHERS = {"a tenth": (0.1, "constant()", 4), "linear to 0": (1.0, "linear()", 1)}


def _measure(bench: Bench) -> Measured:
    """Validation loss at equal training loss, over that of the best constant rate."""
    cases, lines = [], []
    for task in bench.tasks:
        total_steps = task.run_length()
        rates = geometric_grid(1e-4, 1.0, 2)
        losses = bench.sweep(task, rates, "constant()")
        best = rates[int(losses.mean(axis=1).argmin())]
        kinds = {"best rate": (1.0, "constant()", 1), **OTHERS}
        runs = [
            (task, (best * share * schedule(shape)).over(times * total_steps))
            for share, shape, times in kinds.values()
        ]
        found = dict(zip(kinds, watched(bench, runs), strict=True))
        large = found.pop("best rate")
        for name, row in found.items():
            ratios = [
                at_equal_training_loss(own, base) for own, base in zip(row, large, strict=True)
            ]
            if not all(map(math.isfinite, ratios)):
                raise TaskError(
                    f"{task.name}: {name} and the best rate, {best:g}, reach no training loss in "
                    "common. Train longer: Task(steps=...)."
                )
            cases.append(Case("loss", f"{task.name}: {name}", ratios))
        if task is bench.tasks[0]:
            for name, row in {"best rate": large, **found}.items():
                first = row[0]
                kept = slice(None, None, max(1, len(first.steps) // 40))
                lines.append(
                    Line(name, first.training[kept].tolist(), first.validation[kept].tolist())
                )
    return Measured(cases, lines)


def _tasks(full: bool) -> Sequence[Task]:
    few = digits().first(150)
    tasks = [
        task_on(few, partial(mlp, 64, 32), name, batch=50, steps=480, called="MLP")
        for name in ("SGD momentum", "AdamW")
    ]
    tasks = [replace(task, name=f"150 {task.name}") for task in tasks]
    if full:
        more = task_on(fashion().first(2000), partial(cnn, 28), "AdamW", batch=50, steps=800)
        tasks.append(replace(more, name="2,000 of Fashion-MNIST CNN, AdamW"))
    return tasks


CLAIM = Claim(
    name="smaller-rate-overfits-less",
    topic="overfitting",
    statement=(
        "A smaller or decayed learning rate overfits less: lower test loss at equal training loss."
    ),
    source=(
        "common advice for overfitting networks; Li, Wei and Ma 2019, arXiv:1907.04595, argue the "
        "opposite for the first rate"
    ),
    design=(
        "Few examples, no weight decay but the optimizer's own. The best constant rate trains beside "
        "a tenth of it (four times the steps) and a decay from it to 0. Validation losses are "
        "compared at five training losses, from half way down to the lowest that both reach."
    ),
    figures=(
        Figure(
            name="loss",
            says="validation loss at equal training loss over that of the best rate",
            high=0.98,
            unit="x",
        ),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=6,
    tasks=_tasks,
    remark=(
        "At equal steps a smaller rate does look as if it overfits less: it has learned less. The "
        "training loss is that of batches as they come, of which a large rate's noise is part."
    ),
    axes=("training loss, first seed", "validation loss"),
    log="xy",
)
