"""The truth of a cell: an exhaustive sweep at full length, and others at shorter lengths.

Rates are a quarter of a decade apart, and a sixth in the first 22 cells. The grid has at least 16
rates and grows until the lowest mean loss lies six rates above its lower end, and either three rates
below its upper end or below a rate that diverges. A whole run has 5 % warm-up and a linear decay to 0. A shorter run has the
schedule of a plan's trial of this length, whose warm-up is as long as that of the whole run
(`Schedule.shortened`).
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate import sweep
from learnrate._files import number_or_none, write_text
from learnrate.schedules import shape

from .provenance import RESULTS, SCRATCH, provenance

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate import Task
    from learnrate.sweeping import SweptTrial

    from .cells import Cell

__all__ = ["SHAPE", "measure", "path_of", "read", "scratch_of"]

SHAPE = "warmup(5%) >> linear()"
SHARES = (56, 32, 16, 8, 4)  # of the whole run: the shorter lengths
HORIZON_SEEDS = 3  # the largest number of seeds of shorter lengths
_FEWEST_STEPS = 8
_BELOW, _ABOVE = 6, 3  # rates on each side of the best one
_START = (-9, 6)  # ends of the first grid, in rates from the middle that the cell gives
_HIGHEST = 2  # the logarithm of the highest rate that is tried


def path_of(cell: Cell) -> Path:
    """The file of a cell's truth."""
    return RESULTS / "truth" / f"{cell.name}.json"


def scratch_of(cell: Cell) -> Path:
    """The folder with all trials of a cell."""
    return SCRATCH / cell.name


def read(cell: Cell) -> dict[str, Any] | None:
    """The stored truth of a cell; None if there is none yet."""
    path = path_of(cell)
    return json.loads(path.read_text()) if path.exists() else None


def measure(cell: Cell, *, whole: bool = False) -> str:
    """Measure the missing tables and write each; returns the best rate in words.

    Args:
        cell: what is measured.
        whole: leave the shorter lengths for another time.
    """
    stored = read(cell)
    tables = [] if stored is None else stored["tables"]
    complete = stored is not None and stored["complete"]
    if tables and (whole or complete):
        return "known"
    task, lengths = cell.task(), _lengths(cell)
    for steps, seeds in lengths[: 1 if whole else len(lengths)][len(tables) :]:
        tables.append(_table(cell, task, steps, seeds))
        _write(cell, tables, complete=len(tables) == len(lengths))
    best = min(tables[0]["lr"], key=lambda lr: _mean_at(tables[0], lr))
    return f"lowest mean loss {_mean_at(tables[0], best):.4g} at {best:.3g}"


def _lengths(cell: Cell) -> list[tuple[int, int]]:
    seeds = min(cell.seeds, HORIZON_SEEDS)
    shorter = {max(_FEWEST_STEPS, cell.total_steps // share): seeds for share in SHARES}
    return [(cell.total_steps, cell.seeds), *sorted(shorter.items(), reverse=True)]


def _table(cell: Cell, task: Task, steps: int, seeds: int) -> dict[str, Any]:
    """The final losses over a grid that encloses the best rate."""
    middle = round(cell.per_decade * math.log10(cell.around))
    low, high = middle + _START[0], middle + _START[1]
    while True:
        swept = sweep(
            task,
            [_rate(index, cell.per_decade) for index in range(low, high + 1)],
            seeds=seeds,
            total_steps=steps,
            shape=_shape(cell, steps),
            out=scratch_of(cell),
            progress=False,
        )
        if swept.failed:
            raise RuntimeError(swept.failed[0].curve.error)
        lower, higher = _missing(swept.losses.mean(axis=1))
        higher = min(higher, _HIGHEST * cell.per_decade - high)
        if not lower and not higher:
            return _as_table(swept.trials, swept.losses, steps)
        low, high = low - lower, high + higher


def _shape(cell: Cell, steps: int) -> str:
    warmup = shape(SHAPE).over(cell.total_steps).shortened(steps).warmup_steps
    return f"warmup({warmup}) >> linear()"


def _missing(means: np.ndarray) -> tuple[int, int]:
    """How many rates to add below and above; a mean is infinite if a trial diverged."""
    best = int(np.argmin(means))
    bounded = bool(np.isinf(means[best:]).any())
    above = len(means) - 1 - best
    return max(0, _BELOW - best), 0 if bounded else max(0, _ABOVE - above)


def _rate(index: int, per_decade: int) -> float:
    return float(f"{10 ** (index / per_decade):.4g}")


def _as_table(trials: tuple[SweptTrial, ...], losses: np.ndarray, steps: int) -> dict[str, Any]:
    rates = sorted({trial.lr for trial in trials})
    ends = [_last_tenth(trial.curve.loss, finite=trial.loss is not None) for trial in trials]
    width = losses.shape[1]
    return {
        "steps": steps,
        "seeds": [trial.seed for trial in trials[:width]],
        "lr": rates,
        "loss": [[_short(loss) for loss in row] for row in losses.tolist()],
        "train": [ends[start : start + width] for start in range(0, len(ends), width)],
    }


def _last_tenth(losses: np.ndarray, *, finite: bool) -> float | None:
    return _short(float(losses[-max(1, len(losses) // 10) :].mean())) if finite else None


def _short(value: float) -> float | None:
    return number_or_none(float(f"{value:.6g}"))


def _mean_at(table: dict[str, Any], lr: float) -> float:
    row = table["loss"][table["lr"].index(lr)]
    return math.inf if None in row else float(np.mean(row))


def _write(cell: Cell, tables: list[dict[str, Any]], *, complete: bool) -> None:
    """Write each table in one line, so that changes of the data are easy to read."""
    head = {
        "cell": cell.name,
        "held_out": cell.held_out,
        "shape": SHAPE,
        "complete": complete,
        "made_by": provenance(),
    }
    lines = [f' "{key}": {json.dumps(value)},' for key, value in head.items()]
    body = ",\n".join(f"  {json.dumps(table, allow_nan=False)}" for table in tables)
    path = path_of(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(["{", *lines, f' "tables": [\n{body}\n ]', "}"]) + "\n")
