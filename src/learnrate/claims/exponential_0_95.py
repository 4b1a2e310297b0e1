"""The rate times 0.95 after every epoch."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from learnrate.claims._claim import Claim
from learnrate.claims._measurement import AS_GOOD, ClaimMeasurement, factor, share
from learnrate.claims._peaks import PEAK_AXES, PEAKS_DESIGN, decay_tasks, peak_lines, sweep_peaks
from learnrate.claims._tasks import noisy_digits_mlp
from learnrate.trials import preserved

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_FACTOR = 0.95
_NAME = f"{_FACTOR} an epoch"
_LINEAR = "linear to 0"


def _epoch(task: Task) -> float:
    """Updates in a pass over the data; those of the run if a pass is longer."""
    with preserved(task):
        data = task.data(0) if callable(task.data) else task.data
        batches = sum(1 for _ in islice(data, task.run_length() * task.accumulate))
    return batches / task.accumulate


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """A factor an epoch over linear to zero, each at its best peak."""
    parts, sweeps = [], []
    for task in trials.tasks:
        epoch = _epoch(task)
        epochs = task.run_length() / epoch
        shape = f"warmup(5%) >> exponential(factor={_FACTOR}, every={epoch:g}, staircase=true)"
        sweep = sweep_peaks(trials, task, {_NAME: shape, _LINEAR: "warmup(5%) >> linear()"})
        named = replace(task, name=f"{task.name}, {epochs:.0f} epochs")
        last = _FACTOR ** int(0.95 * epochs)  # the decay begins after the warm-up
        figures: dict[str, ArrayLike] = {
            "loss ratio": sweep.over(_NAME, _LINEAR),
            "final share": [last] * len(trials.seeds),
        }
        parts.append(ClaimMeasurement.of(named.name, figures))
        sweeps.append((named, sweep))
    joined = ClaimMeasurement.joined(parts, by_figure=("loss ratio", "final share"))
    return ClaimMeasurement(joined.cases, peak_lines(sweeps))


CLAIM = Claim(
    topic="decay",
    statement="Multiply the rate by 0.95 after every epoch.",
    source="A. Ng, Improving deep neural networks (Coursera, 2017), lecture on rate decay",
    design=f"This decay against one that is linear to zero. {PEAKS_DESIGN}",
    figures=(
        factor("loss ratio", "its loss divided by that of linear to 0", high=AS_GOOD),
        share("final share", "last rate as a share of the peak"),
    ),
    measure=_measure,
    seeds=(4, 8),
    tasks=lambda full: [*decay_tasks(full), noisy_digits_mlp("SGD momentum", steps=1500)],
    remark="""
        A factor for each epoch means little until the number of epochs is known: 60 % of the peak
        is left after 10 epochs, 1 % after 90. Choose the final share; the factor follows from it.
    """,
    axes=PEAK_AXES,
)
