"""The theorem's own setting of meta-learning: mixed linear regression, simulated for claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.meta import theory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._bench import Bench

__all__ = ["drawn_each", "random_problems"]


def drawn_each(
    bench: Bench,
    problem: theory.Regression,
    runs: int,
    read: Callable[[theory.Simulation], Sequence[float]],
) -> np.ndarray:
    """What `read` reads from simulations with each seed, shape (seeds, numbers)."""

    def one(seed: int) -> Sequence[float]:
        return read(theory.simulate(problem, runs, seed=seed, progress=False))

    return np.array(bench.each(one, bench.seeds))


def random_problems(seed: int, count: int = 200) -> list[theory.Regression]:
    """Problems of all sizes, with noise and scatter from little to much, on both sides of n m = p."""
    rng = np.random.default_rng(seed)
    made: list[theory.Regression] = []
    while len(made) < count:
        sizes = np.exp(rng.uniform(0.0, np.log(100.0), 5)).astype(int)
        n_train, n_val, n_adapt, tasks, dim = map(int, sizes)
        if dim == n_val * tasks:
            continue
        sigma, nu = np.exp(rng.uniform(-2.0, 2.0, 2))
        made.append(
            theory.Regression(
                n_train=n_train,
                n_val=n_val,
                n_adapt=n_adapt,
                tasks=tasks,
                dim=dim,
                sigma=float(sigma),
                nu=float(nu),
            )
        )
    return made
