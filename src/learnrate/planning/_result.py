"""The plan as a value: what was decided, and the evidence it rests on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError, ScheduleError
from learnrate._files import read_json, write_json
from learnrate.planning._shapes import ShapeTrial
from learnrate.schedules import Schedule, schedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FurtherTrials", "Plan", "PlanVerdict", "Rung", "RungTrial"]

_FORMAT = "learnrate.plan"
_VERSION = 2


class PlanVerdict(StrEnum):
    """Whether the evidence supports the plan."""

    OK = "ok"
    WEAK = "weak"


@dataclass(frozen=True)
class RungTrial:
    """One trial of a rung.

    Attributes:
        lr: the peak rate.
        seed: of the weights and the batches.
        loss: the final loss; None if it did not finish.
        status: `finished` or `diverged`.
        updates: how many were made.
    """

    lr: float
    seed: int
    loss: float | None
    status: str
    updates: int


@dataclass(frozen=True)
class FurtherTrials:
    """The two further trials that would help a weak plan most for their cost.

    Attributes:
        steps: the length of each, in updates.
        cost: of both together, as a share of one run.
    """

    steps: int
    cost: float


@dataclass(frozen=True)
class Rung:
    """Trials of one length, and their best rate according to the joint fit.

    Attributes:
        steps: the trials' length in updates.
        best: the best peak rate at this length.
        low: the lower end of its central 80 % interval.
        high: the upper end.
        bracketed: whether the best trial has a worse one on both sides.
        trials: by rising rate.
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
class Plan:
    """A peak rate for a whole run, its interval, its schedule, and the evidence.

    Attributes:
        peak: the rate with the least expected regret.
        low: the lower end of the central 80 % interval of the best rate.
        high: the upper end.
        schedule: the shape at `peak`, bound to `total_steps`.
        total_steps: the length of the whole run, in updates.
        cost: the updates of all trials, as a share of one run.
        budget: the largest cost that was allowed.
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

    def __str__(self) -> str:
        return (
            f"peak {self.peak:.3g} ({self.low:.2g} .. {self.high:.2g}), {self.schedule}; "
            f"verdict {self.verdict}: {self.reason} "
            f"Cost: {self.cost:.0%} of one run of {self.total_steps:,} updates."
        )

    def plot(self) -> Figure:
        """Draw rungs, extrapolation and schedule with matplotlib; needs the extra `plot`."""
        from learnrate.planning._picture import draw  # noqa: PLC0415 - matplotlib is optional

        return draw(self)

    def to_dict(self) -> dict[str, Any]:
        """What `plan.json` and `learnrate plan --json` hold."""
        rungs = [asdict(rung) for rung in self.rungs]
        trials = [
            {"steps": rung.steps, **asdict(trial)} for rung in self.rungs for trial in rung.trials
        ]
        for rung in rungs:
            del rung["trials"]
        return {
            "format": _FORMAT,
            "format_version": _VERSION,
            "peak": self.peak,
            "low": self.low,
            "high": self.high,
            "schedule": str(self.schedule),
            "total_steps": self.total_steps,
            "cost": self.cost,
            "budget": self.budget,
            "verdict": str(self.verdict),
            "reason": self.reason,
            "rungs": rungs,
            "trials": trials,
            "drift": self.drift,
            "expected_regret": self.expected_regret,
            **({} if self.further is None else {"further": asdict(self.further)}),
            **({"shapes": [asdict(one) for one in self.shapes]} if self.shapes else {}),
            "range_test": self.range_test,
            "task": self.task,
            "seed": self.seed,
            "version": self.version,
        }

    def write(self, path: str | Path) -> None:
        """Write `plan.json`, whole or not at all."""
        write_json(Path(path), self.to_dict())

    @classmethod
    def read(cls, path: str | Path) -> Plan:
        """Read a `plan.json`.

        Raises:
            FileError: it is truncated, from a newer version, or edited out of range.
        """
        found = read_json(Path(path))
        try:
            return _checked(found)
        except FileError as error:
            raise FileError(f"{path}: {error}") from error
        except ScheduleError as error:
            raise FileError(f"{path}: its schedule cannot be used. {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileError(
                f"{path} is not a plan of learnrate, or lacks a part of one: "
                f"{type(error).__name__}: {error}. Make it again with learnrate plan."
            ) from error


def _checked(found: Any) -> Plan:
    _expect(
        isinstance(found, dict) and found.get("format") == _FORMAT,
        "is not a plan of learnrate (no format 'learnrate.plan').",
    )
    _expect(
        found["format_version"] in {1, _VERSION},
        f"has format version {found['format_version']!r}; this learnrate reads up to {_VERSION}. "
        "Update learnrate, or make the plan again.",
    )
    if found["format_version"] == 1:  # the length of the run was called `total`
        found = {**found, "total_steps": found["total"]}
    for name in ("peak", "low", "high"):
        _expect(
            _is_number(found[name]) and 0 < found[name] < math.inf,
            f"{name} must be a finite rate above 0; got {found[name]!r}.",
        )
    _expect(
        found["low"] <= found["peak"] <= found["high"],
        f"peak must lie from low to high; got {found['low']!r}, {found['peak']!r}, "
        f"{found['high']!r}.",
    )
    bound = schedule(found["schedule"])
    _expect(
        bound.total_steps == found["total_steps"],
        f"its schedule {found['schedule']!r} is {bound.total_steps} updates long, and total_steps says "
        f"{found['total_steps']!r}.",
    )
    highest = float(bound.table().max())
    _expect(
        highest <= found["peak"] * (1 + 1e-9),
        f"its schedule reaches {highest!r}, above its peak {found['peak']!r}.",
    )
    return Plan(
        peak=float(found["peak"]),
        low=float(found["low"]),
        high=float(found["high"]),
        schedule=bound,
        total_steps=int(found["total_steps"]),
        cost=float(found["cost"]),
        budget=float(found["budget"]),
        verdict=PlanVerdict(found["verdict"]),
        reason=str(found["reason"]),
        rungs=tuple(_rung(one, found["trials"]) for one in found["rungs"]),
        drift=float(found["drift"]),
        expected_regret=float(found["expected_regret"]),
        range_test=dict(found["range_test"]),
        task=str(found["task"]),
        seed=int(found["seed"]),
        version=str(found["version"]),
        further=_further(found.get("further")),
        shapes=tuple(_shape_trial(one) for one in found.get("shapes", [])),
    )


def _further(found: dict[str, Any] | None) -> FurtherTrials | None:
    return None if found is None else FurtherTrials(int(found["steps"]), float(found["cost"]))


def _shape_trial(found: dict[str, Any]) -> ShapeTrial:
    return ShapeTrial(
        warmup=str(found["warmup"]),
        decay=str(found["decay"]),
        shape=str(found["shape"]),
        lr=float(found["lr"]),
        loss=None if found["loss"] is None else float(found["loss"]),
        updates=int(found["updates"]),
    )


def _rung(found: dict[str, Any], trials: list[dict[str, Any]]) -> Rung:
    own = [one for one in trials if one["steps"] == found["steps"]]
    return Rung(
        steps=int(found["steps"]),
        best=float(found["best"]),
        low=float(found["low"]),
        high=float(found["high"]),
        bracketed=bool(found["bracketed"]),
        trials=tuple(
            RungTrial(
                lr=float(one["lr"]),
                seed=int(one["seed"]),
                loss=None if one["loss"] is None else float(one["loss"]),
                status=str(one["status"]),
                updates=int(one["updates"]),
            )
            for one in own
        ),
        fit_lr=tuple(map(float, found["fit_lr"])),
        fit_loss=tuple(map(float, found["fit_loss"])),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise FileError(otherwise)
