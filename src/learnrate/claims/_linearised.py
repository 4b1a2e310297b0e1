"""MAML on a wide two-layer network in its linear regime, solved exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["LinearisedNetwork"]

_UNITS = 60
_TRAIN, _OUTER, _ADAPT, _TASKS = 30, 2, 20, 3
_ADAPT_LR = 0.05

_Pair = tuple[np.ndarray, np.ndarray]
_Weights = tuple[np.ndarray, float]


class _FeatureNetwork:
    """ReLU units with random initial weights; the features are the gradient for the weights."""

    def __init__(self, rng: np.random.Generator, dim: int) -> None:
        self.first = rng.standard_normal((_UNITS, dim)) / math.sqrt(dim)
        self.bias, self.last = rng.standard_normal(_UNITS), rng.standard_normal(_UNITS)

    def features(self, x: np.ndarray) -> np.ndarray:
        hidden = x @ self.first.T + self.bias
        slope = (hidden > 0) * self.last
        of_first = (slope[..., None] * x[..., None, :]).reshape(len(x), -1)
        features = np.concatenate([of_first, slope, np.maximum(hidden, 0)], axis=-1)
        return np.asarray(features / math.sqrt(_UNITS))


@dataclass(frozen=True)
class LinearisedNetwork:
    """Tasks with labels (w.x + b)^2 + z, learned by the linearised network.

    Meta-training has three tasks with 30 inner and 2 outer points, one inner step, and the
    least-norm solution. New tasks adapt in one step with a rate of 0.05 on 20 points.

    Attributes:
        dim: number of inputs.
        centre: weight of the part of w and b that all tasks share.
        scatter: weight of the part that differs between tasks.
        noise: standard deviation of z.
        centred_labels: whether the mean label of all tasks is subtracted. Without this, the inner
            step finds that mean in every task.
    """

    dim: int
    centre: float
    scatter: float
    noise: float
    centred_labels: bool = False

    def losses(self, rates: list[float], seed: int, runs: int, tests: int = 30) -> np.ndarray:
        """The test loss at each inner rate, averaged over `runs` draws; shape (rates,).

        Args:
            rates: inner rates.
            seed: the seed of the draws.
            runs: meta-trainings.
            tests: new tasks for each meta-training.
        """
        draws = [
            self._draw(rates, np.random.default_rng([seed, run]), tests) for run in range(runs)
        ]
        return np.asarray(np.mean(draws, axis=0))

    def _draw(self, rates: list[float], rng: np.random.Generator, tests: int) -> list[float]:
        network = _FeatureNetwork(rng, self.dim)
        common = self._random_weights(rng)
        train_tasks = [self._task(rng, network, common, (_TRAIN, _OUTER)) for _ in range(_TASKS)]
        test_tasks = [self._task(rng, network, common, (_ADAPT, 50)) for _ in range(tests)]
        solutions = [_meta_trained(train_tasks, rate) for rate in rates]
        return [
            float(np.mean([_adapted_loss(weights, *points) for points in test_tasks]))
            for weights in solutions
        ]

    def _random_weights(self, rng: np.random.Generator) -> _Weights:
        return rng.standard_normal(self.dim) / math.sqrt(self.dim), float(rng.standard_normal())

    def _mean(self, common: _Weights) -> float:
        """The mean label of all tasks that share these weights."""
        return float(
            self.centre**2 * (common[0] @ common[0] + common[1] ** 2) + 2 * self.scatter**2
        )

    def _task(
        self,
        rng: np.random.Generator,
        network: _FeatureNetwork,
        common: _Weights,
        points: tuple[int, int],
    ) -> tuple[_Pair, _Pair]:
        """The points that a task adapts on, and those that it is tested on."""
        particular = self._random_weights(rng)
        slope = self.centre * common[0] + self.scatter * particular[0]
        bias = self.centre * common[1] + self.scatter * particular[1]
        mean = self._mean(common) if self.centred_labels else 0.0

        def draw(count: int) -> _Pair:
            x = rng.standard_normal((count, self.dim))
            labels = (x @ slope + bias) ** 2 - mean + self.noise * rng.standard_normal(count)
            return network.features(x), labels

        return draw(points[0]), draw(points[1])


def _meta_trained(tasks: list[tuple[_Pair, _Pair]], rate: float) -> np.ndarray:
    """The least-norm weights that minimise the outer loss after one inner step."""
    rows, targets = [], []
    for (x, y), (outer_x, outer_y) in tasks:
        kernel = outer_x @ x.T * (rate / len(x))
        rows.append(outer_x - kernel @ x)
        targets.append(outer_y - kernel @ y)
    solution = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets), rcond=None)
    return np.asarray(solution[0])


def _adapted_loss(weights: np.ndarray, adaptation: _Pair, test: _Pair) -> float:
    """The loss on the test points after one step on the points for adaptation."""
    x, y = adaptation
    adapted = weights - _ADAPT_LR / len(x) * (x @ weights - y) @ x
    return 0.5 * float(np.mean((test[0] @ adapted - test[1]) ** 2))
