"""Whether the best rate stays the same over widths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import draw_chart
from learnrate._chart import describe
from learnrate._files import csv_text, folder_for, number_or_none, write_text
from learnrate._numbers import rate_text
from learnrate._statistics import normal_quantile
from learnrate.sweeping import sweep as sweep_rates
from learnrate.transfer._family import at_width, checked_widths
from learnrate.transfer._slopes import Power, Verdict, fitted_power

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from learnrate.schedules import Schedule
    from learnrate.sweeping import Sweep
    from learnrate.task import Task

__all__ = ["MOVED", "WidthSweep", "WidthSweeps", "sweep"]

MOVED = 1.5
"""The best rate stays if it moves by less than this factor over all widths."""

_COLUMNS = ("lr", "seed", "loss", "steps", "status", "width")


@dataclass(frozen=True)
class WidthSweep:
    """The sweep at a width. Rates are those at the base width.

    Attributes:
        width: the width.
        lrs: the rates, increasing, shape (rates,).
        losses: the final losses, shape (rates, seeds); infinite unless finished.
        best: the rate of lowest mean loss; None if no trial finished.
        low: the lower end of its 80 % interval.
        high: the upper end.
    """

    width: int
    lrs: np.ndarray
    losses: np.ndarray
    best: float | None
    low: float | None
    high: float | None

    @property
    def is_inside(self) -> bool:
        """Whether the best rate is inside the range that was tried."""
        return self.best is not None and bool(
            self.lrs[0] * 1.0001 < self.best < self.lrs[-1] * 0.9999
        )

    def loss_at(self, lr: float) -> float:
        """The mean loss at a rate, by linear interpolation over the logarithm of the rate."""
        means = self.losses.mean(axis=1)
        return float(np.interp(math.log(lr), np.log(self.lrs), means))


@dataclass(frozen=True)
class WidthSweeps:
    """Sweeps over widths, and whether the best rate stays the same.

    Attributes:
        sweeps: one for each width, increasing.
        parametrization: "mup" or "standard".
        task: the name of the task.
        total_steps: the updates of each trial.
    """

    sweeps: tuple[WidthSweep, ...]
    parametrization: str
    task: str
    total_steps: int

    @property
    def _usable(self) -> list[WidthSweep]:
        return [part for part in self.sweeps if part.is_inside]

    @property
    def factor(self) -> float | None:
        """The highest best rate over the lowest; None if fewer than two are known."""
        best = [part.best for part in self._usable if part.best is not None]
        return max(best) / min(best) if len(best) > 1 else None

    @property
    def power(self) -> Power | None:
        """The best rate goes with this power of the width, with an 80 % interval.

        The interval is the wider of that from the residuals and that from the intervals of the best
        rates.
        """
        parts = self._usable
        widths = np.array([part.width for part in parts], dtype=float)
        best = np.array([part.best for part in parts], dtype=float)
        fitted = fitted_power(widths, best, 0.8)
        if fitted is None:
            return None
        x = np.log(widths) - np.log(widths).mean()
        errors = np.array([_log_error(part) for part in parts])
        reach = normal_quantile(0.1) * math.sqrt(float((x * errors) @ (x * errors))) / float(x @ x)
        reach = max(reach, fitted.high - fitted.value)
        return Power(fitted.value, fitted.value - reach, fitted.value + reach)

    @property
    def verdict(self) -> Verdict:
        """Whether the best rate moves by less than a factor 1.5 over all widths."""
        power = self.power
        if power is None or len(self._usable) < len(self.sweeps):
            return Verdict.OPEN
        bound = math.log(MOVED) / self._span
        if -bound <= power.low and power.high <= bound:
            return Verdict.HOLDS
        return Verdict.BREAKS if power.low > bound or power.high < -bound else Verdict.OPEN

    @property
    def _span(self) -> float:
        return math.log(self.sweeps[-1].width / self.sweeps[0].width)

    @property
    def cost(self) -> float | None:
        """The cost of the smallest width's best rate at the largest width, as a share of its loss.

        None if a best rate is not known, or that rate diverges there.
        """
        first, last = self.sweeps[0], self.sweeps[-1]
        if first.best is None or last.best is None:
            return None
        lowest = float(last.losses.mean(axis=1).min())
        transferred = last.loss_at(first.best)
        return transferred / lowest - 1 if math.isfinite(transferred) and lowest > 0 else None

    @property
    def reason(self) -> str:
        """Why the verdict is what it is: how far the best rate moves over the widths."""
        outside = [part.width for part in self.sweeps if not part.is_inside]
        if outside:
            listed = ", ".join(f"{width:,}" for width in outside)
            return f"the rates tried do not enclose the best one at width {listed}; give a wider --lr."
        power, first, last = self.power, self.sweeps[0], self.sweeps[-1]
        if power is None or first.best is None or last.best is None:
            return "three widths are needed to tell."
        moved = math.exp(power.value * self._span)
        ends = sorted(math.exp(end * self._span) for end in (power.low, power.high))
        words = {
            Verdict.HOLDS: "the best rate stays",
            Verdict.BREAKS: "the best rate moves",
            Verdict.OPEN: "it cannot be told whether the best rate stays",
        }[self.verdict]
        return (
            f"{words}: {rate_text(first.best, 2)} at width {first.width:,} and "
            f"{rate_text(last.best, 2)} at width {last.width:,}, a factor {moved:.2g} "
            f"({ends[0]:.2g} to {ends[1]:.2g}) over all widths."
        )

    def to_csv(self, path: str | Path) -> None:
        """Write one line per trial: lr at the base width, seed, loss, steps, status, width.

        `learnrate scale` reads it; the loss is empty unless the trial finished.

        Raises:
            FileError: the file cannot be written.
        """
        rows: list[Sequence[object]] = [_COLUMNS]
        for part in self.sweeps:
            for lr, losses in zip(part.lrs, part.losses, strict=True):
                for seed, loss in enumerate(losses):
                    finished = math.isfinite(loss)
                    status = "finished" if finished else "not finished"
                    shown = float(loss) if finished else ""
                    rows.append([float(lr), seed, shown, self.total_steps, status, part.width])
        write_text(Path(path), csv_text(rows))

    def to_document(self) -> dict[str, Any]:
        """The document for a store: the trials with their widths, at rates of the base width."""
        return {
            "task": self.task,
            "parametrization": self.parametrization,
            "trials": [
                {
                    "lr": float(lr),
                    "seed": seed,
                    "loss": number_or_none(loss),
                    "steps": self.total_steps,
                    "width": part.width,
                }
                for part in self.sweeps
                for lr, losses in zip(part.lrs, part.losses, strict=True)
                for seed, loss in enumerate(losses)
            ],
        }

    def plot(self) -> Figure:
        """Draw the sweep of each width with matplotlib; needs the extra `plot`."""
        return draw_chart(describe(self))

    def to_dict(self) -> dict[str, Any]:
        """The document of `learnrate transfer sweep --json`."""
        power = self.power
        return {
            "verdict": str(self.verdict),
            "reason": self.reason,
            "parametrization": self.parametrization,
            "factor": self.factor,
            "power": None
            if power is None
            else {"value": power.value, "low": power.low, "high": power.high},
            "cost": self.cost,
            "widths": [
                {"width": part.width, "best": part.best, "low": part.low, "high": part.high}
                for part in self.sweeps
            ],
        }


def _log_error(part: WidthSweep) -> float:
    assert part.low is not None and part.high is not None  # noqa: S101, PT018 - is_inside
    return math.log(part.high / part.low) / (2 * normal_quantile(0.1))


def sweep(
    make_task: Callable[[int], Task],
    widths: Sequence[int],
    lr: Sequence[float],
    *,
    base: int | None = None,
    standard: bool = False,
    seeds: int = 3,
    total_steps: int | None = None,
    shape: str | Schedule = "warmup(5%) >> linear()",
    engine: str = "auto",
    seed: int = 0,
    roles: Mapping[str, str] | None = None,
    out: str | Path | None = None,
    progress: bool = True,
) -> WidthSweeps:
    """Sweep the rate at several widths, and tell whether the best rate stays the same.

    Args:
        make_task: a function of the width that returns a `learnrate.Task`.
        widths: two or more different widths.
        lr: the peak rates at the base width, increasing, above 0.
        base: the width at which the task has the rates of its own optimizer; the smallest by default.
        standard: whether to train the task as its code makes it, without muP.
        seeds: how many trainings at each rate.
        total_steps: updates of each trial; by default the task's number.
        shape: the shape of the schedule, with peak 1.
        engine: `"auto"`, `"sequential"` or `"vectorised"`; see `learnrate.sweep`.
        seed: the same seed gives the same sweeps.
        roles: the roles of parameters whose role does not follow from their shapes; see
            `parametrize`.
        out: a folder for the trials that have ended, which are not repeated.
        progress: show a bar with the remaining time on standard error.

    Raises:
        ArgumentError: an argument is outside its rule.
        TaskError: the task cannot be trained.

    Examples:
        >>> import torch
        >>> from learnrate import Task
        >>> x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
        >>> def make_task(width):
        ...     return Task(
        ...         model=lambda: torch.nn.Sequential(
        ...             torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 1)
        ...         ),
        ...         loss=torch.nn.MSELoss(),
        ...         data=[(x, x.sum(1, keepdim=True))],
        ...         total_steps=5,
        ...     )
        >>> sweeps = sweep(make_task, [8, 16], [1e-3, 1e-2], seeds=1, engine="sequential")
        >>> [part.width for part in sweeps.sweeps], sweeps.parametrization
        ([8, 16], 'mup')
    """
    ordered = checked_widths(widths, 2)
    chosen = None if standard else (base or ordered[0])
    if out is not None:
        folder_for(Path(out))  # refused before the work starts
    sweeps, name, length = [], "", 0
    for width in ordered:
        wide = at_width(make_task, width, base=chosen, roles=roles)
        name = wide.task.name
        result = sweep_rates(
            wide.task,
            [float(rate) * wide.peak_factor for rate in lr],
            seeds=seeds,
            total_steps=total_steps,
            shape=shape,
            engine=engine,
            seed=seed,
            out=out,
            progress=progress,
        )
        length = result.total_steps
        sweeps.append(_at_base(result, width, wide.peak_factor))
    return WidthSweeps(tuple(sweeps), "standard" if standard else "mup", name, length)


def _at_base(result: Sweep, width: int, peak_factor: float) -> WidthSweep:
    """A sweep with the rates at the base width."""
    best, low, high = (
        None if rate is None else rate / peak_factor
        for rate in (result.best, result.low, result.high)
    )
    return WidthSweep(width, result.lrs / peak_factor, result.losses, best, low, high)
