"""SMAC's facades at the cost of a plan of budget 0.5, rates log-uniform in 1e-6 to 10.

Hyperband draws its rates at random. The multi-fidelity facade is Hyperband whose rates come from a
random forest, and the facade for hyper-parameters is the forest with trials of one length. They are
asked and told; everything but the reduction factor, 2 as Optuna's, is as SMAC sets it.
"""

from __future__ import annotations

import logging
import tempfile
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .methods import Method, Pick
from .trial_budget import RATES, half_a_run, seed_of_draws, trial_lengths, trial_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell
    from .trial_budget import TrialBudget

__all__ = ["METHODS"]

_ETA = 2  # of Hyperband


def _scenario(folder: str, cell: Cell, seed: int, **options: Any) -> Any:
    from ConfigSpace import ConfigurationSpace, Float  # noqa: PLC0415 - a peer
    from smac import Scenario  # noqa: PLC0415 - a peer

    logging.getLogger("smac").setLevel(logging.ERROR)
    space = ConfigurationSpace()
    space.add(Float("lr", RATES, log=True))
    options |= {"output_directory": folder, "seed": seed_of_draws(cell, seed)}
    return Scenario(space, deterministic=True, **options)


def _spend(facade: Any, budget: TrialBudget, steps_of: Callable[[Any], int]) -> None:
    """Ask for trials until one is too long for what is left."""
    from smac.runhistory.dataclasses import TrialValue  # noqa: PLC0415 - a peer

    while True:
        trial = facade.ask()
        steps = steps_of(trial)
        if not budget.affords(steps):
            return
        loss = budget.loss(float(trial.config["lr"]), steps)
        facade.tell(trial, TrialValue(cost=loss), save=False)


def _hyperband(facade_name: str) -> Callable[[Cell, Task, int], Pick]:
    def pick(cell: Cell, task: Task, seed: int) -> Pick:
        import smac  # noqa: PLC0415 - a peer
        from smac.intensifier.hyperband_utils import (  # noqa: PLC0415
            determine_hyperband_for_multifidelity,
        )

        lengths = trial_lengths(cell.total_steps)
        budget = half_a_run(cell, task, seed)
        resources = {"min_budget": min(lengths), "max_budget": max(lengths)}
        resource_in_all = budget.allowed / lengths[1]
        rounds = determine_hyperband_for_multifidelity(resource_in_all, eta=_ETA, **resources)
        kind = getattr(smac, facade_name)
        with tempfile.TemporaryDirectory() as folder:
            scenario = _scenario(folder, cell, seed, n_trials=rounds["n_trials"], **resources)
            intensifier = kind.get_intensifier(scenario, eta=_ETA)
            facade = kind(scenario, intensifier=intensifier, logging_level=False)
            _spend(facade, budget, lambda trial: lengths[int(trial.budget)])
        return budget.answer(cell.total_steps)

    return pick


def _forest(share: int) -> Callable[[Cell, Task, int], Pick]:
    def pick(cell: Cell, task: Task, seed: int) -> Pick:
        from smac import HyperparameterOptimizationFacade  # noqa: PLC0415 - a peer

        budget = half_a_run(cell, task, seed)
        steps = trial_steps(cell.total_steps, share)
        with tempfile.TemporaryDirectory() as folder:
            scenario = _scenario(folder, cell, seed, n_trials=budget.allowed // steps)
            facade = HyperparameterOptimizationFacade(scenario, logging_level=False)
            _spend(facade, budget, lambda _: steps)
        return budget.answer(cell.total_steps)

    return pick


METHODS = [
    Method(name="SMAC, 16 of T/32", version=version("smac"), pick=_forest(32)),
    Method(name="SMAC Hyperband", version=version("smac"), pick=_hyperband("HyperbandFacade")),
    Method(
        name="SMAC multi-fidelity",
        version=version("smac"),
        pick=_hyperband("MultiFidelityFacade"),
    ),
]
