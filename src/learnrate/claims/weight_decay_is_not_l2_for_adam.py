"""The two forms of weight decay under Adam."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._data import digits, fashion
from learnrate.claims._measurement import AS_GOOD, ClaimLine, ClaimMeasurement, Figure, factor
from learnrate.claims._measures import best_of_others, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.claims._trials import ClaimTrials, for_each_task
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.task import Task

FORMS = {"decoupled": torch.optim.AdamW, "penalty": torch.optim.Adam}
RATES = (1e-3, 3e-3, 1e-2)
DECAYS = geometric_grid(1e-3, 10.0, 1)
LR, DECAY = 3e-3, 0.3
PENALTIES = geometric_grid(1e-4, 0.1, 2)
DISTURBANCE = 1e-6


def _with_decay(task: Task, form: str, decay: float) -> Task:
    """The task with one form of decay and its coefficient."""
    return replace(task, optimizer=partial(FORMS[form], weight_decay=decay))


def _weights(model: nn.Module) -> torch.Tensor:
    """All weights as one vector."""
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def _first_and_last(
    task: Task, seed: int, disturbance: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """The first and the last weights of a training at a constant rate."""
    with preserved(task):
        training = Training(task, seed)
        first = _weights(training.model)
        nn.utils.vector_to_parameters(first * (1.0 + disturbance), training.model.parameters())
        for _ in range(task.run_length()):
            training.update(LR)
        return first, _weights(training.model)


def _distances(task: Task, seed: int) -> tuple[float, float]:
    """The distances from the final weights under decoupled decay: to the closest ones under a penalty, and to themselves.

    The second distance is to the end of the same training with disturbed initial weights.
    """
    decoupled = _with_decay(task, "decoupled", DECAY)
    first, last = _first_and_last(decoupled, seed)
    penalised = [
        _first_and_last(_with_decay(task, "penalty", penalty), seed)[1] for penalty in PENALTIES
    ]
    disturbed = _first_and_last(decoupled, seed, DISTURBANCE)[1]
    *to_penalties, to_itself = [
        float((other - last).norm() / (last - first).norm()) for other in (*penalised, disturbed)
    ]
    return min(to_penalties), to_itself


def _doubling(losses: np.ndarray) -> np.ndarray:
    """The coefficient at which each seed's loss is twice that at the smallest coefficient.

    The losses have the shape (DECAYS, seeds).
    """
    logs = np.log(DECAYS)
    coefficients = []
    for column in losses.T:
        row = int(np.argmax(column > 2 * column[0])) or len(column) - 1
        ends = np.log(column[row - 1 : row + 1])
        log = np.interp(np.log(2 * column[0]), ends, logs[row - 1 : row + 1])
        coefficients.append(np.exp(log))
    return np.array(coefficients)


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """Both forms over rates and coefficients; each at its best pair."""
    distances = trials.for_each_seed(_distances, [task])[0]
    to_penalty, to_itself = zip(*distances, strict=True)
    best, doubling, lines = {}, {}, []
    for form in FORMS:
        grid = np.stack(
            [trials.sweep(_with_decay(task, form, decay), RATES, "linear()") for decay in DECAYS]
        )
        lowest = grid.min(axis=1)  # over rates
        best[form] = best_of_others(grid.reshape(-1, len(trials.seeds)))
        doubling[form] = _doubling(lowest)
        lines.append(ClaimLine.of_means(f"{task.name}, {form}", DECAYS, lowest))
    return ClaimMeasurement.of(
        task.name,
        {
            "distance": to_penalty,
            "to itself": to_itself,
            "factor": doubling["decoupled"] / doubling["penalty"],
            "loss": best["decoupled"] / best["penalty"],
        },
        *lines,
    )


def _tasks(full: bool) -> Sequence[Task]:
    few = task_on(digits().first(200), partial(mlp, 64, 32), batch=50, steps=200)
    tasks = [replace(few, name="200 digits, MLP")]
    if full:
        more = task_on(fashion().first(2000), partial(mlp, 784, 64), batch=50, steps=800)
        tasks.append(replace(more, name="2,000 of Fashion-MNIST, MLP"))
    return tasks


CLAIM = Claim(
    topic="weight decay",
    statement="For Adam, unlike for SGD, weight decay is not an L2 penalty.",
    source="Loshchilov and Hutter 2019, arXiv:1711.05101",
    design="""
        A network learns few examples with AdamW, whose decay is decoupled, and with Adam and a
        penalty. First, at a rate of 0.003, 7 penalties from 1e-4 to 0.1 are compared with a
        decoupled decay of 0.3; the penalty whose final weights are closest counts. Then, over three
        rates with a linear decay to 0 and coefficients from 1e-3 to 10, the coefficient that
        doubles the loss and the best pair of rate and coefficient are compared.
    """,
    figures=(
        Figure(
            "distance",
            "distance between the two final weights, divided by their distance from the start",
            low=AS_GOOD - 1.0,
        ),
        Figure("to itself", "the same distance to a run whose initial weights differ by 1e-6"),
        factor(
            "factor",
            "coefficient that doubles the loss: that of decoupled decay divided by that of the penalty",
            low=1.0,
        ),
        factor("loss", "best loss of AdamW divided by best loss with a penalty"),
    ),
    measure=for_each_task(_measure),
    seeds=(4, 6),
    tasks=_tasks,
    remark="""
        The paper also says that decoupled decay generalises better: compare the losses at the best
        pairs. A coefficient for Adam(weight_decay=...) never suits AdamW.
    """,
    axes=ClaimAxes("coefficient", "validation loss at the best rate"),
)
