"""Claims that are judged by sweeps which were made before, with no training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes, ClaimText
from learnrate.claims._measurement import GOOD, Case, ClaimLine, ClaimMeasurement, factor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.claims._trials import ClaimTrials

__all__ = ["LoggedSweep", "benchmark_sweeps", "every_cell_claim"]

_FILE = Path(__file__).parent / "logged" / "benchmark_sweeps.json"
_FEWEST_SEEDS = 2  # of a cell of the benchmark
_DESIGN = """
    Nothing is trained for this claim. It reads the sweeps of the regret benchmark: 57 small trainings
    of many kinds, each at rates that are at most a fourth of a decade apart, with 5 % warm-up and a
    linear decay to 0. Only trainings whose optimizer is in {library} count. The loss at the default
    rate is compared with the loss at the best rate, which has the lowest mean loss over all seeds.
    (Other claims choose the best rate on the other seeds. With two seeds this is not reliable: in the
    first version it sometimes chose a rate at which a run diverged.) Between two rates of a sweep, the
    logarithm of the loss is interpolated linearly in the logarithm of the rate. A default outside the
    sweep is replaced by the nearest rate of the sweep, and the loss of a run that diverged by the
    highest loss of the sweep. A default is good if its loss is at most a quarter above the best.
"""


@dataclass(frozen=True)
class LoggedSweep:
    """The final losses of a training at several rates.

    Attributes:
        cell: the training's name in the benchmark.
        optimizer: its optimizer's name in the benchmark.
        lr: the rates, rising, shape (rates,).
        losses: shape (rates, seeds), all finite: a run that diverged has the highest other loss.
    """

    cell: str
    optimizer: str
    lr: np.ndarray
    losses: np.ndarray

    def ratios(self, lr: float) -> np.ndarray:
        """The loss at a rate over that at the rate with the lowest mean loss, by seed.

        Args:
            lr: the rate. One outside the sweep counts as the nearest rate of it.

        Examples:
            >>> losses = np.array([[4.0, 4.0], [1.0, 1.0], [9.0, 9.0]])
            >>> swept = LoggedSweep("a", "adam", np.array([0.01, 0.1, 1.0]), losses)
            >>> swept.ratios(0.1 * 10**0.5).round(3), swept.ratios(1e-5)
            (array([3., 3.]), array([4., 4.]))
        """
        at_lr = [
            np.exp(np.interp(np.log(lr), np.log(self.lr), np.log(column)))
            for column in self.losses.T
        ]
        lowest = self.losses[self.losses.mean(axis=1).argmin()]
        return np.asarray(np.array(at_lr) / lowest)


@cache
def benchmark_sweeps() -> tuple[LoggedSweep, ...]:
    """The sweeps of the regret benchmark, one for each of its cells."""
    sweeps = []
    for row in json.loads(_FILE.read_text(encoding="utf-8")):
        losses = np.array(row["loss"], dtype=float)
        losses[np.isnan(losses)] = np.nanmax(losses)
        sweeps.append(LoggedSweep(row["cell"], row["optimizer"], np.array(row["lr"]), losses))
    return tuple(sweeps)


def every_cell_claim(
    *, library: str, defaults: Mapping[str, float], **text: Unpack[ClaimText]
) -> Claim:
    """A claim that a library's default rates are good in every cell of the benchmark.

    Args:
        library: its name.
        defaults: the default rate of each optimizer, by its name in the benchmark.
        text: statement, source and remark of the claim.
    """

    def measure(_: ClaimTrials) -> ClaimMeasurement:
        ratios: dict[str, list[float]] = {}
        cells, lines = [], []
        for swept in benchmark_sweeps():
            if swept.optimizer not in defaults:
                continue
            default = defaults[swept.optimizer]
            excess = swept.ratios(default)
            cells.append(Case("excess", f"{swept.cell} at {default:g}", excess.tolist()))
            ratios.setdefault(swept.optimizer, []).append(float(np.exp(np.log(excess).mean())))
            relative = swept.losses / swept.losses.mean(axis=1).min()
            lines.append(ClaimLine.of_means(swept.cell, swept.lr / default, relative))
        groups = [
            Case("by optimizer", f"{optimizer}, {len(values)} trainings", values)
            for optimizer, values in ratios.items()
            if len(values) > 1
        ]
        return ClaimMeasurement([*cells, *groups], lines[:6])

    return Claim(
        topic="defaults",
        design=_DESIGN.format(library=library),
        figures=(
            factor("excess", "loss at the default divided by that at the best rate", high=GOOD),
            factor("by optimizer", "the same, the geometric mean over trainings"),
        ),
        measure=measure,
        seeds=(_FEWEST_SEEDS, _FEWEST_SEEDS),
        axes=ClaimAxes("lr over the default", "loss over the lowest", log="xy"),
        **text,
    )
