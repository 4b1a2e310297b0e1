"""learnrate's methods: plans at several budgets, runs that plan themselves, and `find`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import learnrate

from .methods import Method, Pick, TrainedRun
from .provenance import code_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell

__all__ = ["METHODS"]


def _version(*packages: str) -> str:
    """The version of a method: it changes with the code of the packages that decide."""
    root = Path(learnrate.__file__).parent
    return f"{learnrate.__version__}+{code_hash(*(root / package for package in packages))}"


def _planned(budget: float | str | None) -> Callable[[Cell, Task, int], Pick]:
    def pick(_: Cell, task: Task, seed: int) -> Pick:
        try:
            plan = learnrate.plan(task, budget=budget, seed=seed, progress=False)
        except learnrate.LearnrateError as refusal:
            return Pick(None, 0.0, str(refusal))
        return Pick(
            rate=plan.peak,
            cost=plan.cost,
            note=str(plan.verdict),
            low=plan.low,
            high=plan.high,
            expected=plan.expected_regret,
        )

    return pick


def _suggested(cell: Cell, task: Task, seed: int) -> Pick:
    test = learnrate.find(task, seed=seed, progress=False)
    return Pick(test.suggestion, float(test.reached.sum()) / cell.total_steps, test.refusal)


def _inside(_: Cell, task: Task, seed: int) -> TrainedRun:
    """A run that plans itself."""
    try:
        trained = learnrate.train(task, plan="inside", seed=seed, progress=False)
    except learnrate.LearnrateError as refusal:
        return TrainedRun(math.inf, 0.0, str(refusal))
    search = trained.inside
    assert search is not None
    changes = ", ".join(f"{test.step}: x{test.rate / test.lr:.2g}" for test in search.tests)
    return TrainedRun(trained.curve.final, search.cost, f"{search.plan.peak:g}; {changes}")


METHODS = [
    Method(
        name="plan, inside the run",
        version=_version("planning", "range_test"),
        train=_inside,
        seeds=2,
    ),
    Method(
        name="plan, default budget",
        version=_version("planning", "range_test"),
        pick=_planned(None),
    ),
    *(
        Method(
            name=f"plan, budget {budget}",
            version=_version("planning", "range_test"),
            pick=_planned(budget),
        )
        for budget in (1.0, 0.7, 0.5, 0.25, 0.1, "10s")
    ),
    Method(name="find, our suggestion", version=_version("range_test"), pick=_suggested),
]
