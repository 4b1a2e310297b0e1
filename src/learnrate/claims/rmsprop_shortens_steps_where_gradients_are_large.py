"""What RMSprop's normalisation does to the length of steps."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._tasks import digits_cnn, digits_mlp, fashion_cnn
from learnrate.task import Task
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from learnrate.claims._bench import Bench

LR = 1e-3
READ = 100  # the last updates, in which gradients and steps are read
BINS = 12


class _Valley(nn.Module):
    """Two weights, whose loss is curved a hundred times more along the second."""

    def __init__(self) -> None:
        super().__init__()
        start = 1.0 + torch.rand(1)
        self.weights = nn.Parameter(start.repeat(2))

    def forward(self, curvatures: torch.Tensor) -> torch.Tensor:
        return 0.5 * (curvatures * self.weights.square()).sum()


def _valley() -> Task:
    return Task(
        model=_Valley,
        loss=lambda model, batch: model(batch),
        data=[torch.tensor([1.0, 100.0])],
        total_steps=300,
        name="valley, curvatures 1 and 100",
    )


def _read(task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The gradients and steps of every weight that has both, shape (READ, weights)."""
    own = replace(task, optimizer=partial(torch.optim.RMSprop, lr=LR))
    total_steps = own.run_length()
    gradients, steps = [], []
    with preserved(own):
        training = Training(own, seed)
        held = list(training.model.parameters())
        for step in range(total_steps):
            before = [one.detach().clone() for one in held]
            training.update(LR)
            if step >= total_steps - READ:
                with torch.no_grad():
                    moved = [one - old for one, old in zip(held, before, strict=True)]
                gradients.append(_flat(one.grad for one in held if one.grad is not None))
                steps.append(
                    _flat(m for m, one in zip(moved, held, strict=True) if one.grad is not None)
                )
    gradient, moves = np.array(gradients), np.array(steps)
    used = (gradient != 0).all(axis=0) & (moves != 0).all(axis=0)
    return gradient[:, used], moves[:, used]


def _flat(tensors: Iterator[torch.Tensor]) -> np.ndarray:
    return torch.cat([one.detach().reshape(-1) for one in tensors]).double().numpy()


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(x, y, 1)[0])


def _found(task: Task, seed: int) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Slopes over places and over time; the means of both in bins of equal count."""
    gradient, step = _read(task, seed)
    rms_gradient = 0.5 * np.log(np.mean(gradient**2, axis=0))
    rms_step = 0.5 * np.log(np.mean(step**2, axis=0))
    places = _slope(rms_gradient, rms_step - rms_gradient)
    now, moved = np.log(np.abs(gradient)), np.log(np.abs(step))
    now, moved = now - now.mean(axis=0), moved - moved.mean(axis=0)
    moments = _slope(now.ravel(), (moved - now).ravel()) if now.any() else math.nan
    order = np.array_split(np.argsort(rms_gradient), min(BINS, len(rms_gradient)))
    x, y = ([float(values[part].mean()) for part in order] for values in (rms_gradient, rms_step))
    return places, moments, np.exp(x), np.exp(y)


def _measure(bench: Bench) -> Measured:
    cases, lines = [], []
    for task in bench.tasks:
        found = bench.each(partial(_found, task), bench.seeds)
        places, moments, x, y = zip(*found, strict=True)
        cases.append(Case("places", task.name, places))
        cases.append(Case("moments", task.name, moments))
        lines.append(Line(task.name, np.mean(x, axis=0).tolist(), np.mean(y, axis=0).tolist()))
    return Measured(cases, lines)


def _tasks(full: bool) -> Sequence[Task]:
    quick = [_valley(), digits_mlp(steps=300), digits_cnn(steps=300)]
    tasks = [*quick, fashion_cnn(steps=800)] if full else quick
    return [replace(task, name=task.name.replace(", Adam", "")) for task in tasks]


CLAIM = Claim(
    name="rmsprop-shortens-steps-where-gradients-are-large",
    topic="weight decay",
    statement=(
        "RMSprop's normalisation shortens steps where gradients are large and lengthens them where "
        "they are small."
    ),
    source="Tieleman and Hinton, Neural networks for machine learning, lecture 6.5 (RMSprop), 2012",
    design=(
        f"RMSprop trains at lr {LR:g}; over the last {READ} updates each weight's gradients and "
        "steps are read. The effective rate is step over gradient, which gradient descent has the "
        "same for all: the slope of its logarithm over that of the gradient is then 0, and -1 where "
        "all steps are equally long."
    ),
    figures=(
        Figure(
            name="places",
            says="slope of ln(step / gradient) on ln gradient, across weights",
            high=-0.5,
        ),
        Figure(name="moments", says="the same within a weight, from update to update"),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=6,
    tasks=_tasks,
    remark=(
        "Shorter than gradient descent's, that is, and equally long everywhere; not shorter than the "
        "steps where gradients are small. From one update to the next nothing is shortened: the "
        "average that divides has a memory of about a hundred, so a sudden large gradient is a large "
        "step, up to ten times lr."
    ),
    axes=("root mean square of a weight's gradients", "and of its steps"),
    log="xy",
)
