"""The result of a sweep: its trials, the best rate, and how it was run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import draw_panel
from learnrate._chart import describe
from learnrate._files import csv_text, number_or_none, write_text
from learnrate._numbers import rate_text
from learnrate.sweeping._estimate import best_rate, no_best_advice
from learnrate.trials import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from learnrate._parabola import BestRate
    from learnrate.trials import Choice, Curve

__all__ = ["Sweep", "SweptTrial", "final_losses", "tried_rates"]

_ROUNDING = 1 + 1e-9
_COLUMNS = ("lr", "seed", "loss", "steps", "status")


@dataclass(frozen=True)
class SweptTrial:
    """One trial of a sweep.

    Attributes:
        lr: its peak rate.
        seed: its seed.
        curve: its whole curve.
        total_steps: its planned length in updates.
    """

    lr: float
    seed: int
    curve: Curve
    total_steps: int

    @property
    def loss(self) -> float | None:
        """The final loss, of the validation if the task has one; None unless finished."""
        return number_or_none(self.curve.final)

    @property
    def steps(self) -> int:
        """The number of updates that the trial made."""
        return self.curve.steps

    @property
    def status(self) -> Status:
        """How the trial ended: finished, diverged or failed."""
        return self.curve.status

    def to_dict(self) -> dict[str, Any]:
        """The trial as a row of a table, without its curve."""
        return {
            "lr": self.lr,
            "seed": self.seed,
            "loss": self.loss,
            "steps": self.steps,
            "status": str(self.status),
        }


def final_losses(trials: Sequence[SweptTrial]) -> np.ndarray:
    """The final losses of trials sorted by rate and seed, shape (rates, seeds); infinite unless finished."""
    finals = np.array([trial.curve.final for trial in trials])
    return finals.reshape(len(tried_rates(trials)), -1)


def tried_rates(trials: Sequence[SweptTrial]) -> np.ndarray:
    """The rates of trials, each once, increasing, shape (rates,)."""
    return np.array(sorted({trial.lr for trial in trials}))


@dataclass(frozen=True)
class Sweep:
    """The final losses of a task over a grid of rates and seeds.

    Attributes:
        trials: every trial, sorted by rate and seed; with successive halving, by length first.
        choice: which engine ran them, why, and what was measured to choose it.
        resumed: how many trials were read from the journal and not run again.
        total_steps: updates of a trial of full length.
        task: the name of the task.
        notes: sentences for the user, such as which trials an engine could not run, and why.
    """

    trials: tuple[SweptTrial, ...]
    choice: Choice
    resumed: int
    total_steps: int
    task: str
    notes: tuple[str, ...] = ()

    @property
    def engine(self) -> str:
        """The engine that ran the trials: sequential, vectorised or ray."""
        return self.choice.engine

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the trials, increasing; a single one without successive halving."""
        return tuple(sorted({trial.total_steps for trial in self.trials}))

    def at_length(self, length: int) -> tuple[SweptTrial, ...]:
        """The trials of a length, sorted by rate and seed."""
        return tuple(trial for trial in self.trials if trial.total_steps == length)

    @cached_property
    def lrs(self) -> np.ndarray:
        """The rates tried at full length, increasing, shape (rates,)."""
        return tried_rates(self.at_length(self.total_steps))

    @cached_property
    def losses(self) -> np.ndarray:
        """The final losses at these rates, shape (rates, seeds); infinite unless finished."""
        return final_losses(self.at_length(self.total_steps))

    @cached_property
    def _estimate(self) -> BestRate | None:
        return best_rate(self.lrs, self.losses)

    @property
    def best(self) -> float | None:
        """The rate of lowest mean loss, refined between grid points; None if no trial finished."""
        return None if self._estimate is None else self._estimate.best

    @property
    def low(self) -> float | None:
        """The lower end of the interval for the best rate, of about 80 % confidence."""
        return None if self._estimate is None else self._estimate.low

    @property
    def high(self) -> float | None:
        """The upper end of the interval for the best rate, of about 80 % confidence."""
        return None if self._estimate is None else self._estimate.high

    @property
    def failed(self) -> tuple[SweptTrial, ...]:
        """The trials in which the task's own code raised."""
        return tuple(trial for trial in self.trials if trial.status is Status.FAILED)

    @property
    def advice(self) -> str:
        """Advice if the grid does not enclose the best rate; empty if it does."""
        if self.best is None:
            return no_best_advice(trial.curve for trial in self.trials)
        lowest, highest = float(self.lrs[0]), float(self.lrs[-1])
        if lowest == highest:
            return "only one rate was tried: try lower and higher ones too."
        if self.best <= lowest * _ROUNDING:
            return f"the lowest rate tried, {rate_text(lowest)}, is the best: try lower rates too."
        if self.best * _ROUNDING >= highest:
            return (
                f"the highest rate tried, {rate_text(highest)}, is the best: try higher rates too."
            )
        return ""

    def __str__(self) -> str:
        trials, rates = (
            f"{count} {noun}{'s' * (count != 1)}"
            for count, noun in ((len(self.trials), "trial"), (len(self.lrs), "rate"))
        )
        if self.best is None or self.low is None or self.high is None:
            return f"{trials} at {rates}: {self.advice}"
        interval = f" ({rate_text(self.low, 2)} .. {rate_text(self.high, 2)})"
        answer = f"the best is {rate_text(self.best)}{interval * (len(self.lrs) > 1)}"
        return f"{trials} at {rates}: {answer}{'; ' * bool(self.advice)}{self.advice}"

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw final loss against rate on matplotlib axes; needs the extra `plot`."""
        return draw_panel(describe(self).panels[0], axes)

    def to_dict(self) -> dict[str, Any]:
        """The document of `learnrate sweep --json`. A loss that is not finite is None."""
        return {
            "trials": [trial.to_dict() for trial in self.trials],
            "best": self.best,
            "low": self.low,
            "high": self.high,
            "engine": self.engine,
            "resumed": self.resumed,
        }

    def to_document(self) -> dict[str, Any]:
        """The document for a store: the trials with their planned lengths, for `learnrate scale`."""
        trials = [{**trial.to_dict(), "steps": trial.total_steps} for trial in self.trials]
        return {"task": self.task, "trials": trials}

    def to_csv(self, path: str | Path) -> None:
        """Write one line per trial: lr, seed, loss (empty unless finished), steps, status.

        Raises:
            FileError: the file cannot be written.
        """
        rows = [trial.to_dict().values() for trial in self.trials]
        write_text(Path(path), csv_text([_COLUMNS, *rows]))
