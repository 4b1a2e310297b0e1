"""A plan that starts from earlier plans of similar tasks: which ones, and whether the first trials agree."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from learnrate._checks import refuse
from learnrate._errors import ArgumentError
from learnrate._statistics import student_quantile
from learnrate.planning._earlier import SPREAD, EarlierPlan, EarlierRung, belief_of
from learnrate.planning._rates_result import RatesPlan, read_plan
from learnrate.planning._result import LikePlans, Plan, PlanVerdict
from learnrate.planning._surface import LEAST_SLOPE

if TYPE_CHECKING:
    from learnrate.planning._climb import Climb
    from learnrate.planning._earlier import EarlierBelief
    from learnrate.schedules import Schedule

__all__ = ["LikeArgument", "begin_like", "earlier_plans", "planned_like"]

_BUDGET_PART = 3  # the first trials may cost this part of the budget
_SHORTEST = 16  # updates of a trial, at least, as in other plans
_LEAST_AFFORDABLE = 4  # trials that a third of the budget must pay for
_TAIL = 0.1  # probability beyond either end of an 80 % interval
_FEWEST_TRIALS = 3
_CLEAR = 0.1  # of the fall since the start: a smaller difference of two rates may be chance


@runtime_checkable
class PlanStore(Protocol):
    """A container of plans, such as a `learnrate.Store`."""

    place: str

    def plans(self, task: str | None = None) -> list[dict[str, Any]]:
        """The contents of the plans of a task, the newest first; of all tasks for None."""


LikeArgument = Plan | PlanStore | str | Path | Iterable["Plan | PlanStore | str | Path"]


def earlier_plans(like: LikeArgument, task: str) -> tuple[EarlierPlan, ...]:
    """The answers of the plans that a user names.

    Args:
        like: a plan, the path of a `plan.json` or of a folder with one, a store, or several of these.
        task: the name of the task to be planned, whose plans are taken from a store.

    Raises:
        ArgumentError: there is no plan, a store has none of the task, or a plan is of several rates.
        FileError: a file is not a plan.
    """
    several = isinstance(like, Iterable) and not isinstance(like, str)
    plans = [
        earlier
        for source in (like if several else [like])  # type: ignore[union-attr]
        for earlier in _plans_of(source, task)
    ]
    if not plans:
        raise ArgumentError(
            "plan(like=...) needs at least one plan; got none. Give one, or leave like out."
        )
    return tuple(plans)


def _plans_of(source: object, task: str) -> list[EarlierPlan]:
    if isinstance(source, Plan):
        return [_earlier(source, "")]
    if isinstance(source, PlanStore):
        return _stored(source, task)
    if isinstance(source, str | Path):
        path = Path(source)
        path = path / "plan.json" if path.is_dir() else path
        plan = read_plan(path)
        if isinstance(plan, RatesPlan):
            raise ArgumentError(
                f"like={str(path)!r} is a plan of {len(plan.rates)} rates, which cannot be used for a "
                "plan of one rate. Give a plan of one rate."
            )
        return [_earlier(plan, str(path))]
    return refuse(
        "plan", "like", "a plan, the path of its file, a store, or several of these", source
    )


def _stored(store: PlanStore, task: str) -> list[EarlierPlan]:
    known_plans = [
        Plan.from_dict(document) for document in store.plans(task) if Plan.is_plan(document)
    ]
    independent = [plan for plan in known_plans if plan.like is None or not plan.like.agrees]
    plans = [
        _earlier(plan, store.place) for plan in independent or known_plans
    ]  # others repeat these
    if not plans:
        known = sorted({str(document.get("task")) for document in store.plans()})
        listed = f"It has plans of {', '.join(known)}." if known else "It has no plans."
        raise ArgumentError(
            f"the store {store.place} has no plan of {task}. {listed} Save plans with learnrate "
            "plan --store, or give the file of another task's plan."
        )
    return plans


def _earlier(plan: Plan, source: str) -> EarlierPlan:
    return EarlierPlan(
        task=plan.task,
        total_steps=plan.total_steps,
        peak=plan.peak,
        low=plan.low,
        high=plan.high,
        verdict=str(plan.verdict),
        expected_regret=plan.expected_regret,
        rungs=tuple(
            EarlierRung(rung.steps, rung.best, rung.low, rung.high) for rung in plan.rungs
        ),
        source=source,
    )


def begin_like(
    climb: Climb, plans: tuple[EarlierPlan, ...], updates: int, spread: float = SPREAD
) -> tuple[Climb, LikePlans]:
    """Test earlier plans by short trials around their best rates, for at most a third of the budget.

    The best rates of short trials differ from those of whole runs in the same way on similar tasks, so
    trials are compared with earlier trials of the same length.

    Returns:
        A climb, and the result of the test. If the trials do not contradict the plans, the climb has
        made all its trials. Otherwise it has made none, and has the rest of the budget.

    Args:
        climb: without trials.
        plans: the plans of similar tasks.
        updates: what the budget pays for, the range test included.
        spread: how far similar tasks usually differ; see `belief_of`.
    """
    ladder = climb.ladder
    belief = belief_of(plans, ladder.total_steps, spread)
    share = min(ladder.budget, updates // _BUDGET_PART - climb.trainer.spent)
    shortest = min(rung.steps for plan in plans for rung in plan.rungs)
    steps = max(_SHORTEST, min(shortest, share // _LEAST_AFFORDABLE, ladder.total_steps))
    expected = _of_trials(plans, belief, steps)
    pays = _FEWEST_TRIALS * steps <= share and steps <= ladder.total_steps
    one_by_one = replace(
        ladder,
        budget=share,
        expected_log_lr=expected,
        extension=(0, steps),
        costs_together=(1.0,),
    )
    first = replace(climb, ladder=one_by_one, trials=[])
    if pays:
        first.train_proposed()
    agrees = _agrees(first) if pays else None
    half = student_quantile(_TAIL, round(belief.freedom)) * belief.log_std
    peak, low, high = (math.exp(belief.log_peak + shift) for shift in (0.0, -half, half))
    like = LikePlans(
        plans=plans,
        peak=float(f"{peak:.3g}"),
        low=float(f"{low:.3g}"),
        high=float(f"{high:.3g}"),
        agrees=bool(agrees),
        reason=_reason(plans, first, expected, agrees=agrees),
        steps=steps if pays else 0,
        trials=() if agrees else tuple(trial.record for trial in first.trials),
    )
    if agrees:
        return first, like
    left = ladder.budget - first.ladder.spent(first.trials)
    return replace(climb, ladder=replace(ladder, budget=left), trials=[]), like


def planned_like(plan: Plan, like: LikePlans, shape: Schedule) -> Plan:
    """The plan with the rate of earlier plans, which its trials did not contradict.

    Args:
        plan: the plan with the first trials.
        like: the earlier plans.
        shape: the shape of the schedule, with peak 1, bound to its length.
    """
    is_ok = all(earlier.verdict == PlanVerdict.OK for earlier in like.plans)
    weak = (
        ""
        if is_ok
        else " An earlier plan was weak, and so is this one (plan without like to spend the whole budget)."
    )
    return replace(
        plan,
        peak=like.peak,
        low=like.low,
        high=like.high,
        schedule=like.peak * shape,
        verdict=PlanVerdict.OK if is_ok else PlanVerdict.WEAK,
        reason=f"{like.reason} {like.peak:.3g} is chosen, as in the earlier plans.{weak}",
        expected_regret=max(earlier.expected_regret for earlier in like.plans),
        further=None,
        like=like,
    )


def _of_trials(plans: tuple[EarlierPlan, ...], belief: EarlierBelief, steps: int) -> float:
    """The log best rate of trials of a length, according to earlier plans."""
    known = [plan.of_trials(steps) for plan in plans]
    weights = [1 / (std**2 + belief.spread**2) for _, std in known]
    mean = sum(weight * log_lr for weight, (log_lr, _) in zip(weights, known, strict=True))
    return mean / sum(weights)


def _agrees(climb: Climb) -> bool | None:
    """Whether no trial ended clearly lower than the first two, which lie where earlier ones were best.

    None if the trials have learned too little to tell.
    """
    losses = [trial.log_loss for trial in climb.trials]
    fall = climb.ladder.start - min(losses, default=math.inf)
    if len(losses) < _FEWEST_TRIALS or not fall >= LEAST_SLOPE:
        return None
    return min(losses[:2]) - min(losses) <= _CLEAR * fall


def _reason(
    plans: tuple[EarlierPlan, ...], climb: Climb, expected: float, *, agrees: bool | None
) -> str:
    """Where the rate came from, and what the first trials say of it, in sentences."""
    names = ", ".join(sorted({earlier.task for earlier in plans}))
    peaks = " and ".join(
        f"{earlier.peak:.3g} for {earlier.total_steps:,} updates" for earlier in plans
    )
    count = "An earlier plan" if len(plans) == 1 else f"{len(plans)} earlier plans"
    text = f"{count} of similar tasks ({names}) chose {peaks}."
    trials = climb.trials
    steps = max((trial.steps for trial in trials), default=0)
    first_trials = f"{len(trials)} trials of {steps:,} updates"
    if not trials:
        return (
            f"{text} A third of the budget does not pay for trials of {_SHORTEST} updates to test this, so "
            "earlier plans are not used."
        )
    if agrees is None:
        return f"{text} {first_trials} learned too little to test this, so earlier plans are not used."
    around = f"around {math.exp(expected):.2g}, the best rate of earlier trials of this length"
    if agrees:
        return f"{text} Of {first_trials}, none ended clearly lower than {around}, so nothing more was spent."
    best = min(trials, key=lambda trial: trial.log_loss).record.lr
    return (
        f"{text} Of {first_trials}, the one at {best:.2g} ended clearly lower than {around}, so earlier "
        "plans are not used."
    )
