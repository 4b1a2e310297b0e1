"""What an exhaustive sweep of a shorter length shows about the whole run.

No method can learn more than this from trials of this length, unless it also knows how the best rate
changes from there to the whole run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import truth
from .best import Best, best_of
from .methods import fitted_domains
from .scores import percent, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cells import Cell

__all__ = ["ShortSweep", "drift_of_others", "short_sweeps", "spread", "summary_lines"]

_CLOSEST = 1.5  # a length is that of a share if it differs by less than this factor
_FAR = 0.08  # an excess above this is far off


@dataclass(frozen=True)
class ShortSweep:
    """The sweep of a shorter length of one cell, beside the truth of the whole run.

    Attributes:
        cell: the cell.
        whole: the best rate of the whole run.
        rate: the best rate of the shorter length.
        drift: the change of the log best rate per e-fold of horizon, from this length to the whole run.
        e_folds: the log of the whole run's length over this one.
        cost: updates of the sweep with one seed, in whole runs.
    """

    cell: Cell
    whole: Best
    rate: float
    drift: float
    e_folds: float
    cost: float

    def excess(self, drift: float) -> float:
        """The excess of a whole run at the best rate of this length, moved by a drift.

        Beyond the truth's grid, that of the end of the grid.
        """
        log_lr = math.log(self.rate) + drift * self.e_folds
        low, high = self.whole.log_lr[0], self.whole.log_lr[-1]
        expected = self.whole.expected(math.exp(min(max(log_lr, low + 1e-9), high - 1e-9)))
        return math.inf if expected is None else expected


def short_sweeps(cells: Sequence[Cell], share: int) -> list[ShortSweep]:
    """The stored sweeps of about a `share`-th of the whole run, one for each cell that has one."""
    sweeps = (_short_sweep(cell, share) for cell in cells)
    return [sweep for sweep in sweeps if sweep is not None]


def _short_sweep(cell: Cell, share: int) -> ShortSweep | None:
    stored = truth.read(cell)
    if stored is None:
        return None
    for table in stored["tables"][1:]:
        times = cell.total_steps / table["steps"]
        if abs(math.log(times / share)) < math.log(_CLOSEST):
            whole, short = best_of(stored["tables"][0]), best_of(table)
            drift = math.log(whole.rate / short.rate) / math.log(times)
            cost = len(table["lr"]) / times
            return ShortSweep(cell, whole, short.rate, drift, math.log(times), cost)
    return None


def summary_lines(cells: Sequence[Cell], shares: Sequence[int]) -> list[list[str]]:
    """Lines of a table: the excess at the best rates of shorter sweeps, as they are and moved.

    A rate is moved by the median drift of the cells of other domains.
    """
    fitted = fitted_domains("plan,")
    lines = []
    for share in shares:
        swept = short_sweeps(cells, share)
        left_out = [sweep for sweep in swept if sweep.cell.domain not in fitted]
        for which, group in (("all", swept), ("left out", left_out)):
            start = [f"T/{share}", f"{which} ({len(group)})", f"{_mean_cost(group):.1f}"]
            as_it_is = [sweep.excess(0.0) for sweep in group]
            moved = [sweep.excess(drift_of_others(sweep, swept)) for sweep in group]
            lines.append([*start, "as it is", *spread(as_it_is), _drifts(group)])
            lines.append([*start, "moved", *spread(moved), ""])
    return lines


def drift_of_others(sweep: ShortSweep, swept: Sequence[ShortSweep]) -> float:
    """The median drift in the domains of other cells."""
    others = [other.drift for other in swept if other.cell.domain != sweep.cell.domain]
    return float(np.median(others))


def spread(excesses: Sequence[float]) -> list[str]:
    """The median, the 75th and 90th percentile, the worst excess, and the share that is above 8 %."""
    values = np.array(excesses)
    quantiles = [percent(quantile(values, share)) for share in (0.5, 0.75, 0.9, 1.0)]
    return [*quantiles, f"{100 * np.mean(values > _FAR):.0f} %"]


def _mean_cost(group: Sequence[ShortSweep]) -> float:
    return float(np.mean([sweep.cost for sweep in group]))


def _drifts(group: Sequence[ShortSweep]) -> str:
    drifts = np.quantile([sweep.drift for sweep in group], [0.1, 0.5, 0.9])
    return ", ".join(f"{drift:.2f}" for drift in drifts)
