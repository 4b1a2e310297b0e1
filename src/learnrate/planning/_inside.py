"""A plan inside a run: a short search first, then branches of the run itself compare rates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import ArgumentError
from learnrate._files import number_or_none
from learnrate.planning._plan import plan as make_plan
from learnrate.planning._trainer import RANGE_TEST_STEPS
from learnrate.schedules import Schedule
from learnrate.schedules import schedule as read
from learnrate.trials import DivergenceTest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._result import Plan
    from learnrate.task import Task
    from learnrate.trials import Training

__all__ = [
    "BranchTest",
    "InsidePlan",
    "branch_points",
    "is_worth_an_edit",
    "plan_inside",
    "preferred_branch",
    "rate_after_branches",
]

SEARCH_SHARE = 0.15  # of a run, for all of the search
_FIRST_SHARE = 0.1  # of a run, for the plan before the run
_WARMUP, _STABLE_END = 0.05, 0.3  # shares of the run
_FACTOR = 4.0  # between the rates of branches
_MOST_TESTS = 3
_SHORTEST_BRANCH = 6  # updates
_ANNEAL = 0.4  # of a branch
# How far the rate that short branches prefer lies from the best rate of the whole run: standard
# deviation of the log. On five trainings at their best rates, branches of 2 % and 5 % of the run
# preferred rates up to nine times lower, and up to nine times higher.
_BRANCH_ERROR = 2.0
_INTERVAL = 2.5631  # standard deviations in a central 80 % interval
_LEAST_CHANGE = 1.1  # a smaller factor is not worth an edit


@dataclass(frozen=True, kw_only=True)
class BranchTest:
    """Branches from one state of the run, at a lower, the present and a higher rate.

    Each trains the same updates at its rate, and then lets the rate fall to 0.

    Attributes:
        step: the update that was about to happen.
        lr: the present rate.
        factors: of the present rate, rising.
        loss: of each branch at its end; infinite if it diverged.
        steps: updates of each branch.
        rate: that the run goes on at, from what is known by now.
    """

    step: int
    lr: float
    factors: tuple[float, ...]
    loss: tuple[float, ...]
    steps: int
    rate: float

    @property
    def words(self) -> str:
        """What the branches ended at, and what follows."""
        ends = ", ".join(
            f"{factor * self.lr:.3g}: {loss:.4g}"
            for factor, loss in zip(self.factors, self.loss, strict=True)
        )
        return (
            f"branches of {self.steps} updates from here, cooled down, end at {ends}; with what was known "
            f"before, the best rate is about {self.rate:.3g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The test as JSON values; the loss of a branch that diverged is None."""
        return {
            "step": self.step,
            "lr": self.lr,
            "factors": list(self.factors),
            "loss": [number_or_none(loss) for loss in self.loss],
            "steps": self.steps,
            "rate": self.rate,
        }


@dataclass
class InsidePlan:
    """What a run that plans itself knows of its rate.

    Attributes:
        plan: the plan made before the first update.
        schedule: that the run begins with.
        tests: of branches so far.
    """

    plan: Plan
    schedule: Schedule
    tests: list[BranchTest] = field(default_factory=list)
    _due: list[int] = field(default_factory=list)
    _branch_steps: int = 0

    def __post_init__(self) -> None:
        left = math.floor(SEARCH_SHARE * self.plan.total_steps) - self._planned_updates
        self._due, self._branch_steps = branch_points(self.plan.total_steps, left)

    @property
    def cost(self) -> float:
        """Updates of the search, as a share of the run."""
        tested = sum(test.steps * len(test.factors) for test in self.tests)
        return (self._planned_updates + tested) / self.plan.total_steps

    @property
    def words(self) -> str:
        """What the search cost, and what the first plan rests on."""
        return f"planned inside: {self.cost:.1%} of a run. {self.plan.reason}"

    def is_due(self, step: int) -> bool:
        """Whether branches are due before the update of a step."""
        return bool(self._due) and step >= self._due[0]

    def skip(self) -> None:
        """Leave out the branches that are due, because a person holds the rate."""
        self._due.pop(0)

    def test(self, training: Training, step: int, lr: float) -> BranchTest:
        """Train branches from the present state, which is restored to the bit.

        Args:
            training: of the run.
            step: the update about to happen.
            lr: its rate.
        """
        self._due.pop(0)
        factors = (1 / _FACTOR, 1.0, _FACTOR)
        losses = []
        with training.fork(self._branch_steps) as restore:
            for factor in factors:
                losses.append(_end_of_branch(training, factor * lr, self._branch_steps))
                restore()
        test = BranchTest(
            step=step,
            lr=lr,
            factors=factors,
            loss=tuple(losses),
            steps=self._branch_steps,
            rate=rate_after_branches(
                self.plan.peak,
                self.plan.low,
                self.plan.high,
                lr * factors[preferred_branch(losses)],
            ),
        )
        self.tests.append(test)
        return test

    def to_dict(self) -> dict[str, Any]:
        """The search as JSON values."""
        return {
            "cost": self.cost,
            "schedule": str(self.schedule),
            "peak": self.plan.peak,
            "low": self.plan.low,
            "high": self.plan.high,
            "reason": self.plan.reason,
            "tests": [test.to_dict() for test in self.tests],
        }

    @property
    def _planned_updates(self) -> int:
        return round(self.plan.cost * self.plan.total_steps)


def branch_points(total_steps: int, updates: int) -> tuple[list[int], int]:
    """The steps of a stable phase at which branches are due, and the updates of each branch.

    Args:
        total_steps: length of the run.
        updates: that all branches may take together.
    """
    count = min(_MOST_TESTS, updates // (3 * _SHORTEST_BRANCH))
    if count <= 0:
        return [], 0
    gap = (_STABLE_END - _WARMUP) / (count + 1)
    shares = [_WARMUP + gap * (i + 1) for i in range(count)]
    return [round(share * total_steps) for share in shares], updates // (3 * count)


def rate_after_branches(peak: float, low: float, high: float, preferred: float) -> float:
    """The rate to go on at: the mean of what a plan and branches say, weighted by how sure each is.

        log rate = (1 - w) log peak + w log preferred,   w = s^2 / (s^2 + b^2)

    s is the standard deviation of the plan's log rate, from its 80 % interval, and b that of what short
    branches prefer. What branches of one run say is off in the same direction again and again, so the
    latest stands for all of them.

    Args:
        peak: that was planned.
        low: the lower end of its 80 % interval.
        high: the upper end.
        preferred: the rate whose branch ended lowest.
    """
    planned_error = max(math.log(high / low) / _INTERVAL, 1e-3)
    weight = planned_error**2 / (planned_error**2 + _BRANCH_ERROR**2)
    return peak * math.exp(weight * math.log(preferred / peak))


def plan_inside(
    task: Task, *, total_steps: int | None = None, seed: int = 0, progress: bool = True
) -> InsidePlan:
    """The search before the first update of a run that plans itself: a plan for a tenth of a run.

    Args:
        task: what is trained.
        total_steps: length of the run in updates; the task's by default.
        seed: of the run.
        progress: show a bar on standard error.

    Raises:
        ArgumentError: the run is too short for a search within 15 % of it.
        TaskError: as for `plan`.
    """
    total_steps = task.run_length(total_steps)
    least = 2 * RANGE_TEST_STEPS[0]
    share = max(_FIRST_SHARE, least / total_steps)
    if share > SEARCH_SHARE:
        raise ArgumentError(
            f"plan='inside' needs a run of at least {math.ceil(least / SEARCH_SHARE)} updates, so that a "
            f"search of {least} updates is {SEARCH_SHARE:.0%} of it; got {total_steps}. Plan first, with "
            "learnrate plan: for so short a run it takes seconds."
        )
    first = make_plan(task, total_steps=total_steps, budget=share, seed=seed, progress=progress)
    if first.further is not None:  # the run itself goes on searching, and takes no --more
        reason = first.reason.removesuffix(f" {first.further.advice}")
        first = replace(first, reason=reason, further=None)
    shape = f"warmup({_WARMUP:.0%}) >> constant({_STABLE_END - _WARMUP:.0%}) >> linear()"
    return InsidePlan(first, (first.peak * read(shape)).over(total_steps))


def is_worth_an_edit(factor: float) -> bool:
    """Whether a change of the rate by a factor is worth an edit."""
    return not 1 / _LEAST_CHANGE < factor < _LEAST_CHANGE


def preferred_branch(losses: Sequence[float]) -> int:
    """The index of the lowest of three losses; that in the middle, of the present rate, if none is lower."""
    best = int(np.argmin(losses))
    return best if losses[best] < losses[1] else 1


def _end_of_branch(training: Training, lr: float, steps: int) -> float:
    """The loss after some updates at a rate and a fall to 0; infinite if it diverged."""
    anneal = max(1, round(_ANNEAL * steps))
    constant = steps - anneal
    shares = [1.0] * constant + [1 - (i + 1) / (anneal + 1) for i in range(anneal)]
    divergence, losses = DivergenceTest(), []
    for share in shares:
        losses.append(training.update(lr * share))
        if divergence.diverged(losses[-1]):
            return math.inf
    loss = training.validate()
    if loss is None:
        loss = float(np.mean(losses[-anneal:]))
    return loss if math.isfinite(loss) else math.inf
