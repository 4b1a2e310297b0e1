"""The best rate of each group of runs that differ in their rate alone. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.scaling._runs import Runs

__all__ = ["Optimum", "find_optima"]

_WITHIN = 0.01  # of the lowest loss: near enough for a parabola, far enough to see above the noise
_FEWEST = 5  # points of a parabola, if there are as many
_PRIOR = 3.0  # how many points the noise seen in all groups counts in one
_HUBER = 1.345  # in standard deviations: 95 % efficient where nothing is an outlier


@dataclass(frozen=True)
class Optimum:
    """The best rate of one group.

    Attributes:
        factors: what the runs of the group have in common.
        lr: the rate of lowest loss, refined by a parabola where it is enclosed.
        sd: standard error of ln(lr).
        loss: the lowest loss of the group.
        rates: how many rates were tried.
        edge: empty where worse rates enclose the best one; `"lowest"` or `"highest"` where the best
            is at that end of what was tried.
    """

    factors: dict[str, float]
    lr: float
    sd: float
    loss: float
    rates: int
    edge: str


@dataclass(frozen=True)
class _Valley:
    """The runs around the lowest loss: x in ln(lr) from the best one, y in its loss."""

    x: np.ndarray
    y: np.ndarray


def find_optima(runs: Runs) -> list[Optimum]:
    """The best rate of every group with at least three rates that ended in a finite loss.

    A group is the runs that share all factors. Runs that share the rate too (seeds) are averaged;
    a rate that any of them did not finish at is not a candidate. Around the lowest loss, a parabola
    in ln(lr) is fitted to the rates with losses within 1 % of it, or to the five nearest in loss if
    those are more. Points off by more than the noise seen in all groups count less (Huber).
    """
    keys = np.stack([np.ones_like(runs.lr), *runs.factors.values()], axis=1)
    values, group = np.unique(keys, axis=0, return_inverse=True)
    curves = [_curve(runs.lr[group == g], runs.loss[group == g]) for g in range(len(values))]
    wanted = [g for g, (_, y) in enumerate(curves) if np.isfinite(y).sum() >= 3]
    valleys = {g: _valley(*curves[g]) for g in wanted}
    noise = _noise(list(valleys.values()))
    found = []
    for g in wanted:
        shared = dict(zip(runs.factors, map(float, values[g, 1:]), strict=True))
        found.append(_optimum(shared, *curves[g], valleys[g], noise))
    return found


def _curve(lr: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates in ln, increasing, and the mean loss at each."""
    rates, at = np.unique(lr, return_inverse=True)
    return np.log(rates), np.bincount(at, loss) / np.bincount(at)


def _valley(x: np.ndarray, y: np.ndarray) -> _Valley:
    best = int(np.argmin(y))
    scale = abs(y[best]) or 1.0
    low = high = best
    while True:
        beside = [at for at in (low - 1, high + 1) if 0 <= at < len(y) and np.isfinite(y[at])]
        if not beside:
            break
        nearest = min(beside, key=lambda at: float(y[at]))
        if y[nearest] > y[best] + _WITHIN * scale and high - low + 1 >= _FEWEST:
            break
        low, high = min(low, nearest), max(high, nearest)
    around = slice(low, high + 1)
    return _Valley(x[around] - x[best], (y[around] - y[best]) / scale)


def _noise(valleys: Sequence[_Valley]) -> float:
    """The standard deviation of a loss about its parabola, as a share of the loss."""
    found = []
    for valley in valleys:
        spare = len(valley.x) - 3
        if spare > 0:
            off = valley.y - np.polyval(np.polyfit(valley.x, valley.y, 2), valley.x)
            found.append(float(np.mean(off**2)) * len(off) / spare)
    return float(np.sqrt(np.median(found))) if found else 0.0


def _optimum(
    shared: dict[str, float], x: np.ndarray, y: np.ndarray, valley: _Valley, noise: float
) -> Optimum:
    best = int(np.argmin(y))
    edge = "lowest" if best == 0 else "highest" if best == len(y) - 1 else ""
    steps = np.diff(x[max(0, best - 1) : best + 2])
    place, sd = 0.0, float(steps.max()) / 2
    if not edge and len(valley.x) >= 3 and valley.x[0] < 0 < valley.x[-1]:
        place, sd = _vertex(valley, noise, fallback=sd)
    return Optimum(
        shared, float(np.exp(x[best] + place)), sd, float(y[best]), int(np.isfinite(y).sum()), edge
    )


def _vertex(valley: _Valley, noise: float, fallback: float) -> tuple[float, float]:
    """Where the parabola is lowest and how well that is known; the grid's point if it has none."""
    x, y = valley.x, valley.y
    design = np.stack([np.ones_like(x), x, x * x], axis=1)
    weights = np.ones_like(x)
    for _ in range(5):
        heavy = design * weights[:, None]
        solved, *_ = np.linalg.lstsq(heavy, y * weights, rcond=None)
        off = np.abs(y - design @ solved)
        weights = np.sqrt(1.0 / np.maximum(1.0, off / (_HUBER * noise or np.inf)))
    _, slope, bend = map(float, solved)
    if bend <= 0 or not x[0] <= -slope / (2 * bend) <= x[-1]:
        return 0.0, fallback
    spare = len(x) - 3
    variance = (float(np.sum((weights * off) ** 2)) + _PRIOR * noise**2) / (spare + _PRIOR)
    gradient = np.array([0.0, -0.5 / bend, 0.5 * slope / bend**2])
    spread = variance * float(gradient @ np.linalg.inv(heavy.T @ heavy) @ gradient)
    return -slope / (2 * bend), min(float(np.sqrt(spread)), fallback) if noise else fallback / 2
