"""The rate of a network that has learned something already."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._data import Examples, digits, fashion
from learnrate.claims._measures import best_of_others, best_rates, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.schedules import schedule
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench
    from learnrate.task import Task

# Of each optimizer: the rates tried, from and to.
OPTIMIZERS = {"SGD momentum": (1e-3, 1.0), "AdamW": (1e-4, 0.1)}
FEW = 100


def _half(examples: Examples, *, upper: bool) -> Examples:
    """The examples of the classes 5 to 9 as 0 to 4, or of 0 to 4."""
    own, held = ((y >= 5) == upper for y in (examples.y, examples.held_y))
    return replace(
        examples,
        x=examples.x[own],
        y=examples.y[own] % 5,
        held_x=examples.held_x[held],
        held_y=examples.held_y[held] % 5,
    )


@cache
def _pretrained(full: bool) -> nn.Sequential:
    """A network that knows the lower five classes."""
    examples = _half(fashion() if full else digits(), upper=False)
    network = partial(mlp, examples.x.shape[1], 64, 5)
    task = task_on(examples, network, "AdamW", steps=800 if full else 300)
    with preserved(task):
        training = Training(task, seed=0)
        for lr in (3e-3 * schedule("linear()")).over(task.total()).table().tolist():
            training.update(lr)
    assert isinstance(training.model, nn.Sequential)  # noqa: S101 - as made
    return training.model


def _begun(full: bool) -> nn.Sequential:
    """The pretrained network with a new last layer."""
    made = copy.deepcopy(_pretrained(full))
    made[-1] = nn.Linear(64, 5)
    return made


def _task(optimizer: str, *, tuned: bool, full: bool) -> Task:
    examples = _half(fashion() if full else digits(), upper=True).first(10 * FEW if full else FEW)
    scratch = partial(mlp, examples.x.shape[1], 64, 5)
    network = partial(_begun, full) if tuned else scratch
    return task_on(examples, network, optimizer, batch=50, steps=600 if full else 150)


def _measure(bench: Bench) -> Measured:
    """The best rates from scratch and from what was learned before, and what the former costs."""
    _pretrained(bench.full)
    cases, lines = [], []
    for name, ends in OPTIMIZERS.items():
        rates = np.array(geometric_grid(*ends, 3))
        scratch, tuned = (
            bench.sweep(_task(name, tuned=own, full=bench.full), rates) for own in (False, True)
        )
        factor = best_rates(rates, scratch) / best_rates(rates, tuned)
        at_scratch = tuned[int(scratch.mean(axis=1).argmin())]
        cases += [
            Case("factor", name, factor.tolist()),
            Case("cost", name, (at_scratch / best_of_others(tuned)).tolist()),
            Case("worth", name, (best_of_others(tuned) / best_of_others(scratch)).tolist()),
        ]
        for label, one in (("from scratch", scratch), ("fine-tuned", tuned)):
            lines.append(Line(f"{name}, {label}", rates.tolist(), one.mean(axis=1).tolist()))
    return Measured(cases, lines)


CLAIM = Claim(
    name="lower-rate-when-fine-tuning",
    topic="defaults",
    statement="Fine-tuning needs a much lower learning rate than training from scratch.",
    source=(
        "common advice, with a tenth as the usual figure; Keras' guide keras.io/guides/transfer_learning"
    ),
    design=(
        "A network learns the digits 0 to 4 (in full: half of Fashion-MNIST's classes). With a new "
        f"last layer it then learns 5 to 9 from {FEW} examples (1,000), and so does one from scratch: "
        "5 % warm-up, linear to 0, every layer trained, three rates a decade."
    ),
    figures=(
        Figure(
            name="factor",
            says="best rate from scratch over that of fine-tuning",
            low=3.0,
            unit="x",
        ),
        Figure(
            name="cost",
            says="loss at scratch's best rate over that at its own",
            unit="x",
        ),
        Figure(name="worth", says="best loss, fine-tuned over from scratch", unit="x"),
    ),
    measure=_measure,
    seeds=5,
    full_seeds=8,
    remark=(
        "The advice comes from large pretrained networks whose new task is near the old one, and few "
        "updates. Where the tasks differ, staying near the old weights is worth little."
    ),
)
