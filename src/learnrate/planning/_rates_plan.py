"""A plan of several rates: a range test of each, trials at informative rates, a decision."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

from learnrate._errors import TaskError
from learnrate._progress import ProgressBar
from learnrate._version import __version__
from learnrate.planning._asked import rates_of_logs
from learnrate.planning._climb import Climb
from learnrate.planning._loss_scale import LossScale
from learnrate.planning._range_estimate import expected_log_lr
from learnrate.planning._rates_decision import RatesDecision, judge_rates
from learnrate.planning._rates_groups import groups_of
from learnrate.planning._rates_ladder import RatesLadder
from learnrate.planning._rates_result import PlannedRate, RatesMap, RatesPlan, RatesTrial
from learnrate.planning._result import FurtherTrials, PlanVerdict
from learnrate.planning._trainer import PlanTrainer
from learnrate.trials import Journal, fingerprint, preserved

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.planning._budget import Budget, Spending
    from learnrate.range_test import RangeTest
    from learnrate.schedules import Schedule
    from learnrate.task import RateGroups, RatesArgument, Task

__all__ = ["plan_rates"]

_STD = 1.5  # of a best log rate around the estimate of its range test; 1.0 for a plan of one rate
_STD_UNKNOWN = 2.3  # a decade, if the range test of the rate is not informative


def plan_rates(
    task: Task,
    rates: RatesArgument,
    *,
    total_steps: int,
    budget: Budget,
    expected_updates: int,
    shape: Schedule,
    more: int,
    seed: int,
    path: Path | None,
    progress: bool,
) -> RatesPlan:
    """Plan several rates together; see `plan`.

    Args:
        task: what to train.
        rates: what each rate is for.
        total_steps: the length of the whole run, in updates.
        budget: the most that all trials may cost.
        expected_updates: what the budget pays for, before the speed of training is known.
        shape: the schedule of the whole run, bound to its length, with peak 1.
        more: how many times to continue after the budget is spent.
        seed: the seed of the plan.
        path: the path of the journal.
        progress: whether to show a progress bar.

    Raises:
        TaskError: the range test of a rate is broken, or every trial diverged.
    """
    identity = fingerprint(task)
    with ProgressBar(expected_updates, shown=progress) as bar, preserved(task):
        groups = groups_of(task, rates)
        trainer = PlanTrainer(task, Journal(path, identity), bar, shape, groups=groups)
        tests = tuple(
            trainer.range_test(expected_updates // len(groups.names), seed, alone=number)
            for number in range(len(groups.names))
        )
        for test in tests:
            if test.broken:
                raise TaskError(test.refusal)
        start = trainer.start(seed).loss
        updates, pace = trainer.updates(budget, total_steps, seed)
        bar.expect(updates)
        expected, stds = _expected(tests, groups)
        ladder = RatesLadder(
            budget=updates - trainer.spent,
            total_steps=total_steps,
            expected_log_lr=max(expected),
            pace=pace,
            expected=expected,
            expected_stds=stds,
            names=groups.names,
        )
        scale = LossScale.of(start, *(test.mean for test in tests))
        climb = Climb(trainer, ladder, scale, tests[0], start, seed)
        spending = climb.spend(budget, updates, more)
        return _planned(climb, groups, tests, spending)


def _expected(
    tests: tuple[RangeTest, ...], groups: RateGroups
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The log of the best value of each rate by its range test, and the standard deviations.

    The loss may not depend on one of the rates, such as the rate of the first factor of an adapter while the
    second factor is 0. Then the ratio of the task's own rates is used, with a wide standard deviation.
    """
    known = {
        number: expected_log_lr(test) for number, test in enumerate(tests) if _is_informative(test)
    }
    usual = [math.log(lr) if lr > 0 else 0.0 for lr in groups.lrs]
    shift = sum(known[number] - usual[number] for number in known) / len(known) if known else 0.0
    expected = tuple(
        known.get(number, usual[number] + shift) for number in range(len(groups.names))
    )
    stds = tuple(_STD if number in known else _STD_UNKNOWN for number in range(len(expected)))
    return expected, stds


def _is_informative(test: RangeTest) -> bool:
    """Whether the loss of a range test fell, or ended far above its start."""
    return test.diverged_at is not None or not test.refusal


def _planned(
    climb: Climb, groups: RateGroups, tests: tuple[RangeTest, ...], spending: Spending
) -> RatesPlan:
    trainer, trials = climb.trainer, climb.trials
    if not climb.has_finished_trials:
        raise TaskError(
            f"all {len(trials)} trials diverged. Plan with a larger budget or more steps, or look at "
            "the range test of learnrate find."
        )
    ladder = climb.ladder
    assert isinstance(ladder, RatesLadder)  # noqa: S101 - made so
    decision = RatesDecision(ladder, tuple(trials))
    total_steps = ladder.total_steps
    verdict, reason = judge_rates(decision, climb.scale)
    further = None
    if verdict is PlanVerdict.WEAK and (extension := ladder.extended(trials).extension):
        further = FurtherTrials(extension[1], 2 * extension[1] / total_steps)
        reason += f" {further.advice}"
    group_lrs = tuple(groups.rates_of_groups(decision.rates))
    return RatesPlan(
        rates=tuple(
            PlannedRate(
                name=name,
                lr=decision.rates[number],
                low=decision.intervals[number][0],
                high=decision.intervals[number][1],
                tolerated_low=decision.tolerated[number][0],
                tolerated_high=decision.tolerated[number][1],
                share=float(decision.posterior.shares[number]),
                groups=groups.members[number] if groups.members else (),
                pattern=groups.patterns[number] if groups.patterns else "",
            )
            for number, name in enumerate(groups.names)
        ),
        group_lrs=group_lrs,
        schedule=max(group_lrs) * trainer.shape,
        total_steps=total_steps,
        cost=trainer.spent / total_steps,
        budget=spending.runs(total_steps),
        verdict=verdict,
        reason=reason,
        trials=tuple(
            RatesTrial(
                steps=trial.steps,
                lrs=rates_of_logs(trial.log_lrs),
                seed=trial.record.seed,
                loss=trial.record.loss,
                status=trial.record.status,
                updates=trial.record.updates,
                reason=trial.record.reason,
            )
            for trial in trials
        ),
        maps=_maps(decision, groups.names),
        drift=decision.posterior.drift,
        expected_regret=decision.expected_regret,
        range_tests=tuple(test.to_dict() for test in tests),
        task=trainer.task.name,
        seed=climb.seed,
        version=__version__,
        further=further,
        budget_reason=spending.text(total_steps),
    )


def _maps(decision: RatesDecision, names: tuple[str, ...]) -> tuple[RatesMap, ...]:
    maps = []
    for first, second in combinations(range(len(names)), 2):
        columns, rows, excess = decision.excess_over(first, second)
        maps.append(
            RatesMap(
                x=names[first],
                y=names[second],
                x_lrs=tuple(map(math.exp, columns)),
                y_lrs=tuple(map(math.exp, rows)),
                excess=tuple(
                    tuple(float(f"{cell:.4g}") for cell in row) for row in excess.tolist()
                ),
            )
        )
    return tuple(maps)
