"""The best rate of each group of runs that differ only in their rate. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.scaling._runs import Runs

__all__ = ["GroupOptimum", "find_optima"]

_LOSS_WINDOW = 0.01  # of the lowest loss: near enough for a parabola, and beyond the noise
_MIN_POINTS = 5  # points of a parabola, if the group has as many
_PRIOR = 3.0  # the weight, in points, of the noise of all groups in one group
_HUBER = 1.345  # in standard deviations: 95 % efficient without outliers


@dataclass(frozen=True)
class GroupOptimum:
    """The best rate of a group of runs.

    Attributes:
        factors: what the runs of the group have in common.
        lr: the rate of lowest loss, refined by a parabola if worse rates enclose it.
        log_std: standard error of ln(lr).
        loss: the lowest loss of the group.
        rates: how many rates were tried.
        edge: empty if worse rates enclose the best one; `"lowest"` or `"highest"` if the best one
            is at that end of the rates tried.
    """

    factors: dict[str, float]
    lr: float
    log_std: float
    loss: float
    rates: int
    edge: str


@dataclass(frozen=True)
class _Minimum:
    """The rates around the lowest loss: x is ln(lr) minus that of the best rate.

    y is the loss minus the lowest one, as a share of it.
    """

    x: np.ndarray
    y: np.ndarray


def find_optima(runs: Runs) -> list[GroupOptimum]:
    """The best rate of every group with at least three rates that ended in a finite loss.

    The runs of a group share all factors. Runs that share the rate too (seeds) are averaged; a rate
    at which any of them did not finish is not a candidate. Around the lowest loss, a parabola in
    ln(lr) is fitted to the rates with losses within 1 % of it, or to the five rates with the lowest
    losses if those are more. Points that deviate by more than the noise of all groups have less
    weight (Huber).

    Examples:
        >>> from learnrate.scaling import read_runs
        >>> runs = read_runs({"lr": [0.1, 0.2, 0.4], "loss": [1.2, 1.0, 1.2], "B": [8, 8, 8]})
        >>> [round(group.lr, 3) for group in find_optima(runs)]
        [0.2]
    """
    keys = np.stack([np.ones_like(runs.lr), *runs.factors.values()], axis=1)
    values, group = np.unique(keys, axis=0, return_inverse=True)
    curves = [_curve(runs.lr[group == g], runs.loss[group == g]) for g in range(len(values))]
    usable = [g for g, (_, loss) in enumerate(curves) if np.isfinite(loss).sum() >= 3]
    minima = {g: _minimum(*curves[g]) for g in usable}
    noise = _noise(list(minima.values()))
    optima = []
    for g in usable:
        factors = dict(zip(runs.factors, map(float, values[g, 1:]), strict=True))
        optima.append(_optimum(factors, *curves[g], minima[g], noise))
    return optima


def _curve(lr: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logarithms of the rates, increasing, and the mean loss at each."""
    rates, index = np.unique(lr, return_inverse=True)
    return np.log(rates), np.bincount(index, loss) / np.bincount(index)


def _minimum(log_lr: np.ndarray, loss: np.ndarray) -> _Minimum:
    best = int(np.argmin(loss))
    scale = abs(loss[best]) or 1.0
    first = last = best
    while True:
        neighbours = [i for i in (first - 1, last + 1) if 0 <= i < len(loss)]
        neighbours = [i for i in neighbours if np.isfinite(loss[i])]
        if not neighbours:
            break
        lower = min(neighbours, key=lambda i: float(loss[i]))
        if loss[lower] > loss[best] + _LOSS_WINDOW * scale and last - first + 1 >= _MIN_POINTS:
            break
        first, last = min(first, lower), max(last, lower)
    around = slice(first, last + 1)
    return _Minimum(log_lr[around] - log_lr[best], (loss[around] - loss[best]) / scale)


def _noise(minima: Sequence[_Minimum]) -> float:
    """The standard deviation of a loss about its parabola, as a share of the loss."""
    variances = []
    for minimum in minima:
        freedom = len(minimum.x) - 3
        if freedom > 0:
            parabola = np.polyfit(minimum.x, minimum.y, 2)
            residuals = minimum.y - np.polyval(parabola, minimum.x)
            variances.append(float(np.mean(residuals**2)) * len(residuals) / freedom)
    return float(np.sqrt(np.median(variances))) if variances else 0.0


def _optimum(
    factors: dict[str, float],
    log_lr: np.ndarray,
    loss: np.ndarray,
    minimum: _Minimum,
    noise: float,
) -> GroupOptimum:
    best = int(np.argmin(loss))
    edge = "lowest" if best == 0 else "highest" if best == len(loss) - 1 else ""
    distances = np.diff(log_lr[max(0, best - 1) : best + 2])
    vertex, log_std = 0.0, float(distances.max()) / 2
    if not edge and len(minimum.x) >= 3 and minimum.x[0] < 0 < minimum.x[-1]:
        vertex, log_std = _vertex(minimum, noise, fallback=log_std)
    lr = float(np.exp(log_lr[best] + vertex))
    rates = int(np.isfinite(loss).sum())
    return GroupOptimum(factors, lr, log_std, float(loss[best]), rates, edge)


def _vertex(minimum: _Minimum, noise: float, fallback: float) -> tuple[float, float]:
    """Where the parabola is lowest, and its standard error; the best rate tried if it has none."""
    x, y = minimum.x, minimum.y
    design = np.stack([np.ones_like(x), x, x * x], axis=1)
    weights = np.ones_like(x)
    for _ in range(5):
        weighted = design * weights[:, None]
        solved, *_ = np.linalg.lstsq(weighted, y * weights, rcond=None)
        residuals = np.abs(y - design @ solved)
        weights = np.sqrt(1.0 / np.maximum(1.0, residuals / (_HUBER * noise or np.inf)))
    _, slope, bend = map(float, solved)
    if bend <= 0 or not x[0] <= -slope / (2 * bend) <= x[-1]:
        return 0.0, fallback
    freedom = len(x) - 3
    squares = float(np.sum((weights * residuals) ** 2))
    variance = (squares + _PRIOR * noise**2) / (freedom + _PRIOR)
    gradient = np.array([0.0, -0.5 / bend, 0.5 * slope / bend**2])
    variance *= float(gradient @ np.linalg.inv(weighted.T @ weighted) @ gradient)
    return -slope / (2 * bend), min(float(np.sqrt(variance)), fallback) if noise else fallback / 2
