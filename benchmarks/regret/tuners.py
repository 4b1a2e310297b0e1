"""Optuna's samplers and pruners at the cost of a plan of budget 0.5, rates log-uniform in 1e-6 to 10.

TPE has 16 trials of a thirty-second of the run or 8 of a sixteenth. Hyperband's resource is the
length of a trial, from T/64 to T/16: a trial is repeated from its start with a longer length until it
is pruned. Each trial is annealed over its own length, like the trials of a plan.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .methods import Method, Pick
from .trial_budget import RATES, half_a_run, seed_of_draws, trial_lengths, trial_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell

__all__ = ["METHODS"]


def _study(**options: Any) -> Any:
    import optuna  # noqa: PLC0415 - a peer

    optuna.logging.set_verbosity(logging.ERROR)
    return optuna.create_study(**options)


def _tpe(share: int) -> Callable[[Cell, Task, int], Pick]:
    def pick(cell: Cell, task: Task, seed: int) -> Pick:
        import optuna  # noqa: PLC0415 - a peer

        budget = half_a_run(cell, task, seed)
        steps = trial_steps(cell.total_steps, share)
        study = _study(sampler=optuna.samplers.TPESampler(seed=seed_of_draws(cell, seed)))
        while budget.affords(steps):
            trial = study.ask()
            rate = trial.suggest_float("lr", *RATES, log=True)
            study.tell(trial, budget.loss(rate, steps))
        return budget.answer(cell.total_steps)

    return pick


def _hyperband(cell: Cell, task: Task, seed: int) -> Pick:
    import optuna  # noqa: PLC0415 - a peer

    lengths = list(trial_lengths(cell.total_steps).values())
    pruner = optuna.pruners.HyperbandPruner(
        min_resource=lengths[0], max_resource=lengths[-1], reduction_factor=2
    )
    study = _study(
        sampler=optuna.samplers.TPESampler(seed=seed_of_draws(cell, seed)), pruner=pruner
    )
    budget = half_a_run(cell, task, seed)
    while budget.affords(lengths[0]):
        trial = study.ask()
        rate = trial.suggest_float("lr", *RATES, log=True)
        ended = optuna.trial.TrialState.COMPLETE
        loss = None
        for steps in lengths:
            if not budget.affords(steps):
                break
            loss = budget.loss(rate, steps)
            trial.report(loss, steps)
            if trial.should_prune():
                ended = optuna.trial.TrialState.PRUNED
                break
        study.tell(trial, loss if ended.name == "COMPLETE" else None, state=ended)
    return budget.answer(cell.total_steps)


_VERSION = f"{version('optuna')}, other draws in each cell"

METHODS = [
    Method(name="Optuna TPE, 16 of T/32", version=_VERSION, pick=_tpe(32)),
    Method(name="Optuna TPE, 8 of T/16", version=_VERSION, pick=_tpe(16)),
    Method(name="Optuna Hyperband", version=_VERSION, pick=_hyperband),
]
