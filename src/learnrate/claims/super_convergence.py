"""One large cycle in a quarter of the updates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from learnrate.claims import _data as data
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, at_own_best
from learnrate.claims._tasks import batch_norm_cnn, task_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

_CYCLE = "warmup(45%, start=0.1) >> linear(45%, floor=0.1) >> (0.1 * linear())"
_SHORT = {"1cycle": _CYCLE, "linear": DECAYS["linear"], "step": DECAYS["step"]}


def _measure(bench: Bench) -> Measured:
    cases: list[Case] = []
    lines: list[Line] = []
    for task in bench.tasks:
        whole = at_own_best(bench, task, {"step": DECAYS["step"]})
        short = at_own_best(bench, task, _SHORT, steps=max(4, task.run_length() // 4))
        step = whole.best("step")
        reached = {name: (short.best(name) / step).tolist() for name in ("1cycle", "linear")}
        cases += [
            Case("in a quarter", task.name, reached["1cycle"]),
            Case("same length", task.name, short.over("1cycle", "step")),
            Case("without a cycle", task.name, reached["linear"]),
        ]
        lines += [
            Line(label, peaks.rates.tolist(), losses.mean(axis=1).tolist())
            for label, peaks, losses in (
                ("step, all updates", whole, whole.losses["step"]),
                *((f"{name}, a quarter", short, rows) for name, rows in short.losses.items()),
            )
        ]
    order = ("in a quarter", "same length", "without a cycle")
    return Measured(sorted(cases, key=lambda case: order.index(case.figure)), lines[:4])


def _tasks(full: bool) -> Sequence[Task]:
    made: list[tuple[data.Examples, int, int]] = [(data.noisy_digits(), 8, 400)]
    if full:
        made.append((data.fashion(), 28, 600))
    return [
        task_on(
            examples,
            partial(batch_norm_cnn, side),
            "SGD momentum",
            batch=64,
            steps=steps,
            called="CNN with BatchNorm",
        )
        for examples, side, steps in made
    ]


CLAIM = Claim(
    name="super-convergence",
    topic="warm-up and cycles",
    statement=(
        "One cycle up to a very large rate reaches in a quarter of the updates what a step schedule "
        "reaches in all of them."
    ),
    source="Smith and Topin 2018, Super-convergence, arXiv:1708.07120",
    design=(
        "1cycle, up over 45 % of the run and down over as much, then to zero, in a quarter of the "
        "updates, against a step schedule in all of them and in as few. "
        f"{PEAKS_DESIGN} 1cycle begins at a tenth of its peak instead."
    ),
    figures=(
        Figure(
            name="in a quarter",
            says="loss of 1cycle in a quarter over loss of the step schedule in all",
            high=1.02,
            unit="x",
        ),
        Figure(
            name="same length",
            says="loss of 1cycle over loss of step, both in a quarter",
            unit="x",
        ),
        Figure(
            name="without a cycle",
            says="loss of linear to zero in a quarter over step in all",
            unit="x",
        ),
    ),
    measure=_measure,
    seeds=3,
    full_seeds=5,
    tasks=_tasks,
    remark=(
        "The authors' raw logs do show it for ResNet-56 on CIFAR-10: 92.4 % in 10,000 updates "
        "against 90.3 % in 80,000, beside a weak baseline. Their momentum falls while the rate "
        "rises, which is left out here."
    ),
    axes=("peak", "validation loss"),
)
