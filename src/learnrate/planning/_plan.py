"""The plan: a range test, a ladder of short annealed trials, a decision."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from learnrate._checks import check_seed
from learnrate._errors import TaskError
from learnrate._files import folder_for
from learnrate._progress import ProgressBar
from learnrate._version import __version__
from learnrate.planning._budget import Budget, Spending
from learnrate.planning._climb import Climb
from learnrate.planning._decision import PeakDecision, decide
from learnrate.planning._ladder import Ladder
from learnrate.planning._like import begin_like, earlier_plans, planned_like
from learnrate.planning._loss_scale import LossScale
from learnrate.planning._range_estimate import expected_log_lr
from learnrate.planning._rates_plan import plan_rates
from learnrate.planning._refusals import (
    check_engine,
    check_further,
    refuse_to_compare,
    refuse_too_few,
    refuse_with_like,
    refuse_with_several,
    refuse_without_evidence,
    updates_before_a_pace,
)
from learnrate.planning._result import FurtherTrials, Plan, PlanVerdict, Rung
from learnrate.planning._shapes import MIN_STEPS, choose_shape
from learnrate.planning._trainer import PlanTrainer
from learnrate.planning._verdict import judge
from learnrate.schedules import Schedule
from learnrate.schedules import shape as read_shape
from learnrate.task import check_is_task
from learnrate.trials import Journal, fingerprint, preserved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.planning._earlier import EarlierPlan
    from learnrate.planning._engine import TrialsTogether
    from learnrate.planning._like import LikeArgument
    from learnrate.planning._rates_result import RatesPlan
    from learnrate.planning._rung_losses import LadderTrial
    from learnrate.task import RatesArgument, Task

__all__ = ["JOURNAL_NAME", "plan", "replan"]

JOURNAL_NAME = "plan.trials.jsonl"
SHAPE = "warmup(5%) >> linear()"


@overload
def plan(
    task: Task,
    *,
    total_steps: int | None = None,
    budget: float | str | None = None,
    shape: str | Schedule | None = None,
    compare_shapes: bool = False,
    more: int = 0,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    rates: None = None,
    like: LikeArgument | None = None,
    engine: str = "auto",
) -> Plan: ...
@overload
def plan(
    task: Task,
    *,
    total_steps: int | None = None,
    budget: float | str | None = None,
    shape: str | Schedule | None = None,
    compare_shapes: bool = False,
    more: int = 0,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    rates: RatesArgument,
    like: LikeArgument | None = None,
    engine: str = "auto",
) -> RatesPlan: ...
def plan(
    task: Task,
    *,
    total_steps: int | None = None,
    budget: float | str | None = None,
    shape: str | Schedule | None = None,
    compare_shapes: bool = False,
    more: int = 0,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    rates: RatesArgument | None = None,
    like: LikeArgument | None = None,
    engine: str = "auto",
) -> Plan | RatesPlan:
    """Find the peak rate for a whole run, with an interval, for a share of that run's cost or a time.

    A range test finds roughly where the best rate lies. Short trials then climb to the best rate of
    their length, until worse rates enclose it, and three or more long trials do the same. A trial
    is a whole run in few updates: its warm-up is as long as that of the whole run, but at most 30 %
    of the trial, and the rest of the shape is kept (`Schedule.shortened`). A joint fit extrapolates
    the best rate to the whole run, with its uncertainty. If the budget pays for whole runs, the
    long trials are whole runs, with several seeds near the best rate, and nothing is extrapolated.
    The task is left as it was, even if the plan fails or is interrupted.

    Args:
        task: what to train.
        total_steps: the length of the whole run, in optimizer updates; the task's by default.
        budget: the most that all trials may cost: a share of one run, in (0, 1], or a time, such as
            "90s", "10min" or "1h". By default half of a run or one minute, whichever is more. It
            must pay for 22 updates: of a run of 150, a share of 0.147. A time is turned into a number
            of updates by the speed of the range test. That number is kept in `out`. A plan ends
            earlier if nothing is left to ask.
        shape: the schedule's shape, with peak 1; 5 % warm-up and a linear decay to 0 by default.
        compare_shapes: whether to choose the warm-up (none, 2, 5 or 10 %) and the decay (linear,
            cosine, or constant and then linear) by six further short trials. They cost about a
            fifth of a run in addition to the budget. Differences within the noise do not count.
        more: how many times to continue after the budget is spent, 0 to 1000, each time with the
            two trials that help most. A plan with the verdict `weak` says what the next two would
            cost. With the same `out`, only these are trained.
        seed: the same seed gives the same plan, if the budget is a share and one trial is trained
            after another. Else the plan also depends on the speed of training.
        out: a folder in which every finished trial is kept. A plan that is made again with the same
            folder does not train these again.
        progress: whether to show a progress bar on standard error.
        rates: plans 2 or 3 rates together, and returns a `RatesPlan`: `"groups"` for the task's
            parameter groups, `"optimizers"` for its optimizers, or a mapping from names to the
            number of a parameter group, several numbers, or a pattern of parameter names. None for
            one rate, to which the others keep their ratio.
        like: earlier plans to start from: a `Plan`, the path of a `plan.json` or of a folder with one, a
            `Store` that has plans of this task, or several of these. Short trials, for at most a third
            of the budget, test them. Unless these contradict the plans, the rate is theirs, and
            nothing more is spent. Else the plan is made as without, with what is left of the budget.
        engine: how trials are trained. `"sequential"`: one after another. `"auto"`: up to 8 at once,
            in one stack or in several processes, if a measurement of a few updates shows that this
            is at least 1.5 times as fast. Plans of less than 5 seconds or 4,000 updates are not worth
            a measurement, and updates of more than 50 ms leave nothing to gain. What is trained at
            once costs the time that it takes, so a budget pays for more of it. Several rates, and the
            trials that test earlier plans, are trained one after another.

    Raises:
        ArgumentError: `total_steps` or `budget` is outside its rule, or they are too small together
            for a single trial.
        TaskError: the task cannot be trained, or its loss never falls.
        KeyboardInterrupt: on Ctrl-C; finished trials are kept in `out`.
    """
    check_seed("plan", seed)
    check_is_task("plan", task)
    total_steps = task.run_length(total_steps)
    allowed = Budget.of(budget)
    expected_updates = updates_before_a_pace(allowed, total_steps)
    bound_shape = read_shape(SHAPE if shape is None else shape).over(total_steps)
    if compare_shapes:
        refuse_to_compare(total_steps, shape)
    check_further(more)
    check_engine(engine)
    path = None if out is None else folder_for(Path(out)) / JOURNAL_NAME
    if rates is not None:
        refuse_with_several(compare_shapes=compare_shapes, like=like)
        return plan_rates(
            task,
            rates,
            total_steps=total_steps,
            budget=allowed,
            expected_updates=expected_updates,
            shape=bound_shape,
            more=more,
            seed=seed,
            path=path,
            progress=progress,
        )
    earlier: tuple[EarlierPlan, ...] = ()
    if like is not None:
        refuse_with_like(compare_shapes=compare_shapes, more=more)
        earlier = earlier_plans(like, task.name)
    identity = fingerprint(task)
    with ProgressBar(expected_updates, shown=progress) as bar, preserved(task):
        trainer = PlanTrainer(task, Journal(path, identity), bar, bound_shape)
        range_test = trainer.range_test(expected_updates, seed)
        if range_test.broken:
            raise TaskError(range_test.refusal)
        before = trainer.start(seed)
        updates, pace = trainer.updates(allowed, total_steps, seed)
        refuse_too_few(updates, allowed, total_steps)
        together = trainer.choose_engine(engine, updates, pace, total_steps, seed)
        bar.expect(updates)
        ladder = Ladder(
            budget=updates - trainer.spent,
            total_steps=total_steps,
            expected_log_lr=expected_log_lr(range_test),
            pace=pace if together is None else together.pace,
            costs_together=(1.0,) if together is None else together.costs,
            usual_log_lr=before.usual_log_lr,
        )
        scale = LossScale.of(before.loss, range_test.mean)
        climb = Climb(trainer, ladder, scale, range_test, before.loss, seed)
        climb, tested_plans = begin_like(climb, earlier, updates) if earlier else (climb, None)
        if tested_plans is not None and tested_plans.agrees:
            spending = Spending(allowed, updates, trainer.spent)
            plan = planned_like(_planned(climb), tested_plans, trainer.shape)
        else:
            spending = climb.spend(allowed, updates, more)
            plan = _planned(climb)
            if tested_plans is not None:
                plan = replace(
                    plan, like=tested_plans, reason=f"{tested_plans.reason} {plan.reason}"
                )
        if compare_shapes:
            plan = _with_best_shape(plan, climb)
            spending = replace(spending, shapes=trainer.spent - spending.total)
        reason = spending.text(total_steps) + _at_once(together, climb.trials)
        return replace(plan, budget=spending.runs(total_steps), budget_reason=reason)


def replan(
    task: Task,
    state: Mapping[str, Any] | str | Path,
    *,
    remaining: int,
    budget: float | str = 0.25,
    shape: str | Schedule = "linear()",
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
) -> Plan:
    """Plan the rest of a run from its present weights and optimizer state.

    Every trial starts from that state, is as long as a part of the remaining updates, and decays to
    0. The state is not changed. `learnrate.plan(task.starting_from(state), ...)` does the same with
    a warm-up, for an optimizer that starts afresh.

    Args:
        task: what is trained.
        state: what `Task.starting_from` takes: `{"model": model.state_dict(), "optimizer":
            optimizer.state_dict()}`, or the path of a file in which torch saved this.
        remaining: how many updates are left.
        budget: the most that all trials may cost: a share of what remains, in (0, 1], or a time, as
            for `plan`.
        shape: the shape of the rest of the schedule, with peak 1.
        seed: the same seed gives the same plan.
        out: as for `plan`.
        progress: whether to show a progress bar on standard error.

    Raises:
        ArgumentError: an argument is outside its rule.
        TaskError: the state does not fit the task, or the task cannot be trained from it.

    Examples:
        >>> import learnrate
        >>> from learnrate.testing import quadratic_task
        >>> task = quadratic_task(total_steps=400)
        >>> half = learnrate.train(task, "0.02 * warmup(20) >> constant(180)", progress=False)
        >>> state = {"model": half.model.state_dict(), "optimizer": half.optimizer.state_dict()}
        >>> learnrate.replan(task, state, remaining=200, progress=False).schedule.total_steps
        200
    """
    return plan(
        task.starting_from(state),
        total_steps=remaining,
        budget=budget,
        shape=shape,
        seed=seed,
        out=out,
        progress=progress,
    )


def _at_once(together: TrialsTogether | None, trials: list[LadderTrial]) -> str:
    """How many trials ran at once, as the end of a sentence; empty if none did, as for `like`."""
    several = any(trial.share < 1 for trial in trials)
    return f"; {together.text}" if together is not None and several else ""


def _planned(climb: Climb) -> Plan:
    trainer, ladder, trials, scale = climb.trainer, climb.ladder, climb.trials, climb.scale
    refuse_without_evidence(trials)
    decision = decide(ladder, trials)
    rungs = tuple(
        _rung(rung, decision, trials, scale) for rung in sorted({trial.rung for trial in trials})
    )
    verdict, reason = judge(rungs, decision, scale)
    further = _further(ladder, trials) if verdict is PlanVerdict.WEAK else None
    if further is not None:
        reason += f" {further.advice}"
    return Plan(
        peak=decision.peak,
        low=decision.whole_run.low,
        high=decision.whole_run.high,
        schedule=decision.peak * trainer.shape,
        total_steps=ladder.total_steps,
        cost=trainer.spent / ladder.total_steps,
        budget=trainer.spent / ladder.total_steps,
        verdict=verdict,
        reason=reason,
        rungs=rungs,
        drift=decision.surface.drift,
        expected_regret=decision.expected_regret,
        further=further,
        range_test=climb.range_test.to_dict(),
        task=trainer.task.name,
        seed=climb.seed,
        version=__version__,
        notes=trainer.task.notes,
        usual_lr=None if math.isnan(ladder.usual_log_lr) else math.exp(ladder.usual_log_lr),
    )


def _with_best_shape(plan: Plan, climb: Climb) -> Plan:
    """The plan with the warm-up and the decay that do best in short trials."""
    trainer, ladder, trials, scale = climb.trainer, climb.ladder, climb.trials, climb.scale
    surface = ladder.surface(trials)
    steps = max(MIN_STEPS, min(trial.steps for trial in trials))
    highest = max(trial.record.lr for trial in trials if trial.record.loss is not None)
    shape_trials = trainer.compare_shapes(min(surface.best(steps).best, highest), steps, plan.seed)
    log_losses = {
        candidate: scale.log_loss(trial.loss) for candidate, trial in shape_trials.items()
    }
    candidate, shape_reason = choose_shape(log_losses, surface.noise)
    peak = float(f"{plan.peak * candidate.factor:.3g}")
    return replace(
        plan,
        peak=peak,
        low=min(plan.low * candidate.factor, peak),
        high=max(plan.high * candidate.factor, peak),
        schedule=(peak * candidate.shape).over(plan.total_steps),
        cost=trainer.spent / plan.total_steps,
        reason=f"{plan.reason} In trials of {steps:,} updates, {shape_reason}",
        shapes=tuple(shape_trials.values()),
    )


def _further(ladder: Ladder, trials: list[LadderTrial]) -> FurtherTrials:
    extension = ladder.extended(trials).extension
    assert extension is not None  # noqa: S101 - an extended ladder has one
    steps = extension[1]
    return FurtherTrials(steps, 2 * steps / ladder.total_steps)


def _rung(rung: int, decision: PeakDecision, trials: list[LadderTrial], scale: LossScale) -> Rung:
    rung_trials = [trial for trial in trials if trial.rung == rung]
    steps = rung_trials[0].steps
    best = decision.best(steps)
    log_lrs = [trial.log_lr for trial in rung_trials]
    fit_log_lr = np.linspace(min(log_lrs) - 0.7, max(log_lrs) + 0.7, 41)
    records = [trial.record for trial in rung_trials]
    return Rung(
        steps=steps,
        best=best.best,
        low=best.low,
        high=best.high,
        bracketed=decision.bracketed(rung),
        trials=tuple(sorted(records, key=lambda record: (record.lr, record.seed))),
        fit_lr=tuple(np.exp(fit_log_lr).tolist()),
        fit_loss=tuple(scale.loss(decision.surface.fitted(steps, fit_log_lr)).tolist()),
    )
