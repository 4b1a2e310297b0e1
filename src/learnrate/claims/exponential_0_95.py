"""The rate times 0.95 after every epoch."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from learnrate.claims._claim import Case, Claim, Figure, Measured
from learnrate.claims._peaks import PEAKS_DESIGN, at_own_best, decay_tasks, peak_lines
from learnrate.claims._tasks import noisy_digits_mlp
from learnrate.trials import preserved

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench
    from learnrate.task import Task

_FACTOR = 0.95
_LINEAR = {"linear to 0": "warmup(5%) >> linear()"}


def _epoch(task: Task) -> float:
    """Updates in a pass over the data; those of the run where a pass is longer."""
    with preserved(task):
        data = task.data(0) if callable(task.data) else task.data
        batches = sum(1 for _ in islice(data, task.run_length() * task.accumulate))
    return batches / task.accumulate


def _measure(bench: Bench) -> Measured:
    name = f"{_FACTOR} an epoch"
    ratios, shares, found = [], [], []
    for task in bench.tasks:
        epoch = _epoch(task)
        epochs = task.run_length() / epoch
        shape = f"warmup(5%) >> exponential(factor={_FACTOR}, every={epoch:g}, staircase=true)"
        peaks = at_own_best(bench, task, {name: shape, **_LINEAR})
        named = replace(task, name=f"{task.name}, {epochs:.0f} epochs")
        share = _FACTOR ** int(0.95 * epochs)  # its part begins after the warm-up
        ratios.append(Case("loss ratio", named.name, peaks.over(name, *_LINEAR)))
        shares.append(Case("final share", named.name, [share] * len(bench.seeds)))
        found.append((named, peaks))
    return Measured([*ratios, *shares], peak_lines(found))


CLAIM = Claim(
    name="exponential-0-95",
    topic="decay",
    statement="Multiply the rate by 0.95 after every epoch.",
    source="A. Ng, Improving deep neural networks (Coursera, 2017), lecture on rate decay",
    design=f"That decay against one that is linear to zero. {PEAKS_DESIGN}",
    figures=(
        Figure(
            name="loss ratio", says="loss with it over loss with linear to 0", high=1.02, unit="x"
        ),
        Figure(name="final share", says="of its peak that its last rate is", unit="%"),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=8,
    tasks=lambda full: [*decay_tasks(full), noisy_digits_mlp("SGD momentum", steps=1500)],
    remark=(
        "A factor an epoch says nothing until the number of epochs is known: after 10 epochs 60 % "
        "of the peak is left, after 90 it is 1 %. Choose the final share; the factor follows."
    ),
    axes=("peak", "validation loss"),
)
