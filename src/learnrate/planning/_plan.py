"""The plan: a bracket by a range test, a ladder of short annealed trials, a decision."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import ArgumentError, TaskError
from learnrate._files import folder_for
from learnrate._progress import ProgressBar
from learnrate._version import __version__
from learnrate.planning._bench import BRACKET_ITERS, Bench
from learnrate.planning._heights import Scale
from learnrate.planning._ladder import Ladder, Measured, ladder_for
from learnrate.planning._result import Further, Plan, Rung, Verdict
from learnrate.planning._shapes import SHORTEST, chosen
from learnrate.planning._verdict import judge
from learnrate.schedules import Schedule
from learnrate.schedules import shape as read_shape
from learnrate.trials import (
    Journal,
    Status,
    fingerprint,
    preserved,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.planning._surface import Surface
    from learnrate.range_test import RangeTest
    from learnrate.task import Task

__all__ = ["JOURNAL_NAME", "plan", "replan"]

JOURNAL_NAME = "plan.trials.jsonl"
SHAPE = "warmup(5%) >> linear()"
_WITHIN = 1e3  # how far below where the test ended its lowest loss may lie; lower is noise
_BELOW = 30.0  # the best rate lies this factor below the middle of where it is lowest and ended


def plan(
    task: Task,
    *,
    total_steps: int | None = None,
    budget: float = 0.5,
    shape: str | Schedule | None = None,
    compare_shapes: bool = False,
    more: int = 0,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
) -> Plan:
    """Find the peak rate for a whole run, with an interval, for a share of that run's cost.

    A range test brackets the rate; trials of a short and a long horizon locate the best rate at
    both, each a run in few updates: with a warm-up as long as the whole run's, but for no more than
    30 % of the trial, and all the rest of the shape (`Schedule.shortened`). Their joint fit is
    extrapolated to the whole run with its uncertainty, and the peak with the least
    expected regret is chosen. Nothing of yours is changed, also when the plan fails or is
    interrupted.

    Args:
        task: what to train.
        total_steps: the whole run in optimizer updates; the task's own by default.
        budget: the most that all trials may cost, as a share of one run, in (0, 1].
        shape: the schedule's shape, with peak 1; 5 % warm-up and a linear decay to 0 by default.
        compare_shapes: choose warm-up (none, 2, 5, 10 %) and decay (linear, cosine, constant and
            then linear) by six further short trials, which cost about a fifth of a run beside the
            budget; differences within the noise do not count.
        more: how many times to go on after the budget is spent, each time with the two trials that
            help most; a plan with the verdict `weak` says what the next two cost. With the same
            `out` only these are trained.
        seed: the same seed gives the same plan.
        out: a folder in which every finished trial is kept at once; run again with the same folder
            and nothing measured is measured again.
        progress: show a bar on standard error.

    Raises:
        ArgumentError: `total_steps` or `budget` is outside its rule, or together too small to try
            anything.
        TaskError: the task cannot be trained, or nothing it does lowers the loss.
        KeyboardInterrupt: on Ctrl-C; what was measured is kept in `out`.
    """
    total_steps = task.run_length(total_steps)
    updates = _updates(total_steps, budget)
    shaped = read_shape(SHAPE if shape is None else shape).over(total_steps)
    if compare_shapes:
        _refuse_to_compare(total_steps, shape)
    if not isinstance(more, int) or isinstance(more, bool) or more < 0:
        raise ArgumentError(f"more must be a whole number of at least 0; got {more!r}.")
    identity = fingerprint(task)
    path = None if out is None else folder_for(Path(out)) / JOURNAL_NAME
    with ProgressBar(updates, shown=progress) as bar, preserved(task):
        bench = Bench(task, Journal(path, identity), bar, shaped)
        bracket = bench.range_test(updates, seed)
        if bracket.broken:
            raise TaskError(bracket.refusal)
        left = updates - int(bracket.reached.sum())
        scale = Scale.of(bracket.mean)
        ladder = ladder_for(total_steps, left, _expected(bracket), scale.height(scale.start))
        measured = bench.climbed(ladder, [], scale, seed)
        for _ in range(more if any(math.isfinite(one.height) for one in measured) else 0):
            ladder = ladder.extended(measured)
            measured = bench.climbed(ladder, measured, scale, seed)
        made = _decided(bench, ladder, measured, bracket, scale, budget=budget, seed=seed)
        return _reshaped(made, bench, ladder, measured, scale) if compare_shapes else made


def replan(
    task: Task,
    state: Mapping[str, Any] | str | Path,
    *,
    remaining: int,
    budget: float = 0.25,
    shape: str | Schedule = "linear()",
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
) -> Plan:
    """Plan the rest of a run from where it stands: its weights and its optimizer's state.

    Every trial starts there, is as long as a part of what remains, and decays to 0. The state is
    not changed. `learnrate.plan(task.starting_from(state), ...)` is the same with a warm-up, for
    an optimizer that starts afresh.

    Args:
        task: what is trained.
        state: what `Task.starting_from` takes: `{"model": model.state_dict(), "optimizer":
            optimizer.state_dict()}`, or the path of a file that torch saved this in.
        remaining: how many updates are left.
        budget: the most that all trials may cost, as a share of what remains, in (0, 1].
        shape: of the rest of the schedule, with peak 1.
        seed: the same seed gives the same plan.
        out: as for `plan`.
        progress: show a bar on standard error.

    Raises:
        ArgumentError: an argument is outside its rule.
        TaskError: the state fits no such task, or the task cannot be trained from there.

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


def _updates(total_steps: int, budget: float) -> int:
    if not (isinstance(budget, int | float) and 0 < budget <= 1):
        raise ArgumentError(
            f"budget must be a share of one run, above 0 and at most 1; got {budget!r}."
        )
    updates = math.floor(budget * total_steps)
    if updates < 2 * BRACKET_ITERS[0]:
        raise ArgumentError(
            f"budget {budget} of {total_steps} steps is {updates} updates; a plan needs at least "
            f"{2 * BRACKET_ITERS[0]}. Raise the budget or plan for a longer run."
        )
    return updates


def _expected(bracket: RangeTest) -> float:
    """Log of the rate at which the range test puts the best of the whole run."""
    tried = bracket.lr[: len(bracket.mean)]
    near = tried >= tried[-1] / _WITHIN
    lowest = float(tried[near][int(np.argmin(bracket.mean[near]))])
    return math.log(math.sqrt(lowest * tried[-1]) / _BELOW)


def _decided(
    bench: Bench,
    ladder: Ladder,
    measured: list[Measured],
    bracket: RangeTest,
    scale: Scale,
    *,
    budget: float,
    seed: int,
) -> Plan:
    _refuse_without_evidence(measured)
    surface = ladder.surface(measured)
    whole = surface.best(ladder.total_steps)
    peak = min(surface.least_regret(), _ceiling(measured))
    rungs = tuple(
        _rung(index, surface, ladder, measured, scale)
        for index in range(len(ladder.horizons))
        if any(one.proposal.rung == index for one in measured)
    )
    peak = float(f"{peak:.3g}")
    regret = surface.expected_regret(peak)
    verdict, reason = judge(rungs, surface, peak, regret, scale)
    further = _further(ladder, measured) if verdict is Verdict.WEAK else None
    if further is not None:
        reason += (
            f" What would help most: two trials of {further.steps:,} updates, {further.cost:.0%} "
            "of a run (more=1, --more 1)."
        )
    return Plan(
        peak=peak,
        low=min(whole.low, peak),
        high=max(whole.high, peak),
        schedule=peak * bench.shape,
        total_steps=ladder.total_steps,
        cost=bench.spent / ladder.total_steps,
        budget=budget,
        verdict=verdict,
        reason=reason,
        rungs=rungs,
        drift=surface.drift,
        expected_regret=regret,
        further=further,
        range_test=bracket.to_dict(),
        task=bench.task.name,
        seed=seed,
        version=__version__,
    )


def _refuse_to_compare(total_steps: int, shape: object) -> None:
    if shape is not None:
        raise ArgumentError(
            f"compare_shapes chooses the shape, and shape={str(shape)!r} was given; leave out one."
        )
    if total_steps < 4 * SHORTEST:
        raise ArgumentError(
            f"compare_shapes needs a run of at least {4 * SHORTEST} updates, of which a short "
            f"trial still has a warm-up; got {total_steps}."
        )


def _reshaped(
    made: Plan, bench: Bench, ladder: Ladder, measured: list[Measured], scale: Scale
) -> Plan:
    """The plan with the warm-up and the decay that short trials favour."""
    surface = ladder.surface(measured)
    steps = max(SHORTEST, ladder.horizons[0])
    highest = max(one.trial.lr for one in measured if one.trial.loss is not None)
    tried = bench.compared(min(surface.best(steps).best, highest), steps, made.seed)
    heights = {one: scale.height(trial.loss) for one, trial in tried.items()}
    taken, said = chosen(heights, surface.noise)
    peak = float(f"{made.peak * taken.factor:.3g}")
    return replace(
        made,
        peak=peak,
        low=min(made.low * taken.factor, peak),
        high=max(made.high * taken.factor, peak),
        schedule=(peak * taken.shape).over(made.total_steps),
        cost=bench.spent / made.total_steps,
        reason=f"{made.reason} In trials of {steps:,} updates, {said}",
        shapes=tuple(tried.values()),
    )


def _further(ladder: Ladder, measured: list[Measured]) -> Further:
    steps = ladder.extended(measured).horizons[-1]
    return Further(steps, 2 * steps / ladder.total_steps)


def _refuse_without_evidence(measured: list[Measured]) -> None:
    finished = [one.trial.loss for one in measured if one.trial.loss is not None]
    rates = [one.trial.lr for one in measured]
    if not finished:
        raise TaskError(
            f"every one of {len(measured)} trials diverged, the lowest at rate "
            f"{min(rates, default=math.nan):.2g}. "
            "Plan with a larger budget or more steps, or look at what learnrate find shows."
        )
    if len(finished) > 2 and len(set(finished)) == 1:
        raise TaskError(
            f"{len(finished)} trials at rates from {min(rates):.2g} to {max(rates):.2g} all ended "
            f"at the loss {finished[0]:.6g}: it does not depend on what the optimizer trains."
        )


def _ceiling(measured: list[Measured]) -> float:
    """Half of the lowest rate that diverged: no peak lies above it."""
    diverged = [one.trial.lr for one in measured if one.trial.status == Status.DIVERGED]
    return min(diverged, default=math.inf) / 2


def _rung(
    index: int, surface: Surface, ladder: Ladder, measured: list[Measured], scale: Scale
) -> Rung:
    own = [one.trial for one in measured if one.proposal.rung == index]
    steps = ladder.horizons[index]
    best = surface.best(steps)
    rates = [math.log(trial.lr) for trial in own]
    drawn = np.linspace(min(rates) - 0.7, max(rates) + 0.7, 41)
    return Rung(
        steps=steps,
        best=best.best,
        low=best.low,
        high=best.high,
        bracketed=ladder.bracketed(index, measured),
        trials=tuple(sorted(own, key=lambda trial: trial.lr)),
        fit_lr=tuple(np.exp(drawn).tolist()),
        fit_loss=tuple(scale.loss(surface.fitted(steps, drawn)).tolist()),
    )
