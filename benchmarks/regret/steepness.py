"""The steepness and the noise of losses, relative to the gain from more updates.

The function that a plan fits is fitted to each stored sweep. Its depth, and the standard deviation of
one run, are divided by the slope between two lengths, one eight times the other: the fall of the
lowest log loss when the number of updates grows by a factor of e. Held-out cells are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from _page import table
from scipy.optimize import least_squares

from learnrate.planning._loss_scale import linex

from . import truth
from .best import Best, best_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .cells import Cell

__all__ = ["Steepness", "fitted", "show"]

_RATIO = (6.0, 12.0)  # of the two lengths; eight, but for rounding
_NEAR = (0.5, 2.3)  # largest log loss above the lowest, and largest log rate above the best
_BOUNDS = ([-9.0, -8.0, -20.0, -2.0], [9.0, 3.0, 20.0, 1.5])
_LEAST_NOISE = 0.005  # two seeds may agree by chance


@dataclass(frozen=True)
class Steepness:
    """A sweep of one length: its lowest log loss, depth, and the standard deviation of one run."""

    steps: int
    level: float
    depth: float
    noise: float


def fitted(sweep: dict[str, Any]) -> Steepness:
    """Least-squares fit of level, depth, optimum and cliff to the mean log losses of a sweep."""
    best = best_of(sweep)
    middle, lowest = math.log(best.rate), float(np.nanmin(best.log_loss))
    near = np.isfinite(best.log_loss) & (best.log_loss - lowest < _NEAR[0])
    near &= best.log_lr - middle < _NEAR[1]
    fits = [_fit(best, near, (lowest, -2.0, middle, cliff)) for cliff in (-0.5, 0.3)]
    level, log_depth = min(fits, key=lambda fit: fit[0])[1][:2]
    return Steepness(sweep["steps"], level, math.exp(log_depth), best.noise + _LEAST_NOISE)


def _fit(
    best: Best, near: np.ndarray, start: tuple[float, ...]
) -> tuple[float, tuple[float, ...]]:
    log_loss = best.log_loss[near]
    error = 0.01 + 0.2 * (log_loss - log_loss.min())

    def residuals(point: np.ndarray) -> np.ndarray:
        shape = linex(best.log_lr[near] - point[2], math.exp(point[3]))
        return np.asarray((point[0] + math.exp(point[1]) * shape - log_loss) / error)

    solution = least_squares(residuals, start, bounds=_BOUNDS)
    return float(solution.cost), tuple(solution.x.tolist())


def _pairs(sweeps: Sequence[Steepness]) -> Iterable[tuple[Steepness, Steepness, float]]:
    """Pairs of lengths, one about eight times the other, with the slope between them."""
    for short in sweeps:
        for long in sweeps:
            if _RATIO[0] <= long.steps / short.steps <= _RATIO[1]:
                slope = (short.level - long.level) / math.log(long.steps / short.steps)
                yield short, long, slope


def show(cells: Sequence[Cell]) -> None:
    """Print one line for each pair of lengths, and a summary."""
    lines, shares = [], []
    for cell in cells:
        stored = None if cell.held_out else truth.read(cell)
        sweeps = [] if stored is None else [fitted(sweep) for sweep in stored["tables"]]
        for short, long, slope in _pairs(sorted(sweeps, key=lambda sweep: sweep.steps)):
            values = (short.depth, long.depth, short.noise, long.noise)
            shares.append([*np.log(values), *np.log(np.array(values) / slope)])
            lines.append([cell.name, str(short.steps), str(long.steps), f"{slope:.3f}"])
            lines[-1] += [f"{value:.3f}" for value in values]
    header = ["cell", "from", "to", "slope", "depth from", "depth to", "noise from", "noise to"]
    print(table(header, lines), end="\n\n")
    middle, deviation = np.exp(np.mean(shares, axis=0)), np.std(shares, axis=0)
    named = zip(header[4:], deviation[:4], middle[4:], deviation[4:], strict=True)
    print(
        table(
            ["log of", "deviation", "over the slope", "deviation then"],
            [[name, *(f"{value:.2f}" for value in values)] for name, *values in named],
        )
    )
