"""The two forms of weight decay under Adam."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._data import digits, fashion
from learnrate.claims._measures import best_of_others, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

FORMS = {"decoupled": torch.optim.AdamW, "penalty": torch.optim.Adam}
RATES = (1e-3, 3e-3, 1e-2)
DECAYS = geometric_grid(1e-3, 10.0, 1)
LR, DECAY = 3e-3, 0.3
PENALTIES = geometric_grid(1e-4, 0.1, 2)
DISTURBED = 1e-6


def _with(task: Task, form: str, decay: float) -> Task:
    return replace(task, optimizer=partial(FORMS[form], weight_decay=decay))


def _weights(model: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def _ends(task: Task, seed: int, disturbed: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """The first and the last weights of a training at one rate."""
    with preserved(task):
        training = Training(task, seed)
        first = _weights(training.model)
        nn.utils.vector_to_parameters(first * (1.0 + disturbed), training.model.parameters())
        for _ in range(task.run_length()):
            training.update(LR)
        return first, _weights(training.model)


def _distances(task: Task, seed: int) -> tuple[float, float]:
    """From the end of decoupled decay to the nearest one of a penalty, and to its own, disturbed."""
    decoupled = _with(task, "decoupled", DECAY)
    first, last = _ends(decoupled, seed)
    others = [_ends(_with(task, "penalty", one), seed)[1] for one in PENALTIES]
    others.append(_ends(decoupled, seed, DISTURBED)[1])
    *apart, own = [float((other - last).norm() / (last - first).norm()) for other in others]
    return min(apart), own


def _doubled(losses: np.ndarray) -> np.ndarray:
    """The coefficient at which each seed's loss is twice that at the least one; (DECAYS, seeds)."""
    logs = np.log(DECAYS)
    found = []
    for column in losses.T:
        at = int(np.argmax(column > 2 * column[0])) or len(column) - 1
        ends = np.log(column[at - 1 : at + 1])
        found.append(np.exp(np.interp(np.log(2 * column[0]), ends, logs[at - 1 : at + 1])))
    return np.array(found)


def _measure(bench: Bench) -> Measured:
    """Both forms over rates and coefficients; each at its best pair."""
    cases, lines = [], []
    for task in bench.tasks:
        apart = bench.each(partial(_distances, task), bench.seeds)
        cases.append(Case("distance", task.name, [to_penalty for to_penalty, _ in apart]))
        cases.append(Case("to itself", task.name, [to_itself for _, to_itself in apart]))
        best, doubled = {}, {}
        for form in FORMS:
            grid = np.stack(
                [bench.sweep(_with(task, form, decay), RATES, "linear()") for decay in DECAYS]
            )
            least = grid.min(axis=1)  # over rates
            best[form] = best_of_others(grid.reshape(-1, len(bench.seeds)))
            doubled[form] = _doubled(least)
            lines.append(Line(f"{task.name}, {form}", DECAYS, least.mean(axis=1).tolist()))
        factor = doubled["decoupled"] / doubled["penalty"]
        cases.append(Case("factor", task.name, factor.tolist()))
        cases.append(Case("loss", task.name, (best["decoupled"] / best["penalty"]).tolist()))
    return Measured(cases, lines)


def _tasks(full: bool) -> Sequence[Task]:
    few = task_on(digits().first(200), partial(mlp, 64, 32), batch=50, steps=200, called="few")
    tasks = [replace(few, name="200 digits, MLP")]
    if full:
        more = task_on(fashion().first(2000), partial(mlp, 784, 64), batch=50, steps=800)
        tasks.append(replace(more, name="2,000 of Fashion-MNIST, MLP"))
    return tasks


CLAIM = Claim(
    name="weight-decay-is-not-l2-for-adam",
    topic="weight decay",
    statement="For Adam, unlike for SGD, weight decay is not an L2 penalty.",
    source="Loshchilov and Hutter 2019, arXiv:1711.05101",
    design=(
        "A network learns few examples with AdamW (decoupled) and with Adam and a penalty. At one "
        f"rate, {LR:g}, which of {len(PENALTIES)} penalties from 1e-4 to 0.1 ends nearest to a "
        f"decoupled decay of {DECAY:g}? And over three rates and coefficients from 1e-3 to 10, "
        "linear to 0: which coefficient doubles the loss, and how good is the best pair?"
    ),
    figures=(
        Figure(
            name="distance",
            says="between the last weights of both, over the way",
            low=0.1,
        ),
        Figure(name="to itself", says="the same to a run begun 1e-6 apart"),
        Figure(
            name="factor",
            says="coefficient that doubles the loss, decoupled over penalty",
            low=3.0,
            unit="x",
        ),
        Figure(name="loss", says="AdamW's best over the best with a penalty", unit="x"),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=6,
    tasks=_tasks,
    remark=(
        "The paper also says that decoupled decay generalises better: the loss at both best pairs "
        "stands beside. A coefficient never carries over from Adam(weight_decay=...) to AdamW."
    ),
    axes=("coefficient", "validation loss at the best rate"),
)
