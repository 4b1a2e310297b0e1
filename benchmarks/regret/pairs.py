"""Plans beside other methods that cost about as much, cell by cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .scores import Score

__all__ = ["PAIRS", "mean_excess", "pair_lines"]

_HALF = (
    "Optuna TPE, 16 of T/32",
    "Optuna TPE, 8 of T/16",
    "SMAC, 16 of T/32",
    "Syne Tune CQR, 16 of T/32",
    "Optuna Hyperband",
    "SMAC Hyperband",
    "SMAC multi-fidelity",
    "Syne Tune ASHA",
)
PAIRS = (
    *(("plan, budget 0.5", peer) for peer in _HALF),
    ("plan, budget 0.7", "plain grid, 5 of T/10"),
    ("plan, budget 1.0", "plain grid, 5 of T/5"),
)
"""A plan, and a method that costs about as much or more."""


def pair_lines(
    scored: Sequence[Score], pairs: Iterable[tuple[str, str]] = PAIRS
) -> list[list[str]]:
    """Lines of a table: in how many cells the plan ends lower than the other method, and higher.

    The losses of a cell are the means of all seeds of a method. A method without an answer, or whose
    run diverged, counts as infinite.
    """
    lines = []
    for plan, peer in pairs:
        of_plan, of_peer = mean_excess(scored, plan), mean_excess(scored, peer)
        shared = sorted(of_plan.keys() & of_peer.keys())
        lower = sum(of_plan[cell] < of_peer[cell] for cell in shared)
        higher = sum(of_plan[cell] > of_peer[cell] for cell in shared)
        costs = [f"{_mean_cost(scored, method):.2f}" for method in (plan, peer)]
        lines.append([plan, costs[0], peer, costs[1], str(len(shared)), str(lower), str(higher)])
    return lines


def mean_excess(scored: Sequence[Score], method: str) -> dict[str, float]:
    """The mean excess of a method over its seeds, by the name of the cell."""
    by_cell: dict[str, list[float]] = {}
    for score in scored:
        if score.method == method:
            excess = math.inf if score.excess is None else score.excess
            by_cell.setdefault(score.cell.name, []).append(excess)
    return {cell: float(np.mean(excesses)) for cell, excesses in by_cell.items()}


def _mean_cost(scored: Sequence[Score], method: str) -> float:
    return float(np.mean([score.cost for score in scored if score.method == method]))
