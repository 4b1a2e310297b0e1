"""Rows compared with the truth: ratio and excess of each row, and a summary of each method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import rows, truth
from .best import Best, best_of
from .methods import fitted_domains

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .cells import Cell

__all__ = ["Score", "Summary", "bests", "percent", "quantile", "scores", "summaries"]

_TWICE = 1.0  # the excess of a loss twice the best


@dataclass(frozen=True)
class Score:
    """A row of a method, compared with the truth.

    Attributes:
        cell: the cell of the row.
        method: the name of the method.
        seed: the seed of the method.
        ratio: the chosen rate over the best one; None if it chose none.
        excess: the loss over the best one, less 1; infinite if a run diverged, None without an
            answer.
        error: the standard error of the excess.
        cost: updates made before the run, as a share of it.
        covered: whether its interval contains the best rate; None without an interval.
        possible: whether it contains a rate that the truth cannot tell from the best; None likewise.
        width: the upper end of its interval over the lower.
        note: its verdict, or why it gave no answer.
        expected: the excess that the method expected; None if it stated none.
    """

    cell: Cell
    method: str
    seed: int
    ratio: float | None
    excess: float | None
    error: float
    cost: float
    covered: bool | None
    possible: bool | None
    width: float | None
    note: str
    expected: float | None = None

    @property
    def left_out(self) -> bool:
        """Whether the method was fitted without the domain of the cell."""
        return self.cell.domain not in fitted_domains(self.method)


@dataclass(frozen=True)
class Summary:
    """A summary of a method's rows. The excess of a row that diverged counts as infinite."""

    method: str
    cells: int
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
    """The best rate of every cell whose truth is stored."""
    pairs = ((cell.name, truth.read(cell)) for cell in cells)
    return {name: best_of(stored["tables"][0]) for name, stored in pairs if stored is not None}


def scores(cells: Sequence[Cell]) -> list[Score]:
    """The scores of all stored rows of these cells."""
    by_name, best = {cell.name: cell for cell in cells}, bests(cells)
    stored = [row for row in rows.read().values() if row["cell"] in best]
    return [_score(by_name[row["cell"]], best[row["cell"]], row) for row in stored]


def _score(cell: Cell, best: Best, row: dict[str, Any]) -> Score:
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
        possible=best.cannot_exclude(low, high) if stated else None,
        width=high / low if stated else None,
        note=row["note"],
        expected=row.get("expected"),
    )


def summaries(scored: Sequence[Score]) -> list[Summary]:
    """One summary for each method, the lowest median first."""
    by_method: dict[str, list[Score]] = {}
    for score in scored:
        by_method.setdefault(score.method, []).append(score)
    unsorted = [_summary(method, group) for method, group in by_method.items()]
    return sorted(unsorted, key=lambda summary: (summary.median, summary.ninth))


def _summary(method: str, group: Sequence[Score]) -> Summary:
    answered = np.array([score.excess for score in group if score.excess is not None])
    ratios = [score.ratio for score in group if score.ratio is not None]
    covered = [score.covered for score in group if score.covered is not None]
    widths = [score.width for score in group if score.width is not None]
    none = len(answered) == 0
    return Summary(
        method=method,
        cells=len({score.cell.name for score in group}),
        rows=len(group),
        refused=len(group) - len(answered),
        diverged=0.0 if none else float(np.isinf(answered).mean()),
        twice=0.0 if none else float((np.isfinite(answered) & (answered > _TWICE)).mean()),
        ratios=(min(ratios), max(ratios)) if ratios else None,
        median=math.inf if none else quantile(answered, 0.5),
        ninth=math.inf if none else quantile(answered, 0.9),
        worst=math.inf if none else float(answered.max()),
        cost=float(np.mean([score.cost for score in group])),
        coverage=float(np.mean(covered)) if covered else None,
        width=float(np.median(widths)) if widths else None,
    )


def quantile(values: np.ndarray, share: float) -> float:
    """The smallest value that is not below this share of the values; they may be infinite."""
    return float(np.quantile(values, share, method="inverted_cdf"))


def percent(share: float) -> str:
    """An excess in percent."""
    if math.isinf(share):
        return "diverged"
    if abs(share) < 0.0995:
        return f"{100 * share:.1f} %"
    return f"{100 * share:,.0f} %"
