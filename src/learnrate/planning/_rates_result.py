"""The plan of several rates as a value: what was decided, and the evidence it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnrate._axes import draw_chart
from learnrate._chart import describe
from learnrate._errors import ArgumentError, FileError, ScheduleError
from learnrate._files import read_json, write_json
from learnrate._records import from_dict, to_dict
from learnrate.planning._result import FurtherTrials, Plan, PlanVerdict
from learnrate.schedules import Schedule  # noqa: TC001 - the type of a field that is read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from learnrate.task import Task

__all__ = ["PlannedRate", "RatesMap", "RatesPlan", "RatesTrial", "read_plan"]

_FORMAT = "learnrate.plan.rates"
_VERSION = 1


@dataclass(frozen=True)
class RatesTrial:
    """One trial of a plan of several rates.

    Attributes:
        steps: its length in updates.
        lrs: its rates, in the order of the plan's.
        seed: the seed of the weights and the batches.
        loss: the final loss; None if it did not finish.
        status: `finished` or `diverged`.
        updates: how many were made.
        reason: why it was asked for.
    """

    steps: int
    lrs: tuple[float, ...]
    seed: int
    loss: float | None
    status: str
    updates: int
    reason: str


@dataclass(frozen=True)
class PlannedRate:
    """One of several rates.

    Attributes:
        name: the name of the rate.
        lr: the rate that is chosen, the peak of its parameter groups.
        low: the lower end of the central 80 % interval of the best value.
        high: the upper end.
        tolerated_low: the lower end of the range in which a run ends, with a probability of 80 %,
            within 1 % of that at the chosen rates (of the improvement, if losses go below zero).
        tolerated_high: the upper end.
        share: how much this rate matters near the best ones; the shares of all rates sum to 1.
        groups: the numbers of its parameter groups through all optimizers; empty if it has a pattern.
        pattern: the pattern of the names of its parameters; empty if it has numbers.
    """

    name: str
    lr: float
    low: float
    high: float
    tolerated_low: float
    tolerated_high: float
    share: float
    groups: tuple[int, ...]
    pattern: str = ""


@dataclass(frozen=True)
class RatesMap:
    """How far above the lowest loss the whole run is expected to end, over two rates.

    Attributes:
        x: the name of the rate of the columns.
        y: the name of the rate of the rows.
        x_lrs: the rates of the columns.
        y_lrs: the rates of the rows.
        excess: a row for each of `y_lrs`; 0.05 is 5 % above.
    """

    x: str
    y: str
    x_lrs: tuple[float, ...]
    y_lrs: tuple[float, ...]
    excess: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class RatesPlan:
    """Several rates for a whole run, with their intervals, the schedule, and the evidence.

    Attributes:
        rates: each with its interval.
        group_lrs: the peak of each parameter group, through all optimizers.
        schedule: the shape at the highest of `group_lrs`; other groups keep their ratio to it.
        total_steps: the length of the whole run, in updates.
        cost: the updates of all trials, as a share of one run.
        budget: the largest cost that was allowed, as a share of one run.
        verdict: `ok`, or `weak` if the evidence is poor.
        reason: the decision, which rate matters, and what is doubtful, in words.
        trials: the trials, in the order in which they were made.
        maps: the expected excess over each two rates.
        drift: the change of the logs of the best rates per e-fold of horizon.
        expected_regret: how far above the best loss the run is expected to end, as a share of that
            loss (of the improvement, if losses go below zero).
        range_tests: the range test of each rate alone, as `RangeTest.to_dict` gives them.
        task: the task's name.
        seed: the seed of the plan.
        version: the version of learnrate that made the plan.
        further: the two trials to make next if the verdict is weak; `more=1` makes them.
        budget_reason: what decided the budget.
    """

    rates: tuple[PlannedRate, ...]
    group_lrs: tuple[float, ...]
    schedule: Schedule
    total_steps: int
    cost: float
    budget: float
    verdict: PlanVerdict
    reason: str
    trials: tuple[RatesTrial, ...]
    maps: tuple[RatesMap, ...]
    drift: float
    expected_regret: float
    range_tests: tuple[dict[str, Any], ...]
    task: str
    seed: int
    version: str
    further: FurtherTrials | None = None
    budget_reason: str = ""

    def __str__(self) -> str:
        rates = ", ".join(
            f"{rate.name} {rate.lr:.3g} ({rate.low:.2g} .. {rate.high:.2g})" for rate in self.rates
        )
        return (
            f"{rates}; {self.schedule}; verdict {self.verdict}: {self.reason} "
            f"Cost: {self.cost_text} of {self.total_steps:,} updates."
        )

    @property
    def cost_text(self) -> str:
        """The cost of the trials, in words."""
        return f"{self.cost:.0%} of one run" if self.cost < 2 else f"{self.cost:.1f} runs"

    @property
    def lrs(self) -> dict[str, float]:
        """The peak of each planned rate, by its name."""
        return {rate.name: rate.lr for rate in self.rates}

    @property
    def group_schedules(self) -> tuple[Schedule, ...]:
        """A schedule for each parameter group, as `attach(groups=...)` and `train` take them."""
        _, shape = self.schedule.split()
        return tuple((lr * shape).over(self.total_steps) for lr in self.group_lrs)

    def applied_to(self, task: Task) -> Task:
        """The task with these rates in its parameter groups, which are split if patterns say so.

        `learnrate.train(plan.applied_to(task), plan.schedule)` trains with the plan.

        Raises:
            ArgumentError: the task has other parameter groups.
        """
        from learnrate.planning._rates_groups import groups_of  # noqa: PLC0415 - loads torch

        named: dict[str, str | tuple[int, ...]] = {
            rate.name: rate.pattern or rate.groups for rate in self.rates
        }
        return groups_of(task, named).task_at(task, tuple(self.lrs.values()))

    def plot(self) -> Figure:
        """Draw the maps with matplotlib; needs the extra `plot`."""
        return draw_chart(describe(self))

    def to_dict(self) -> dict[str, Any]:
        """The contents of `plan.json`, which `learnrate plan --rates ... --json` prints."""
        return {"format": _FORMAT, "format_version": _VERSION, **to_dict(self)}

    def write(self, path: str | Path) -> None:
        """Write `plan.json`, whole or not at all."""
        write_json(Path(path), self.to_dict())

    @classmethod
    def read(cls, path: str | Path) -> RatesPlan:
        """Read a `plan.json`.

        Raises:
            FileError: it is truncated, from a newer version, or edited out of range.
        """
        return cls.from_dict(read_json(Path(path)), path)

    @classmethod
    def from_dict(cls, document: Any, path: str | Path) -> RatesPlan:
        """A plan from what `to_dict` gave.

        Args:
            document: JSON values.
            path: what messages call it.

        Raises:
            FileError: it is truncated, from a newer version, or edited out of range.
        """
        document = dict(document) if isinstance(document, dict) else {}
        if document.pop("format", None) != _FORMAT:
            raise FileError(f"{path} is not a plan of several rates (no format {_FORMAT!r}).")
        if (version := document.pop("format_version", None)) != _VERSION:
            raise FileError(
                f"{path} has format version {version!r}; this learnrate reads {_VERSION}. Update "
                "learnrate, or make the plan again."
            )
        try:
            plan = from_dict(cls, document, "the plan")
        except (ArgumentError, ScheduleError) as error:
            raise FileError(f"{path}: {error} Make it again with learnrate plan.") from error
        _check(plan, path)
        return plan


def _check(plan: RatesPlan, path: str | Path) -> None:
    for rate in plan.rates:
        if not 0 < rate.low <= rate.lr <= rate.high < math.inf:
            raise FileError(
                f"{path}: the rate of {rate.name} must be above 0 and lie from low to high; got "
                f"{rate.low!r}, {rate.lr!r}, {rate.high!r}."
            )
    if plan.schedule.total_steps != plan.total_steps:
        raise FileError(
            f"{path}: its schedule has {plan.schedule.total_steps} updates, but its total_steps is "
            f"{plan.total_steps}."
        )


def read_plan(path: str | Path) -> Plan | RatesPlan:
    """Read a `plan.json`, of one rate or of several.

    Raises:
        FileError: it is neither, truncated, from a newer version, or edited out of range.
    """
    document = read_json(Path(path))
    several = isinstance(document, dict) and document.get("format") == _FORMAT
    return RatesPlan.from_dict(document, path) if several else Plan.from_dict(document, path)
