"""The result of a sweep over two rates: the loss of every pair, and the best one."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import draw_panel
from learnrate._chart import (
    Axis,
    Chart,
    Colour,
    HeatMap,
    Markers,
    Panel,
    PanelMark,
    describe,
)
from learnrate._files import number_or_none, write_text
from learnrate._numbers import rate_text
from learnrate.sweeping._estimate import BestRate, mean_losses

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from learnrate.trials import Choice, Curve

__all__ = ["RatesSweep", "SweptPair"]

_RESAMPLES = 400
_CENTRAL = (0.1, 0.9)


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
        names: of the rates.
        trials: every trial, by the first rate, the second one and the seed.
        choice: which engine ran them, and why.
        resumed: how many trials were known already and not run again.
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
        draws = np.random.default_rng(0).integers(
            cells.shape[1], size=(_RESAMPLES, cells.shape[1])
        )
        shape = self.losses.shape[:2]
        place = np.unravel_index(int(np.argmin(mean_losses(cells))), shape)
        resampled = np.array(
            [
                np.unravel_index(int(np.argmin(mean_losses(cells[:, draw]))), shape)
                for draw in np.unique(draws, axis=0)
            ]
        )
        best = {}
        for number, (name, lrs) in enumerate(zip(self.names, self.lrs, strict=True)):
            logs = np.log(lrs)
            log_best = float(logs[place[number]])
            low, high = np.quantile(logs[resampled[:, number]], _CENTRAL)
            half = 0.5 * float(np.diff(logs).max()) if len(logs) > 1 else 0.0
            ends = min(low, log_best - half), max(high, log_best + half)
            best[name] = BestRate(*(float(np.exp(x)) for x in (log_best, *ends)))
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
        """What to do if the grid does not enclose the best pair; empty if it does."""
        if self.best is None:
            return "no trial finished: try lower rates, or look at the errors."
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
        return draw_panel(describe(self).panels[0], axes)

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate sweep --json` prints. A loss that is not finite is None."""
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
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            [*(f"lr {name}" for name in self.names), "seed", "loss", "steps", "status"]
        )
        for trial in self.trials:
            curve = trial.curve
            writer.writerow([*trial.lrs, trial.seed, trial.loss, curve.steps, str(curve.status)])
        write_text(Path(path), text.getvalue())


@describe.register(RatesSweep)
def _rates_sweep_chart(sweep: RatesSweep) -> Chart:
    """The mean loss of every pair as colours; what did not finish stays grey."""
    edges = [_edges(lrs) for lrs in sweep.lrs]
    mean = sweep.losses.mean(axis=2)
    finite = mean[np.isfinite(mean)]
    low, high = (float(finite.min()), float(np.median(finite))) if finite.size else (0.0, 1.0)
    marks: list[PanelMark] = [
        HeatMap(
            x_edges=edges[0], y_edges=edges[1], values=mean.T, low=low,
            high=low + 2 * (high - low) if high > low else low + 1.0, label="mean final loss",
        )
    ]  # fmt: skip
    title = "Sweep: no trial finished"
    if sweep.best is not None:
        first, second = sweep.best.values()
        marks.append(
            Markers(
                x=[first.best], y=[second.best], x_ends=[[first.low], [first.high]],
                y_ends=[[second.low], [second.high]], colour=Colour.CHOSEN, size=4, bar_width=2,
                halo=True, label="best pair, 80 % intervals",
            )
        )  # fmt: skip
        title = "Best: " + ", ".join(
            f"{name} {rate_text(rate.best, 2)}" for name, rate in sweep.best.items()
        )
    x, y = (
        Axis(label=f"rate of {name}", low=float(e[0]), high=float(e[-1]), log=True, most_ticks=5)
        for name, e in zip(sweep.names, edges, strict=True)
    )
    return Chart(panels=(Panel(title=title, x=x, y=y, marks=tuple(marks), legend_columns=1),))


def _edges(lrs: np.ndarray) -> np.ndarray:
    """The edges of cells around rates, on the scale of logs."""
    logs = np.log(lrs)
    if len(logs) == 1:
        return np.asarray(np.exp([logs[0] - 0.5, logs[0] + 0.5]))
    middles = (logs[1:] + logs[:-1]) / 2
    ends = np.array([2 * logs[0] - middles[0], 2 * logs[-1] - middles[-1]])
    return np.asarray(np.exp(np.concatenate([ends[:1], middles, ends[1:]])))
