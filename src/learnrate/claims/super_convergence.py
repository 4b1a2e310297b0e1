"""One large cycle in a quarter of the updates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from learnrate.claims import _data as data
from learnrate.claims._claim import Claim
from learnrate.claims._measurement import AS_GOOD, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._peaks import DECAYS, PEAK_AXES, PEAKS_DESIGN, sweep_peaks
from learnrate.claims._tasks import batch_norm_cnn, task_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_CYCLE = "warmup(45%, start=0.1) >> linear(45%, floor=0.1) >> (0.1 * linear())"
_SHORT = {"1cycle": _CYCLE, "linear": DECAYS["linear"], "step": DECAYS["step"]}
_FIGURES = (
    factor(
        "in a quarter",
        "loss of 1cycle in a quarter of the updates divided by loss of the step schedule in all",
        high=AS_GOOD,
    ),
    factor(
        "same length", "loss of 1cycle divided by loss of the step schedule, both in a quarter"
    ),
    factor(
        "without a cycle",
        "loss of linear to zero in a quarter divided by loss of the step schedule in all",
    ),
)


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """A quarter of the updates, with one cycle and without, compared with a step decay over all updates."""
    parts = []
    for task in trials.tasks:
        whole = sweep_peaks(trials, task, {"step": DECAYS["step"]})
        short = sweep_peaks(trials, task, _SHORT, steps=max(4, task.run_length() // 4))
        step = whole.best("step")
        parts.append(
            ClaimMeasurement.of(
                task.name,
                {
                    "in a quarter": short.best("1cycle") / step,
                    "same length": short.over("1cycle", "step"),
                    "without a cycle": short.best("linear") / step,
                },
                ClaimLine.of_means("step, all updates", whole.rates, whole.losses["step"]),
                *(
                    ClaimLine.of_means(f"{name}, a quarter", short.rates, losses)
                    for name, losses in short.losses.items()
                ),
            )
        )
    order = [figure.name for figure in _FIGURES]
    return ClaimMeasurement.joined(parts, by_figure=order, most_lines=4)


def _tasks(full: bool) -> Sequence[Task]:
    settings: list[tuple[data.Examples, int, int]] = [(data.noisy_digits(), 8, 400)]
    if full:
        settings.append((data.fashion(), 28, 600))
    return [
        task_on(
            examples,
            partial(batch_norm_cnn, side),
            "SGD momentum",
            batch=64,
            steps=steps,
            label="CNN with BatchNorm",
        )
        for examples, side, steps in settings
    ]


CLAIM = Claim(
    topic="warm-up and cycles",
    statement="""
        One cycle up to a very large rate reaches in a quarter of the updates what a step schedule
        reaches in all of them.
    """,
    source="Smith and Topin 2018, Super-convergence, arXiv:1708.07120",
    design=f"""
        1cycle (up over 45 % of the run, down over 45 %, then to zero) in a quarter of the
        updates, against a step schedule in all of them and against one in a quarter of them.
        {PEAKS_DESIGN} 1cycle starts at a tenth of its peak instead.
    """,
    figures=_FIGURES,
    measure=_measure,
    seeds=(3, 5),
    tasks=_tasks,
    remark="""
        The authors' raw logs do show this for ResNet-56 on CIFAR-10: 92.4 % in 10,000 updates
        against 90.3 % in 80,000, but the baseline is weak. In their runs, momentum falls while the
        rate rises, which is left out here.
    """,
    axes=PEAK_AXES,
)
