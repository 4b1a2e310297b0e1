"""The rate of a network that is already trained."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from learnrate.claims._claim import Claim
from learnrate.claims._data import Examples, digits, fashion
from learnrate.claims._measurement import MUCH, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_of_others, best_rates, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.schedules import schedule
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.claims._trials import ClaimTrials

NEAR, FAR = "shifted images", "other classes"
# The second task, the optimizer, and the range of rates.
KINDS = {
    f"{NEAR}, SGD momentum": (NEAR, "SGD momentum", (1e-3, 1.0)),
    f"{NEAR}, AdamW": (NEAR, "AdamW", (1e-4, 0.1)),
    f"{FAR}, AdamW": (FAR, "AdamW", (1e-4, 0.1)),
}
FEW = 100


def _shifted(images: torch.Tensor) -> torch.Tensor:
    """Images moved to the right by an eighth of their side."""
    side = math.isqrt(images.shape[1])
    return images.view(-1, side, side).roll(side // 8, dims=2).reshape(images.shape)


def _half(examples: Examples, *, upper: bool) -> Examples:
    """The examples of the classes 5 to 9 as 0 to 4, or of 0 to 4."""
    train, validation = ((y >= 5) == upper for y in (examples.y, examples.held_y))
    return replace(
        examples,
        x=examples.x[train],
        y=examples.y[train] % 5,
        held_x=examples.held_x[validation],
        held_y=examples.held_y[validation] % 5,
    )


def _examples(kind: str, *, second: bool, full: bool) -> Examples:
    """The examples of the first task, or a few of the second task."""
    chosen = fashion() if full else digits()
    if kind == FAR:
        chosen = _half(chosen, upper=second)
    elif second:
        chosen = replace(chosen, x=_shifted(chosen.x), held_x=_shifted(chosen.held_x))
    return chosen.first(10 * FEW if full else FEW) if second else chosen


def _network(kind: str, full: bool) -> nn.Sequential:
    """A new network, with random weights."""
    return mlp(784 if full else 64, 64, 5 if kind == FAR else 10)


@cache
def _pretrained(kind: str, full: bool) -> nn.Sequential:
    """A network trained on the first task."""
    examples = _examples(kind, second=False, full=full)
    network = partial(_network, kind, full)
    task = task_on(examples, network, "AdamW", steps=800 if full else 300)
    with preserved(task):
        training = Training(task, seed=0)
        for lr in (3e-3 * schedule("linear()")).over(task.run_length()).table().tolist():
            training.update(lr)
    assert isinstance(training.model, nn.Sequential)  # noqa: S101 - as made
    return training.model


def _start(kind: str, full: bool) -> nn.Sequential:
    """A copy of the pretrained network, with a new last layer if the classes differ."""
    network = copy.deepcopy(_pretrained(kind, full))
    if kind == FAR:
        network[-1] = nn.Linear(64, 5)
    return network


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The best rates from scratch and for fine-tuning, and the cost of using the former."""
    return ClaimMeasurement.joined(_measured(trials, name, *KINDS[name]) for name in KINDS)


def _measured(
    trials: ClaimTrials, name: str, kind: str, optimizer: str, grid: tuple[float, float]
) -> ClaimMeasurement:
    """The best rates from scratch and for fine-tuning, for one kind of second task."""
    examples = _examples(kind, second=True, full=trials.full)
    rates = np.array(geometric_grid(*grid))
    steps = 600 if trials.full else 150

    def losses_of(make: Callable[[str, bool], nn.Sequential]) -> np.ndarray:
        network = partial(make, kind, trials.full)
        return trials.sweep(task_on(examples, network, optimizer, batch=50, steps=steps), rates)

    scratch, tuned = losses_of(_network), losses_of(_start)
    at_scratch = tuned[int(scratch.mean(axis=1).argmin())]
    return ClaimMeasurement.of(
        name,
        {
            "factor": best_rates(rates, scratch) / best_rates(rates, tuned),
            "cost": at_scratch / best_of_others(tuned),
            "worth": best_of_others(tuned) / best_of_others(scratch),
        },
        ClaimLine.of_means(f"{name}, scratch", rates, scratch),
        ClaimLine.of_means(f"{name}, tuned", rates, tuned),
    )


CLAIM = Claim(
    topic="defaults",
    statement="Fine-tuning needs a much lower learning rate than training from scratch.",
    source=(
        "common advice, with a tenth as the usual figure; Keras' guide keras.io/guides/transfer_learning"
    ),
    design=f"""
        A network that has learned digits (in the full test Fashion-MNIST) continues with {FEW}
        images (1,000) that are shifted by an eighth of their side. Another one that has learned
        five classes continues with the other five and a new last layer. Networks from scratch
        learn the same: 5 % warm-up, then linear to 0, all layers trained, three rates a decade.
    """,
    figures=(
        factor("factor", "best rate from scratch divided by best rate of fine-tuning", low=MUCH),
        factor(
            "cost",
            "fine-tuning loss at the best rate from scratch divided by that at its own best rate",
        ),
        factor("worth", "best loss of fine-tuning divided by best loss from scratch"),
    ),
    measure=_measure,
    seeds=(5, 8),
    remark="""
        Fine-tuning has an advantage if the new task is similar to the old one: compare the losses.
        The advice comes from large pretrained networks that are trained for few updates and must
        not forget. How well the network still solves its first task is not measured here.
    """,
)
