"""The plan as a value: what was decided, and the evidence it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnrate._axes import draw_chart
from learnrate._chart import describe
from learnrate._errors import ArgumentError, FileError, ScheduleError
from learnrate._files import read_json, write_json
from learnrate._records import from_dict, to_dict
from learnrate.planning._earlier import EarlierPlan  # noqa: TC001 - the type of a field that is read
from learnrate.planning._shapes import ShapeTrial  # noqa: TC001 - the type of a field that is read
from learnrate.schedules import Schedule, schedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FurtherTrials", "LikePlans", "Plan", "PlanVerdict", "Rung", "RungTrial"]

_FORMAT = "learnrate.plan"
_VERSION = 2
_MANY = 2  # runs: a cost from here on is stated in runs, not as a share of one


class PlanVerdict(StrEnum):
    """Whether the evidence supports the plan."""

    OK = "ok"
    WEAK = "weak"


@dataclass(frozen=True)
class RungTrial:
    """One trial of a rung.

    Attributes:
        lr: the peak rate.
        seed: the seed of the weights and the batches.
        loss: the final loss; None if it did not finish.
        status: `finished` or `diverged`.
        updates: how many were made.
        reason: why it was asked for; empty in plans of older versions.
        train: the mean training loss of its last tenth; None if it did not finish, and in plans of
            older versions.
        passes: passes over the data that it began; None if not known, as in plans of older versions.
        distance: how far the weights ended from where they began, in norms of the initial weights; None
            in plans of older versions, and if it did not finish.
    """

    lr: float
    seed: int
    loss: float | None
    status: str
    updates: int
    reason: str = ""
    train: float | None = None
    passes: int | None = None
    distance: float | None = None

    @property
    def final(self) -> float:
        """Its final loss; infinite if it did not finish."""
        return math.inf if self.loss is None else self.loss


@dataclass(frozen=True)
class FurtherTrials:
    """The two further trials that would help a weak plan most for their cost.

    Attributes:
        steps: the length of each, in updates.
        cost: the cost of both together, as a share of one run.
    """

    steps: int
    cost: float

    @property
    def advice(self) -> str:
        """A sentence on the trials that would help a weak plan most."""
        return (
            f"Two further trials of {self.steps:,} updates would help most; they cost {self.cost:.0%} "
            "of a run (more=1, --more 1)."
        )


@dataclass(frozen=True)
class Rung:
    """Trials of one length, and their best rate according to the joint fit.

    Attributes:
        steps: the trials' length in updates.
        best: the best peak rate at this length.
        low: the lower end of its central 80 % interval.
        high: the upper end.
        bracketed: whether the best rate has a worse one, or one that diverged, on both sides.
        trials: the trials, by rising rate.
        fit_lr: rising rates at which the fitted loss is given.
        fit_loss: the fitted final loss at each of them.
    """

    steps: int
    best: float
    low: float
    high: float
    bracketed: bool
    trials: tuple[RungTrial, ...]
    fit_lr: tuple[float, ...]
    fit_loss: tuple[float, ...]


@dataclass(frozen=True)
class LikePlans:
    """The earlier plans that a plan started from, and whether its first trials agreed.

    Attributes:
        plans: the plans of similar tasks.
        peak: the rate for this run according to them.
        low: the lower end of its 80 % interval.
        high: the upper end.
        agrees: whether the first trials do not contradict them. If they do, the plan is made as without them.
        reason: all this in words.
        steps: the length of the first trials, in updates.
        trials: the first trials, if the plan does not contain them.
    """

    plans: tuple[EarlierPlan, ...]
    peak: float
    low: float
    high: float
    agrees: bool
    reason: str
    steps: int
    trials: tuple[RungTrial, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A peak rate for a whole run, its interval, its schedule, and the evidence.

    Attributes:
        peak: the rate with the least expected regret.
        low: the lower end of the central 80 % interval of the best rate.
        high: the upper end.
        schedule: the shape at `peak`, bound to `total_steps`.
        total_steps: the length of the whole run, in updates.
        cost: the updates of all trials, as a share of one run.
        budget: the largest cost that was allowed, as a share of one run.
        verdict: `ok`, or `weak` if the evidence is poor.
        reason: the decision and its reasons, in words.
        rungs: the trials, by rising length.
        drift: the change of the log of the best rate per e-fold of horizon.
        expected_regret: how far above the best loss the run is expected to end, as a share of that
            loss (of the improvement, if losses go below zero).
        further: the two trials to make next if the verdict is weak; `more=1` makes them.
        shapes: the short trials that compared warm-ups and decays; empty if there were none.
        range_test: rates and losses of the range test, as `RangeTest.to_dict` gives them.
        task: the task's name.
        seed: the seed of the plan.
        version: the version of learnrate that made the plan.
        budget_reason: what decided the budget; empty in plans of older versions.
        notes: sentences about the task, such as the rank of an adapter; they decide nothing.
        like: the earlier plans that it started from; None if there were none.
        usual_lr: the rate that is usually best for such an optimizer and weights of this size, see
            `usual_rate`; None if it is not known, and in plans of older versions.
    """

    peak: float
    low: float
    high: float
    schedule: Schedule
    total_steps: int
    cost: float
    budget: float
    verdict: PlanVerdict
    reason: str
    rungs: tuple[Rung, ...]
    drift: float
    expected_regret: float
    range_test: dict[str, Any]
    task: str
    seed: int
    version: str
    further: FurtherTrials | None = None
    shapes: tuple[ShapeTrial, ...] = ()
    budget_reason: str = ""
    notes: tuple[str, ...] = ()
    like: LikePlans | None = None
    usual_lr: float | None = None

    def __str__(self) -> str:
        return (
            f"peak {self.peak:.3g} ({self.low:.2g} .. {self.high:.2g}), {self.schedule}; "
            f"verdict {self.verdict}: {self.reason} "
            f"Cost: {self.cost_text} of {self.total_steps:,} updates."
        )

    @property
    def cost_text(self) -> str:
        """The cost of the trials, in words: a share of one run, or a number of runs."""
        return f"{self.cost:.0%} of one run" if self.cost < _MANY else f"{self.cost:.1f} runs"

    def plot(self) -> Figure:
        """Draw rungs, extrapolation and schedule with matplotlib; needs the extra `plot`."""
        return draw_chart(describe(self))

    def to_dict(self) -> dict[str, Any]:
        """The contents of `plan.json`, which `learnrate plan --json` prints.

        The trials of all rungs are one list, each with the `steps` of its rung.
        """
        document = to_dict(self)
        trials = [
            {"steps": rung["steps"], **trial}
            for rung in document["rungs"]
            for trial in rung.pop("trials")
        ]
        for name in ("further", "shapes", "budget_reason", "notes", "like", "usual_lr"):
            if not document[name]:
                del document[name]
        for trial in trials:
            for name in ("reason", "train", "passes", "distance"):
                if not trial[name]:
                    del trial[name]
        return {"format": _FORMAT, "format_version": _VERSION, **document, "trials": trials}

    def write(self, path: str | Path) -> None:
        """Write `plan.json`, whole or not at all."""
        write_json(Path(path), self.to_dict())

    @classmethod
    def read(cls, path: str | Path) -> Plan:
        """Read a `plan.json`, also one that an older version wrote.

        Raises:
            FileError: it is truncated, from a newer version, or edited out of range.
        """
        return cls.from_dict(read_json(Path(path)), path)

    @staticmethod
    def is_plan(document: object) -> bool:
        """Whether the contents of a file, or of a store, are those of a plan of one rate."""
        return isinstance(document, dict) and document.get("format") == _FORMAT

    @classmethod
    def from_dict(cls, document: Any, path: str | Path = "the plan") -> Plan:
        """A plan from what `to_dict` gave.

        Args:
            document: JSON values.
            path: what messages call it.

        Raises:
            FileError: it is truncated, from a newer version, or edited out of range.
        """
        try:
            return _plan(document)
        except FileError as error:
            raise FileError(f"{path}: {error}") from error
        except ScheduleError as error:
            raise FileError(f"{path}: its schedule cannot be used. {error}") from error
        except (KeyError, TypeError, AttributeError, ArgumentError) as error:
            raise FileError(
                f"{path} is not a plan of learnrate, or lacks a part of one: "
                f"{type(error).__name__}: {error} Make it again with learnrate plan."
            ) from error


def _plan(document: Any) -> Plan:
    _expect(
        Plan.is_plan(document),
        "is not a plan of learnrate (no format 'learnrate.plan').",
    )
    _check_values(document := _upgraded(document))
    plain = {
        name: value
        for name, value in document.items()
        if name not in {"format", "format_version", "trials"}
    }
    plain["rungs"] = [
        {**rung, "trials": _trials_of(rung["steps"], document["trials"])}
        for rung in document["rungs"]
    ]
    return from_dict(Plan, plain)


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """The document in the present version of the format."""
    version = document["format_version"]
    _expect(
        version in {1, _VERSION},
        f"has format version {version!r}; this learnrate reads up to {_VERSION}. "
        "Update learnrate, or make the plan again.",
    )
    if version == _VERSION:
        return document
    upgraded = {**document, "total_steps": document["total"]}
    del upgraded["total"]
    return upgraded


def _check_values(document: dict[str, Any]) -> None:
    for name in ("peak", "low", "high"):
        rate = document[name]
        is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
        _expect(
            is_number and 0 < rate < math.inf,
            f"{name} must be a finite rate above 0; got {rate!r}.",
        )
    low, peak, high = (document[name] for name in ("low", "peak", "high"))
    _expect(
        low <= peak <= high,
        f"peak must lie from low to high; got {low!r}, {peak!r}, {high!r}.",
    )
    bound = schedule(document["schedule"])
    _expect(
        bound.total_steps == document["total_steps"],
        f"its schedule {document['schedule']!r} has {bound.total_steps} updates, but its "
        f"total_steps is {document['total_steps']!r}.",
    )
    highest = float(bound.table().max())
    _expect(
        highest <= peak * (1 + 1e-9),
        f"its schedule reaches {highest!r}, above its peak {peak!r}.",
    )


def _trials_of(steps: int, trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The trials of one length, without it."""
    return [
        {name: value for name, value in trial.items() if name != "steps"}
        for trial in trials
        if trial["steps"] == steps
    ]


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise FileError(otherwise)
