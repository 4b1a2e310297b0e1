"""A plan inside a run: a short search first, then branches of the run itself compare rates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import ArgumentError
from learnrate._files import number_or_none
from learnrate.planning._branches import (
    STABLE_END,
    WARMUP,
    RateBelief,
    branch_points,
    next_factor,
)
from learnrate.planning._plan import plan as make_plan
from learnrate.planning._range_estimate import end_of_range
from learnrate.planning._trainer import RANGE_TEST_STEPS
from learnrate.schedules import Schedule
from learnrate.schedules import schedule as read
from learnrate.trials import DivergenceTest, Status

if TYPE_CHECKING:
    from learnrate.planning._result import Plan
    from learnrate.task import Task
    from learnrate.trials import Training

__all__ = ["BranchTest", "InsidePlan", "plan_inside"]

SEARCH_SHARE = 0.15  # of a run, for all of the search
_FIRST_SHARE = 0.1  # of a run, for the plan before the run
_ANNEAL = 0.4  # of a branch
_SHORTEST_BRANCH = 4  # updates
_SHORTEST_OF_SEVERAL = 6  # updates, if there is more than one test
_BRANCHES = 4  # of a test: two, and two further ones if the rate is far too low
_FEWEST_BRANCHES = 2


@dataclass(frozen=True, kw_only=True)
class BranchTest:
    """Branches from one state of the run, at the present rate and others.

    Each trains the same updates at its rate, and then lets the rate fall to 0.

    Attributes:
        step: the update that was about to happen.
        lr: the present rate.
        factors: the factors of the present rate, rising.
        loss: the loss of each branch at its end; infinite if it diverged.
        before: the loss of the state that they begin from; None if no loss was measured there.
        steps: updates of each branch.
        rate: the rate at which the run continues, from all that is known now.
    """

    step: int
    lr: float
    factors: tuple[float, ...]
    loss: tuple[float, ...]
    before: float | None
    steps: int
    rate: float

    @property
    def words(self) -> str:
        """The losses of the branches, and the rate that follows from them."""
        ends = ", ".join(
            f"{factor * self.lr:.3g}: {loss:.4g}"
            for factor, loss in zip(self.factors, self.loss, strict=True)
        )
        return (
            f"branches of {self.steps} updates from this step, each cooled down, ended at {ends}; together "
            f"with the earlier trials, they put the best rate at about {self.rate:.3g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The test as JSON values; the loss of a branch that diverged is None."""
        return {
            "step": self.step,
            "lr": self.lr,
            "factors": list(self.factors),
            "loss": [number_or_none(loss) for loss in self.loss],
            "before": self.before,
            "steps": self.steps,
            "rate": self.rate,
        }


@dataclass
class InsidePlan:
    """What a run that plans itself has found out about its rate.

    Attributes:
        plan: the plan made before the first update.
        schedule: the schedule that the run begins with.
        tests: the tests of branches so far.
    """

    plan: Plan
    schedule: Schedule
    tests: list[BranchTest] = field(default_factory=list)
    _due: list[int] = field(default_factory=list)
    _branch_steps: int = 0
    _belief: RateBelief = field(init=False)

    def __post_init__(self) -> None:
        self._belief = RateBelief(self.plan.peak, self.plan.low, self.plan.high)
        count = self._updates_left // (_BRANCHES * _SHORTEST_OF_SEVERAL)
        count = max(count, min(1, self._updates_left // (_BRANCHES * _SHORTEST_BRANCH)))
        self._due = branch_points(self.plan.total_steps, count)
        self._branch_steps = self._updates_left // (_BRANCHES * max(1, len(self._due)))

    @property
    def cost(self) -> float:
        """Updates of the search, as a share of the run."""
        tested = sum(test.steps * len(test.factors) for test in self.tests)
        return (self._planned_updates + tested) / self.plan.total_steps

    @property
    def words(self) -> str:
        """The cost of the search, and the reason of the first plan."""
        return (
            f"planned inside the run, at a cost of {self.cost:.1%} of the run. {self.plan.reason}"
        )

    def is_due(self, step: int) -> bool:
        """Whether branches are due before the update of a step, and the search may still pay for them."""
        return (
            bool(self._due)
            and step >= self._due[0]
            and self._affordable_branches >= _FEWEST_BRANCHES
        )

    def skip(self) -> None:
        """Leave out the branches that are due, because a person holds the rate."""
        self._due.pop(0)

    def test(self, training: Training, step: int, lr: float) -> BranchTest:
        """Train branches from the present state, which is restored to the last bit.

        Args:
            training: the training of the run.
            step: the update about to happen.
            lr: its rate.
        """
        self._due.pop(0)
        steps, affordable = self._branch_steps, self._affordable_branches
        losses: dict[float, float] = {}
        with training.fork(steps) as restore:
            before = training.validate()
            restore()
            while affordable > len(losses):
                factor = next_factor(losses, before, self._too_high / lr)
                if factor is None:
                    break
                losses[factor] = _end_of_branch(training, factor * lr, steps)
                restore()
        losses = dict(sorted(losses.items()))
        self._belief = belief = self._belief.after(lr, losses, before)
        test = BranchTest(
            step=step,
            lr=lr,
            factors=tuple(losses),
            loss=tuple(losses.values()),
            before=before,
            steps=steps,
            rate=belief.rate,
        )
        self.tests.append(test)
        return test

    def to_dict(self) -> dict[str, Any]:
        """The cost, the schedule, the peak with its interval, and the search, as JSON values."""
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
    def _affordable_branches(self) -> int:
        """How many further branches the search may pay for."""
        return self._updates_left // max(1, self._branch_steps)

    @property
    def _updates_left(self) -> int:
        tested = sum(test.steps * len(test.factors) for test in self.tests)
        return math.floor(SEARCH_SHARE * self.plan.total_steps) - self._planned_updates - tested

    @property
    def _too_high(self) -> float:
        """The lowest rate that was too high in the plan before the run."""
        trials = [trial for rung in self.plan.rungs for trial in rung.trials]
        diverged = [trial.lr for trial in trials if trial.status == Status.DIVERGED]
        test = self.plan.range_test
        return min([end_of_range(np.array(test["lr"]), np.array(test["loss"])), *diverged])

    @property
    def _planned_updates(self) -> int:
        return round(self.plan.cost * self.plan.total_steps)


def plan_inside(
    task: Task, *, total_steps: int | None = None, seed: int = 0, progress: bool = True
) -> InsidePlan:
    """The search before the first update of a run that plans itself: a plan for a tenth of a run.

    Args:
        task: what is trained.
        total_steps: length of the run in updates; the task's by default.
        seed: the seed of the run.
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
            f"search of {least} updates takes {SEARCH_SHARE:.0%} of it; got {total_steps}. Run learnrate "
            "plan first; for a run this short it takes seconds."
        )
    first = make_plan(task, total_steps=total_steps, budget=share, seed=seed, progress=progress)
    if first.further is not None:  # the run continues the search: no --more
        reason = first.reason.removesuffix(f" {first.further.advice}")
        first = replace(first, reason=reason, further=None)
    shape = f"warmup({WARMUP:.0%}) >> constant({STABLE_END - WARMUP:.0%}) >> linear()"
    return InsidePlan(first, (first.peak * read(shape)).over(total_steps))


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
