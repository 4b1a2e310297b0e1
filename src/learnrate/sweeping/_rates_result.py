"""The result of a sweep over two rates: the loss of every pair, and the best one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import learnrate._chart as charts
from learnrate._axes import draw_panel
from learnrate._files import csv_text, number_or_none, write_text
from learnrate._numbers import cell_edges, rate_text
from learnrate._parabola import BestRate, grid_interval, resampled_seeds
from learnrate.sweeping._estimate import mean_losses, no_best_advice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from learnrate.trials import Choice, Curve

__all__ = ["RatesSweep", "SweptPair"]


@dataclass(frozen=True)
class SweptPair:
    """One trial of a sweep over two rates.

    Attributes:
        lrs: its rates.
        seed: its seed.
        curve: its whole curve.
    """

    lrs: tuple[float, float]
    seed: int
    curve: Curve

    @property
    def loss(self) -> float | None:
        """The final loss, of the validation if the task has one; None unless finished."""
        return number_or_none(self.curve.final)


@dataclass(frozen=True)
class RatesSweep:
    """The final losses of a task over a grid of two rates.

    Attributes:
        names: the names of the rates.
        trials: every trial, by the first rate, the second one and the seed.
        choice: which engine ran them, and why.
        resumed: how many trials were read from the journal and not run again.
        total_steps: updates of each trial.
        task: the name of the task.
        notes: sentences for the user, such as which trials an engine could not run.
    """

    names: tuple[str, ...]
    trials: tuple[SweptPair, ...]
    choice: Choice
    resumed: int
    total_steps: int
    task: str
    notes: tuple[str, ...] = ()

    @cached_property
    def lrs(self) -> tuple[np.ndarray, np.ndarray]:
        """The values tried of each rate, increasing."""
        first, second = ({trial.lrs[number] for trial in self.trials} for number in (0, 1))
        return np.array(sorted(first)), np.array(sorted(second))

    @cached_property
    def losses(self) -> np.ndarray:
        """The final losses, shape (first rates, second rates, seeds); infinite unless finished."""
        first, second = self.lrs
        return np.array([t.curve.final for t in self.trials]).reshape(len(first), len(second), -1)

    @cached_property
    def best(self) -> dict[str, BestRate] | None:
        """The pair of lowest mean loss, each rate with an interval of about 80 %; None if none finished.

        The interval is that of the best pair over resampled seeds, and at least half a grid step wide
        on either side.
        """
        if not np.isfinite(self.losses).any():
            return None
        cells = self.losses.reshape(-1, self.losses.shape[2])
        shape = self.losses.shape[:2]
        place = np.unravel_index(int(np.argmin(mean_losses(cells))), shape)
        resampled = np.array(
            [
                np.unravel_index(int(np.argmin(mean_losses(cells[:, draw]))), shape)
                for draw in resampled_seeds(cells.shape[1])
            ]
        )
        best = {}
        for number, (name, lrs) in enumerate(zip(self.names, self.lrs, strict=True)):
            logs = np.log(lrs)
            log_best = float(logs[place[number]])
            ends = grid_interval(log_best, logs[resampled[:, number]], logs)
            best[name] = BestRate(*(float(np.exp(log_rate)) for log_rate in (log_best, *ends)))
        return best

    @property
    def engine(self) -> str:
        """The engine that ran the trials."""
        return self.choice.engine

    @property
    def failed(self) -> tuple[SweptPair, ...]:
        """The trials in which the task's own code raised."""
        return tuple(trial for trial in self.trials if trial.curve.error)

    @property
    def advice(self) -> str:
        """Advice if the grid does not enclose the best pair; empty if it does."""
        if self.best is None:
            return no_best_advice(trial.curve for trial in self.trials)
        for (name, rate), lrs in zip(self.best.items(), self.lrs, strict=True):
            for end, place in (("lowest", 0), ("highest", -1)):
                if len(lrs) > 1 and np.isclose(rate.best, lrs[place]):
                    return (
                        f"the {end} rate of {name} tried, {rate_text(rate.best)}, is the best: try "
                        f"{'lower' if place == 0 else 'higher'} ones too."
                    )
        return ""

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the map with matplotlib; needs the extra `plot`."""
        return draw_panel(charts.describe(self).panels[0], axes)

    def to_dict(self) -> dict[str, Any]:
        """The document of `learnrate sweep --json`. A loss that is not finite is None."""
        best = self.best
        return {
            "names": list(self.names),
            "trials": [
                {
                    "lrs": list(trial.lrs),
                    "seed": trial.seed,
                    "loss": trial.loss,
                    "steps": trial.curve.steps,
                    "status": str(trial.curve.status),
                }
                for trial in self.trials
            ],
            "best": None if best is None else {name: rate.best for name, rate in best.items()},
            "low": None if best is None else {name: rate.low for name, rate in best.items()},
            "high": None if best is None else {name: rate.high for name, rate in best.items()},
            "engine": self.engine,
            "resumed": self.resumed,
        }

    def to_csv(self, path: str | Path) -> None:
        """Write one line per trial: both rates, seed, loss (empty unless finished), steps, status.

        Raises:
            FileError: the file cannot be written.
        """
        names = [*(f"lr {name}" for name in self.names), "seed", "loss", "steps", "status"]
        rows = [
            [*trial.lrs, trial.seed, trial.loss, trial.curve.steps, str(trial.curve.status)]
            for trial in self.trials
        ]
        write_text(Path(path), csv_text([names, *rows]))


@charts.describe.register(RatesSweep)
def _rates_sweep_chart(sweep: RatesSweep) -> charts.Chart:
    """The mean loss of every pair as colours; pairs that did not finish stay grey."""
    edges = [np.exp(cell_edges(np.log(lrs).tolist())) for lrs in sweep.lrs]
    mean = sweep.losses.mean(axis=2)
    finite = mean[np.isfinite(mean)]
    low, high = (float(finite.min()), float(np.median(finite))) if finite.size else (0.0, 1.0)
    marks: list[charts.PanelMark] = [
        charts.HeatMap(
            x_edges=edges[0], y_edges=edges[1], values=mean.T, low=low,
            high=low + 2 * (high - low) if high > low else low + 1.0, label="mean final loss",
        )
    ]  # fmt: skip
    title = "Sweep: no trial finished"
    if sweep.best is not None:
        first, second = sweep.best.values()
        marks.append(
            charts.Markers(
                x=[first.best], y=[second.best], x_ends=[[first.low], [first.high]],
                y_ends=[[second.low], [second.high]], colour=charts.Colour.CHOSEN, size=4, bar_width=2,
                halo=True, label="best pair, 80 % intervals",
            )
        )  # fmt: skip
        title = "Best: " + ", ".join(
            f"{name} {rate_text(rate.best, 2)}" for name, rate in sweep.best.items()
        )
    x, y = (
        charts.Axis(
            label=f"rate of {name}", low=float(e[0]), high=float(e[-1]), log=True, most_ticks=5
        )
        for name, e in zip(sweep.names, edges, strict=True)
    )
    return charts.Chart(
        panels=(charts.Panel(title=title, x=x, y=y, marks=tuple(marks), legend_columns=1),)
    )
