"""MAML on a wide two-layer network in its linear regime, solved exactly: for claims."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Linearised"]

_UNITS = 60
_TRAIN, _OUTER, _ADAPT, _TASKS = 30, 2, 20, 3
_ADAPT_LR = 0.05

_Pair = tuple[np.ndarray, np.ndarray]
_Weights = tuple[np.ndarray, float]


class _Network:
    """ReLU units at random first weights; its features are the gradient for its weights."""

    def __init__(self, rng: np.random.Generator, dim: int) -> None:
        self.first = rng.standard_normal((_UNITS, dim)) / math.sqrt(dim)
        self.bias, self.last = rng.standard_normal(_UNITS), rng.standard_normal(_UNITS)

    def features(self, x: np.ndarray) -> np.ndarray:
        hidden = x @ self.first.T + self.bias
        slope = (hidden > 0) * self.last
        of_first = (slope[..., None] * x[..., None, :]).reshape(len(x), -1)
        made = np.concatenate([of_first, slope, np.maximum(hidden, 0)], axis=-1)
        return np.asarray(made / math.sqrt(_UNITS))


@dataclass(frozen=True)
class Linearised:
    """Tasks with labels (w.x + b)^2 + z, learned by the linearised network.

    Three tasks of 30 inner and 2 outer points are meta-trained on in one inner step, with the
    least-norm solution; new ones adapt in one step at 0.05 on 20 points.

    Attributes:
        dim: of the inputs.
        centre: the share of w and b that all tasks have in common.
        scatter: the share of their own.
        noise: standard deviation of z.
        level: whether the mean label of all tasks is taken off, which an inner step would else
            find in every task alike.
    """

    dim: int
    centre: float
    scatter: float
    noise: float
    level: bool = False

    def losses(self, rates: list[float], seed: int, runs: int, tests: int = 30) -> np.ndarray:
        """The test loss at each inner rate, the mean of `runs` drawings; shape (rates,)."""
        drawn = [
            self._once(rates, np.random.default_rng([seed, run]), tests) for run in range(runs)
        ]
        return np.asarray(np.mean(drawn, axis=0))

    def _once(self, rates: list[float], rng: np.random.Generator, tests: int) -> list[float]:
        network = _Network(rng, self.dim)
        common = self._drawn_weights(rng)
        seen = [self._task(rng, network, common, (_TRAIN, _OUTER)) for _ in range(_TASKS)]
        new = [self._task(rng, network, common, (_ADAPT, 50)) for _ in range(tests)]
        solved = [_meta_trained(seen, rate) for rate in rates]
        return [
            float(np.mean([_adapted_loss(weights, *one) for one in new])) for weights in solved
        ]

    def _drawn_weights(self, rng: np.random.Generator) -> _Weights:
        return rng.standard_normal(self.dim) / math.sqrt(self.dim), float(rng.standard_normal())

    def _mean(self, common: _Weights) -> float:
        """Of the labels of all tasks, which have these weights in common."""
        return float(
            self.centre**2 * (common[0] @ common[0] + common[1] ** 2) + 2 * self.scatter**2
        )

    def _task(
        self,
        rng: np.random.Generator,
        network: _Network,
        common: _Weights,
        points: tuple[int, int],
    ) -> tuple[_Pair, _Pair]:
        """The points that a task adapts on, and those it is scored on."""
        own = self._drawn_weights(rng)
        slope = self.centre * common[0] + self.scatter * own[0]
        bias = self.centre * common[1] + self.scatter * own[1]

        mean = self._mean(common) if self.level else 0.0

        def draw(count: int) -> _Pair:
            x = rng.standard_normal((count, self.dim))
            labels = (x @ slope + bias) ** 2 - mean + self.noise * rng.standard_normal(count)
            return network.features(x), labels

        return draw(points[0]), draw(points[1])


def _meta_trained(seen: list[tuple[_Pair, _Pair]], rate: float) -> np.ndarray:
    """The least-norm weights that minimise the outer loss after one inner step."""
    rows, targets = [], []
    for (x, y), (far, label) in seen:
        across = far @ x.T * (rate / len(x))
        rows.append(far - across @ x)
        targets.append(label - across @ y)
    solved = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets), rcond=None)
    return np.asarray(solved[0])


def _adapted_loss(weights: np.ndarray, near: _Pair, far: _Pair) -> float:
    x, y = near
    adapted = weights - _ADAPT_LR / len(x) * (x @ weights - y) @ x
    return 0.5 * float(np.mean((far[0] @ adapted - far[1]) ** 2))
