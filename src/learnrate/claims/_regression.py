"""The setting of Bernacchia's theorem on meta-learning: mixed linear regression, simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._measurement import Case
from learnrate.meta import theory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._trials import ClaimTrials

__all__ = ["readings", "share_of_random_problems"]


def readings(
    trials: ClaimTrials,
    problem: theory.Regression,
    runs: int,
    read: Callable[[theory.Simulation], Sequence[float]],
) -> np.ndarray:
    """Numbers from a simulation with each seed, shape (seeds, numbers).

    Args:
        trials: the seeds.
        problem: what is simulated.
        runs: meta-trainings in a simulation.
        read: gives the numbers of a simulation.
    """

    def simulate(seed: int) -> Sequence[float]:
        return read(theory.simulate(problem, runs, seed=seed, progress=False))

    return np.array(trials.parallel_map(simulate, trials.seeds))


def share_of_random_problems(
    trials: ClaimTrials, confirms: Callable[[theory.Regression], bool]
) -> Case:
    """The share of 200 random problems a seed for which the formula confirms a claim."""
    shares = [
        float(np.mean([confirms(problem) for problem in _random_problems(seed)]))
        for seed in trials.seeds
    ]
    return Case("share", "random problems, by formula", shares)


def _random_problems(seed: int, count: int = 200) -> list[theory.Regression]:
    """Problems of random sizes, noise and scatter, on both sides of n m = p."""
    rng = np.random.default_rng(seed)
    problems: list[theory.Regression] = []
    while len(problems) < count:
        sizes = np.exp(rng.uniform(0.0, np.log(100.0), 5)).astype(int)
        n_train, n_val, n_adapt, tasks, dim = map(int, sizes)
        if dim == n_val * tasks:
            continue
        sigma, nu = map(float, np.exp(rng.uniform(-2.0, 2.0, 2)))
        problems.append(
            theory.Regression(
                n_train=n_train,
                n_val=n_val,
                n_adapt=n_adapt,
                tasks=tasks,
                dim=dim,
                sigma=sigma,
                nu=nu,
            )
        )
    return problems
