"""Simulated mixed linear regression: exact, with common random numbers for all rates.

The inner rate a enters the solution only through polynomials: the rows of the outer problem are
B = V - a Q with V the outer inputs and Q = V X'X / n, and its targets are g - a f. So a few small
matrices are kept of each draw, and each rate costs one small solve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._checks import check_seed
from learnrate._errors import ArgumentError
from learnrate._progress import ProgressBar
from learnrate.meta.theory._problem import OVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.meta.theory._problem import Regression

__all__ = ["Paired", "SimulatedOptimum", "Simulation", "simulate"]

_CHUNK_BYTES = 64e6
_MOST_BYTES = 2e9
_FOLDS = 20
_SEARCHED = np.linspace(-3.0, 3.0, 31)


@dataclass(frozen=True)
class Paired:
    """A mean over draws, with its standard error."""

    mean: float
    error: float


@dataclass(frozen=True)
class SimulatedOptimum:
    """The inner rate with the lowest or highest simulated loss, with its jackknife error."""

    inner_lr: float
    error: float


@dataclass(frozen=True)
class _Draws:
    """The parts of the solutions of some draws, as coefficients of a^0, a^1, a^2.

    Attributes:
        gram: BB' if over-parameterised, B'B if under-parameterised, shape (3, draws, k, k).
        right: the right-hand side, r or B'r, with r the targets minus B times the initial weights.
        along: B times the initial weights if over-parameterised, else zeros, shape (3, draws, k).
    """

    gram: np.ndarray
    right: np.ndarray
    along: np.ndarray


@dataclass(frozen=True)
class Simulation:
    """Draws of a problem's meta-training sets, which can be solved at any inner rate.

    The loss on new tasks is not sampled: for given trained weights, its mean over tasks, noise and
    points is known exactly. The only randomness is that of the meta-training sets, which are the
    same at every rate.

    Attributes:
        problem: the problem.
        runs: the number of draws.
        seed: the seed of the draws.
    """

    problem: Regression
    runs: int
    seed: int
    _draws: tuple[_Draws, ...]

    def spreads(self, inner_lr: float) -> np.ndarray:
        """The mean squared distance from each run's weights to those of a new task, shape (runs,)."""
        solve = _solved_over if self.problem.regime == OVER else _solved_under
        distances = [solve(draws, inner_lr, self.problem.start) for draws in self._draws]
        return np.concatenate(distances) + self.problem.nu**2

    def losses(self, inner_lr: float, adapt_lr: float) -> np.ndarray:
        """Each run's average test loss, shape (runs,)."""
        return self.problem.loss_at(self.spreads(inner_lr), adapt_lr)

    def loss(self, inner_lr: float, adapt_lr: float) -> Paired:
        """The mean test loss over runs."""
        return _paired(self.losses(inner_lr, adapt_lr))

    def gain(self, inner_lr: float, over: float, adapt_lr: float) -> Paired:
        """The mean difference of the loss at `inner_lr` and at `over`, paired by draw.

        Args:
            inner_lr: the inner rate.
            over: the inner rate that it is compared with; below 0, `inner_lr` is better.
            adapt_lr: the adaptation rate of both.
        """
        return _paired(self.losses(inner_lr, adapt_lr) - self.losses(over, adapt_lr))

    def best_inner_lr(self) -> SimulatedOptimum:
        """The inner rate with the lowest mean loss. It does not depend on the adaptation rate."""
        return self._extreme(sign=1.0)

    def worst_inner_lr(self) -> SimulatedOptimum:
        """The inner rate with the highest mean loss."""
        return self._extreme(sign=-1.0)

    def best_adapt_lr(self, inner_lr: float) -> float:
        """The adaptation rate with the lowest mean loss for weights trained at `inner_lr`."""
        return self.problem.best_adapt_lr_at(float(self.spreads(inner_lr).mean()))

    def _extreme(self, sign: float) -> SimulatedOptimum:
        """The vertex of a parabola through ever closer rates, with a jackknife over folds of runs."""
        rates = _SEARCHED
        for _ in range(3):
            means = np.array([sign * self.spreads(float(a)).mean() for a in rates])
            centre, step = float(rates[np.argmin(means)]), float(rates[1] - rates[0])
            rates = np.linspace(centre - step, centre + step, 5)
        values = sign * np.stack([self.spreads(float(a)) for a in rates])
        folds = np.array_split(np.arange(self.runs), min(_FOLDS, self.runs))
        sums = values.sum(axis=1)
        without = [
            _vertex(rates, (sums - values[:, fold].sum(axis=1)) / (self.runs - len(fold)))
            for fold in folds
            if len(fold) < self.runs
        ]
        number = len(without)
        spread = math.sqrt((number - 1) * float(np.var(without))) if number > 1 else math.inf
        return SimulatedOptimum(_vertex(rates, sums / self.runs), spread)


def simulate(
    problem: Regression, runs: int, *, seed: int = 0, progress: bool = True
) -> Simulation:
    """Draw a problem's meta-training sets `runs` times.

    Args:
        problem: the problem to draw.
        runs: the number of draws, at least 2; refused if they would take more than 2 GB.
        seed: the same seed draws the same sets.
        progress: whether to show a progress bar.

    Raises:
        ArgumentError: `runs` is outside its rule.

    Examples:
        >>> from learnrate.meta.theory import FIGURE_2, simulate
        >>> drawn = simulate(FIGURE_2, 500)
        >>> gain = drawn.gain(-1.0, over=0.0, adapt_lr=0.2)
        >>> gain.mean < -4 * gain.error
        True
    """
    check_seed("simulate", seed)
    size = problem.n_val * problem.tasks if problem.regime == OVER else problem.dim
    most = int(_MOST_BYTES / (8 * 3 * size * (size + 2)))
    if not isinstance(runs, int) or isinstance(runs, bool) or not 2 <= runs <= most:
        raise ArgumentError(
            f"simulate(runs=...) must be a whole number from 2 to {most:,}, which take 2 GB; "
            f"got {runs!r}."
        )
    inputs = problem.tasks * (problem.n_train + 3 * problem.n_val) * problem.dim
    chunk = max(1, min(runs, int(_CHUNK_BYTES / (8 * inputs))))
    starts = range(0, runs, chunk)
    seeds = np.random.SeedSequence(seed).spawn(len(starts))
    draws = []
    with ProgressBar(runs, shown=progress) as bar:
        for start, chunk_seed in zip(starts, seeds, strict=True):
            count = min(chunk, runs - start)
            draws.append(_drawn(problem, count, np.random.default_rng(chunk_seed)))
            bar.show(start + count, "simulating")
    return Simulation(problem, runs, seed, tuple(draws))


def _drawn(problem: Regression, runs: int, rng: np.random.Generator) -> _Draws:
    """Draw meta-training sets, with the centre at 0 and the start on the first axis."""
    shape = (runs, problem.tasks)
    weights = problem.nu / math.sqrt(problem.dim) * rng.standard_normal((*shape, problem.dim, 1))
    train = rng.standard_normal((*shape, problem.n_train, problem.dim))
    outer = rng.standard_normal((*shape, problem.n_val, problem.dim))
    labels = train @ weights + problem.sigma * rng.standard_normal((*shape, problem.n_train, 1))
    targets = outer @ weights + problem.sigma * rng.standard_normal((*shape, problem.n_val, 1))
    turned = np.swapaxes(train, -1, -2)
    across = outer @ turned / problem.n_train
    rows = problem.tasks * problem.n_val
    left = outer.reshape(runs, rows, problem.dim)
    moved = (across @ train).reshape(runs, rows, problem.dim)
    first = targets.reshape(runs, rows)
    change = (across @ labels).reshape(runs, rows)
    along = problem.start * np.stack([left[..., 0], -moved[..., 0], np.zeros_like(first)])
    residual = np.stack([first, -change, np.zeros_like(first)]) - along
    if problem.regime == OVER:
        return _Draws(_products(left, moved), residual, along)
    turned_left, turned_moved = np.swapaxes(left, 1, 2), np.swapaxes(moved, 1, 2)
    gram = _products(turned_left, turned_moved)
    right = np.stack(
        [
            _applied(turned_left, residual[0]),
            _applied(turned_left, residual[1]) - _applied(turned_moved, residual[0]),
            -_applied(turned_moved, residual[1]),
        ]
    )
    return _Draws(gram, right, np.zeros_like(right))


def _products(left: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(L - a M)(L - a M)' as coefficients of a^0, a^1, a^2."""
    cross = left @ np.swapaxes(moved, 1, 2)
    return np.stack(
        [
            left @ np.swapaxes(left, 1, 2),
            -cross - np.swapaxes(cross, 1, 2),
            moved @ np.swapaxes(moved, 1, 2),
        ]
    )


def _applied(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.asarray((matrix @ vector[..., None])[..., 0])


def _polynomial_at(coefficients: np.ndarray, rate: float) -> np.ndarray:
    return np.asarray(coefficients[0] + rate * coefficients[1] + rate**2 * coefficients[2])


def _solved_over(draws: _Draws, rate: float, start: float) -> np.ndarray:
    """The squared norm of start + B'G^-1 r, with G = BB'."""
    right = _polynomial_at(draws.right, rate)
    solved = np.linalg.solve(_polynomial_at(draws.gram, rate), right[..., None])[..., 0]
    square = np.einsum("rk,rk->r", right, solved)
    shared = np.einsum("rk,rk->r", _polynomial_at(draws.along, rate), solved)
    return np.asarray(start**2 + 2 * shared + square)


def _solved_under(draws: _Draws, rate: float, start: float) -> np.ndarray:
    """The squared norm of start + (B'B)^-1 B'r."""
    solved = np.linalg.solve(
        _polynomial_at(draws.gram, rate), _polynomial_at(draws.right, rate)[..., None]
    )[..., 0]
    solved[:, 0] += start
    return np.asarray(np.einsum("rk,rk->r", solved, solved))


def _paired(values: np.ndarray) -> Paired:
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    return Paired(float(values.mean()), error)


def _vertex(rates: Sequence[float] | np.ndarray, values: np.ndarray) -> float:
    """Where the parabola fitted to values is lowest; the lowest of them if it has no minimum."""
    centre = float(np.mean(rates))
    slope, curvature = np.polynomial.polynomial.polyfit(np.asarray(rates) - centre, values, 2)[1:]
    if curvature <= 0:
        return float(rates[int(np.argmin(values))])
    return centre - float(slope) / (2 * float(curvature))
