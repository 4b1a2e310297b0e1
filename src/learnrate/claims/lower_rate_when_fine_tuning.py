"""The rate of a network that has learned something already."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._data import Examples, digits, fashion
from learnrate.claims._measures import best_of_others, best_rates, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.schedules import schedule
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

NEAR, FAR = "shifted images", "other classes"
# What is learned then, by which optimizer, and the rates tried, from and to.
KINDS = {
    f"{NEAR}, SGD momentum": (NEAR, "SGD momentum", 1e-3, 1.0),
    f"{NEAR}, AdamW": (NEAR, "AdamW", 1e-4, 0.1),
    f"{FAR}, AdamW": (FAR, "AdamW", 1e-4, 0.1),
}
FEW = 100


def _shifted(images: torch.Tensor) -> torch.Tensor:
    """Images moved to the right by an eighth of their side."""
    side = math.isqrt(images.shape[1])
    return images.view(-1, side, side).roll(side // 8, dims=2).reshape(images.shape)


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


def _examples(kind: str, *, then: bool, full: bool) -> Examples:
    """What is learned first, or of what is learned then a few."""
    every = fashion() if full else digits()
    if kind == FAR:
        chosen = _half(every, upper=then)
    elif then:
        chosen = replace(every, x=_shifted(every.x), held_x=_shifted(every.held_x))
    else:
        chosen = every
    return chosen.first(10 * FEW if full else FEW) if then else chosen


def _network(kind: str, full: bool) -> nn.Sequential:
    return mlp(784 if full else 64, 64, 5 if kind == FAR else 10)


@cache
def _pretrained(kind: str, full: bool) -> nn.Sequential:
    """A network that has learned what comes first."""
    examples = _examples(kind, then=False, full=full)
    network = partial(_network, kind, full)
    task = task_on(examples, network, "AdamW", steps=800 if full else 300)
    with preserved(task):
        training = Training(task, seed=0)
        for lr in (3e-3 * schedule("linear()")).over(task.run_length()).table().tolist():
            training.update(lr)
    assert isinstance(training.model, nn.Sequential)  # noqa: S101 - as made
    return training.model


def _begun(kind: str, full: bool) -> nn.Sequential:
    """The pretrained network, with a new last layer where the classes are others."""
    made = copy.deepcopy(_pretrained(kind, full))
    if kind == FAR:
        made[-1] = nn.Linear(64, 5)
    return made


def _measure(bench: Bench) -> Measured:
    """The best rates from scratch and from what was learned before, and what the former costs."""
    cases, lines = [], []
    for name, (kind, optimizer, lowest, highest) in KINDS.items():
        examples = _examples(kind, then=True, full=bench.full)
        rates = np.array(geometric_grid(lowest, highest, 3))
        scratch, tuned = (
            bench.sweep(
                task_on(
                    examples,
                    partial(make, kind, bench.full),
                    optimizer,
                    batch=50,
                    steps=600 if bench.full else 150,
                ),
                rates,
            )
            for make in (_network, _begun)
        )
        factor = best_rates(rates, scratch) / best_rates(rates, tuned)
        at_scratch = tuned[int(scratch.mean(axis=1).argmin())]
        cases += [
            Case("factor", name, factor.tolist()),
            Case("cost", name, (at_scratch / best_of_others(tuned)).tolist()),
            Case("worth", name, (best_of_others(tuned) / best_of_others(scratch)).tolist()),
        ]
        for label, one in (("scratch", scratch), ("tuned", tuned)):
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
        "A network that has learned digits (in full Fashion-MNIST) goes on to "
        f"{FEW} images (1,000) that are shifted by an eighth of their side; one that has learned five "
        "classes goes on to the other five, with a new last layer. So does a network from scratch: "
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
        "Fine-tuning is worth something where the new task is near the old one: see the losses "
        "beside. The advice comes from large pretrained networks, few updates, and forgetting, which "
        "is not measured here: how well the network still does what it learned first."
    ),
)
