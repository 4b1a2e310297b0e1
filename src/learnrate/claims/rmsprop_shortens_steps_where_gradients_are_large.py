"""The effect of RMSprop's normalisation on the length of steps."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, Figure
from learnrate.claims._tasks import digits_cnn, digits_mlp, fashion_cnn, without_optimizer
from learnrate.claims._trials import ClaimTrials, for_each_task
from learnrate.task import Task
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


LR = 1e-3
READ = 100  # the last updates, whose gradients and steps are recorded
BINS = 12


class _ValleyModel(nn.Module):
    """Two weights, whose loss has a hundred times more curvature along the second."""

    def __init__(self) -> None:
        super().__init__()
        start = 1.0 + torch.rand(1)
        self.weights = nn.Parameter(start.repeat(2))

    def forward(self, curvatures: torch.Tensor) -> torch.Tensor:
        return 0.5 * (curvatures * self.weights.square()).sum()


def _valley() -> Task:
    """Two weights whose curvatures are 1 and 100."""
    return Task(
        model=_ValleyModel,
        loss=lambda model, batch: model(batch),
        data=[torch.tensor([1.0, 100.0])],
        total_steps=300,
        name="valley, curvatures 1 and 100",
    )


def _gradients_and_steps(task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The gradients and steps of every weight that has both, shape (READ, weights)."""
    task = replace(task, optimizer=partial(torch.optim.RMSprop, lr=LR))
    total_steps = task.run_length()
    gradients, steps = [], []
    with preserved(task):
        training = Training(task, seed)
        for step in range(total_steps):
            before = [weight.detach().clone() for weight in training.model.parameters()]
            training.update(LR)
            if step >= total_steps - READ:
                pairs = list(zip(training.model.parameters(), before, strict=True))
                used = [(weight, old) for weight, old in pairs if weight.grad is not None]
                gradients.append(_flat(weight.grad for weight, _ in used))
                with torch.no_grad():
                    steps.append(_flat(weight - old for weight, old in used))
    gradient, moves = np.array(gradients), np.array(steps)
    nonzero = (gradient != 0).all(axis=0) & (moves != 0).all(axis=0)
    return gradient[:, nonzero], moves[:, nonzero]


def _flat(tensors: Iterable[torch.Tensor | None]) -> np.ndarray:
    parts = [tensor.detach().reshape(-1) for tensor in tensors if tensor is not None]
    return torch.cat(parts).double().numpy()


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(x, y, 1)[0])


def _slopes(task: Task, seed: int) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Slopes across weights and over time; the means of both in bins with equal counts."""
    gradient, step = _gradients_and_steps(task, seed)
    rms_gradient = 0.5 * np.log(np.mean(gradient**2, axis=0))
    rms_step = 0.5 * np.log(np.mean(step**2, axis=0))
    across = _slope(rms_gradient, rms_step - rms_gradient)
    log_gradient, log_step = np.log(np.abs(gradient)), np.log(np.abs(step))
    log_gradient, log_step = (logs - logs.mean(axis=0) for logs in (log_gradient, log_step))
    varies = log_gradient.any()
    within = (
        _slope(log_gradient.ravel(), (log_step - log_gradient).ravel()) if varies else math.nan
    )
    order = np.array_split(np.argsort(rms_gradient), min(BINS, len(rms_gradient)))
    x, y = ([float(values[part].mean()) for part in order] for values in (rms_gradient, rms_step))
    return across, within, np.exp(x), np.exp(y)


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    (rows,) = trials.for_each_seed(_slopes, [task])
    across, within, x, y = zip(*rows, strict=True)
    line = ClaimLine.of(task.name, np.mean(x, axis=0), np.mean(y, axis=0))
    return ClaimMeasurement.of(task.name, {"places": across, "moments": within}, line)


def _tasks(full: bool) -> Sequence[Task]:
    quick = [_valley(), digits_mlp(steps=300), digits_cnn(steps=300)]
    tasks = [*quick, fashion_cnn(steps=800)] if full else quick
    return [without_optimizer(task) for task in tasks]


CLAIM = Claim(
    topic="stability",
    statement="""
        RMSprop's normalisation shortens steps where gradients are large and lengthens them where
        they are small.
    """,
    source="Tieleman and Hinton, Neural networks for machine learning, lecture 6.5 (RMSprop), 2012",
    design="""
        RMSprop trains at lr 0.001. The gradients and steps of each weight are recorded over the
        last 100 updates. The effective rate is the step divided by the gradient. The slope is that
        of the logarithm of the effective rate against the logarithm of the gradient. It is 0 for
        gradient descent, where the effective rate is the same for all weights, and -1 if all steps
        are equally long.
    """,
    figures=(
        Figure("places", "slope of ln(step / gradient) on ln gradient, across weights", high=0.0),
        Figure("moments", "the same within a weight, from update to update"),
    ),
    measure=for_each_task(_measure),
    seeds=(4, 6),
    tasks=_tasks,
    remark="""
        Unlike the steps of gradient descent, the steps are about equally long for all weights. They
        are not shorter where gradients are large than where they are small. From one update to the
        next nothing is shortened: the average in the divisor covers about a hundred updates, so a
        sudden large gradient causes a large step, up to ten times lr.
    """,
    axes=ClaimAxes("root mean square of a weight's gradients", "and of its steps", log="xy"),
)
