"""Rows against the truth: ratio and excess of each, and what a method's rows come to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import rows, truth
from .best import Best, best_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .cells import Cell

__all__ = ["Score", "Summary", "bests", "quantile", "scores", "summaries"]

_TWICE = 1.0  # the excess of a loss twice the best


@dataclass(frozen=True)
class Score:
    """One row of a method, judged.

    Attributes:
        cell: where.
        method: whose.
        seed: of the method.
        ratio: the chosen rate over the best one; None where it chose none.
        excess: the loss over the best one, less 1; infinite if diverged, None without an answer.
        error: the standard error of the excess.
        cost: updates made before the run, as a share of it.
        covered: whether its interval holds the best rate; None without an interval.
        width: the upper end of its interval over the lower.
        note: its own verdict, or why it refused.
    """

    cell: Cell
    method: str
    seed: int
    ratio: float | None
    excess: float | None
    error: float
    cost: float
    covered: bool | None
    width: float | None
    note: str


@dataclass(frozen=True)
class Summary:
    """What a method's rows come to. Excesses of rows that diverged count as infinite."""

    method: str
    rows: int
    refused: int
    diverged: float
    twice: float
    ratios: tuple[float, float] | None
    median: float
    ninth: float
    worst: float
    cost: float
    coverage: float | None
    width: float | None


def bests(cells: Iterable[Cell]) -> dict[str, Best]:
    """The best rate of every cell whose truth is known."""
    found = ((cell.name, truth.read(cell)) for cell in cells)
    return {name: best_of(known["tables"][0]) for name, known in found if known is not None}


def scores(cells: Sequence[Cell]) -> list[Score]:
    """Every stored row of these cells, judged."""
    by_name, known = {cell.name: cell for cell in cells}, bests(cells)
    stored = [row for row in rows.read().values() if row["cell"] in known]
    return [_scored(by_name[row["cell"]], known[row["cell"]], row) for row in stored]


def _scored(cell: Cell, best: Best, row: dict[str, Any]) -> Score:
    runs = {int(seed): rows.finite(loss) for seed, loss in row["finals"].items()}
    excess, error = best.excess(runs) if runs else (None, 0.0)
    low, high, rate = row["low"], row["high"], row["rate"]
    stated = low is not None and high is not None
    return Score(
        cell=cell,
        method=row["method"],
        seed=row["seed"],
        ratio=None if rate is None else rate / best.rate,
        excess=excess,
        error=error,
        cost=row["cost"],
        covered=low <= best.rate <= high if stated else None,
        width=high / low if stated else None,
        note=row["note"],
    )


def summaries(judged: Sequence[Score]) -> list[Summary]:
    """One summary a method, the lowest median first."""
    methods = dict.fromkeys(score.method for score in judged)
    found = [_summary(name, [one for one in judged if one.method == name]) for name in methods]
    return sorted(found, key=lambda one: (one.median, one.ninth))


def _summary(method: str, own: Sequence[Score]) -> Summary:
    answered = np.array([one.excess for one in own if one.excess is not None])
    ratios = [one.ratio for one in own if one.ratio is not None]
    covered = [one.covered for one in own if one.covered is not None]
    widths = [one.width for one in own if one.width is not None]
    none = len(answered) == 0
    return Summary(
        method=method,
        rows=len(own),
        refused=len(own) - len(answered),
        diverged=0.0 if none else float(np.isinf(answered).mean()),
        twice=0.0 if none else float((np.isfinite(answered) & (answered > _TWICE)).mean()),
        ratios=(min(ratios), max(ratios)) if ratios else None,
        median=math.inf if none else quantile(answered, 0.5),
        ninth=math.inf if none else quantile(answered, 0.9),
        worst=math.inf if none else float(answered.max()),
        cost=float(np.mean([one.cost for one in own])),
        coverage=float(np.mean(covered)) if covered else None,
        width=float(np.median(widths)) if widths else None,
    )


def quantile(values: np.ndarray, share: float) -> float:
    """The smallest value that at least this share of them does not exceed; infinities are fine."""
    return float(np.quantile(values, share, method="inverted_cdf"))
