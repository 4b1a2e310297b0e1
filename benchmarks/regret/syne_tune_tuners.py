"""Syne Tune's schedulers at the cost of a plan of budget 0.5, rates log-uniform in 1e-6 to 10.

ASHA, asynchronous successive halving, draws its rates at random, or from conformal quantile
regression (CQR), which also runs with trials of one length. The schedulers are driven as Syne
Tune's own tuner drives them, one trial at a time; everything but the reduction factor, 2 as
Optuna's, is as Syne Tune sets it.
"""

from __future__ import annotations

import datetime as dt
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from learnrate.trials import preserved, seed_everything

from .methods import Method, Pick
from .trial_budget import RATES, half_a_run, seed_of_draws, trial_lengths, trial_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell
    from .trial_budget import TrialBudget

__all__ = ["METHODS"]


def _space() -> dict[str, Any]:
    from syne_tune.config_space import loguniform  # noqa: PLC0415 - a peer

    logging.getLogger("syne_tune").setLevel(logging.ERROR)
    return {"lr": loguniform(*RATES)}


def _asha(baseline: str) -> Callable[[Cell, Task, int], Pick]:
    def pick(cell: Cell, task: Task, seed: int) -> Pick:
        from syne_tune.optimizer import baselines  # noqa: PLC0415 - a peer

        lengths = trial_lengths(cell.total_steps)
        budget, draws = half_a_run(cell, task, seed), seed_of_draws(cell, seed)
        with preserved(task):
            seed_everything(draws)  # it also draws from numpy's global generator
            scheduler = getattr(baselines, baseline)(
                _space(),
                metric="loss",
                time_attr="resource",
                max_t=max(lengths),
                reduction_factor=2,
                random_seed=draws,
            )
            number = 0
            while budget.affords(lengths[1]):
                _climb(scheduler, number, budget, lengths)
                number += 1
        return budget.answer(cell.total_steps)

    return pick


def _climb(scheduler: Any, number: int, budget: TrialBudget, lengths: dict[int, int]) -> None:
    """Train at the next rate, longer and longer until the scheduler or the budget stops it."""
    from syne_tune.backend.trial_status import Trial  # noqa: PLC0415 - a peer
    from syne_tune.optimizer.scheduler import SchedulerDecision  # noqa: PLC0415 - a peer

    config = scheduler.suggest().config
    trial = Trial(number, config, dt.datetime.now(dt.UTC))
    scheduler.on_trial_add(trial)
    for resource, steps in lengths.items():
        if not budget.affords(steps):
            break
        result = {"loss": budget.loss(config["lr"], steps), "resource": resource}
        if scheduler.on_trial_result(trial, result) != SchedulerDecision.CONTINUE:
            break
    scheduler.on_trial_remove(trial)


def _one_length(baseline: str, share: int) -> Callable[[Cell, Task, int], Pick]:
    def pick(cell: Cell, task: Task, seed: int) -> Pick:
        from syne_tune.optimizer import baselines  # noqa: PLC0415 - a peer
        from syne_tune.optimizer.schedulers.ask_tell_scheduler import (  # noqa: PLC0415 - a peer
            AskTellScheduler,
        )

        budget, draws = half_a_run(cell, task, seed), seed_of_draws(cell, seed)
        steps = trial_steps(cell.total_steps, share)
        with preserved(task):
            seed_everything(draws)  # it also draws from numpy's global generator
            scheduler = AskTellScheduler(
                getattr(baselines, baseline)(_space(), metric="loss", random_seed=draws)
            )
            while budget.affords(steps):
                trial = scheduler.ask()
                scheduler.tell(trial, {"loss": budget.loss(trial.config["lr"], steps)})
        return budget.answer(cell.total_steps)

    return pick


METHODS = [
    Method(
        name="Syne Tune CQR, 16 of T/32", version=version("syne-tune"), pick=_one_length("CQR", 32)
    ),
    Method(name="Syne Tune ASHA", version=version("syne-tune"), pick=_asha("ASHA")),
    Method(name="Syne Tune ASHA with CQR", version=version("syne-tune"), pick=_asha("ASHACQR")),
]
