"""The plan: a bracket by a range test, a ladder of short annealed trials, a decision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import ArgumentError, TaskError
from learnrate._files import folder_for, number_or_none
from learnrate._progress import ProgressBar
from learnrate._version import __version__
from learnrate.planning._ladder import Ladder, Measured, Proposal, ladder_for
from learnrate.planning._result import Plan, Rung, RungTrial
from learnrate.planning._surface import Scale, Surface
from learnrate.planning._verdict import judge
from learnrate.range_test import MEMORY, RangeTest, measure_repeat, rates_between
from learnrate.schedules import Linear, Schedule, Warmup
from learnrate.trials import (
    Curve,
    Journal,
    Status,
    Training,
    Trial,
    Update,
    derived_seed,
    fingerprint,
    preserved,
    run_trial,
)

if TYPE_CHECKING:
    from learnrate.task import Task

__all__ = ["JOURNAL_NAME", "plan"]

JOURNAL_NAME = "plan.trials.jsonl"
_BRACKET = (1e-7, 10.0)
_BRACKET_SHARE = 0.08
_BRACKET_ITERS = (10, 100)
_BELOW_LOWEST = 2.0  # the first rung starts this factor below the range test's lowest loss
_WITHIN = 100.0  # which is looked for this far below where the test ended; further down is noise


def plan(
    task: Task,
    *,
    steps: int | None = None,
    budget: float = 0.5,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
) -> Plan:
    """Find the peak rate for a whole run, with an interval, for a share of that run's cost.

    A range test brackets the rate; trials at up to three rising horizons, each annealed to zero
    after 5 % warm-up, locate the best rate at each; their joint fit is extrapolated to the whole
    run with its uncertainty, and the peak with the least expected regret is chosen. Nothing of
    yours is changed, also when the plan fails or is interrupted.

    Args:
        task: what to train.
        steps: the whole run in optimizer updates; the task's own by default.
        budget: the most that all trials may cost, as a share of one run, in (0, 1].
        seed: the same seed gives the same plan.
        out: a folder in which every finished trial is kept at once; run again with the same folder
            and nothing measured is measured again.
        progress: show a bar on standard error.

    Raises:
        ArgumentError: `steps` or `budget` is outside its rule, or together too small to try
            anything.
        TaskError: the task cannot be trained, or nothing it does lowers the loss.
        KeyboardInterrupt: on Ctrl-C; what was measured is kept in `out`.
    """
    total = task.total(steps)
    updates = _updates(total, budget)
    identity = fingerprint(task)
    path = None if out is None else folder_for(Path(out)) / JOURNAL_NAME
    with ProgressBar(updates, shown=progress) as bar, preserved(task):
        bench = _Bench(task, Journal(path, identity), bar)
        bracket = bench.range_test(updates, seed)
        if bracket.broken:
            raise TaskError(bracket.refusal)
        ladder = _ladder_after(bracket, total, updates)
        scale = Scale.of(bracket.mean)
        measured: list[Measured] = []
        while (proposal := ladder.next(measured)) is not None:
            trial = bench.trial(proposal, seed)
            measured.append(Measured(proposal, scale.height(trial.loss), trial))
    cost = bench.spent / total
    return _decided(task, ladder, measured, bracket, scale, cost=cost, budget=budget, seed=seed)


def _updates(total: int, budget: float) -> int:
    if not (isinstance(budget, int | float) and 0 < budget <= 1):
        raise ArgumentError(
            f"budget must be a share of one run, above 0 and at most 1; got {budget!r}."
        )
    updates = math.floor(budget * total)
    if updates < 2 * _BRACKET_ITERS[0]:
        raise ArgumentError(
            f"budget {budget} of {total} steps is {updates} updates; a plan needs at least "
            f"{2 * _BRACKET_ITERS[0]}. Raise the budget or plan for a longer run."
        )
    return updates


def _ladder_after(bracket: RangeTest, total: int, updates: int) -> Ladder:
    tried = bracket.lr[: len(bracket.mean)]
    near = tried >= tried[-1] / _WITHIN
    lowest = float(tried[near][int(np.argmin(bracket.mean[near]))])
    start = lowest / (_BELOW_LOWEST * math.sqrt(tried[1] / tried[0]))  # half a step of the test
    return ladder_for(total, updates - int(bracket.reached.sum()), math.log(start))


@dataclass
class _Bench:
    """Trains what is asked for, unless the journal has it; counts what it cost."""

    task: Task
    journal: Journal
    bar: ProgressBar
    spent: int = 0

    def range_test(self, updates: int, seed: int) -> RangeTest:
        iters = int(np.clip(round(_BRACKET_SHARE * updates), *_BRACKET_ITERS))
        lrs = rates_between(*_BRACKET, iters, "exponential")
        record = self.journal.get("range test", iters, seed)
        if record is None:
            losses = measure_repeat(Training(self.task, seed).update, lrs, self._show_rate)
            record = {"loss": [number_or_none(loss) for loss in losses.tolist()]}
            self.journal.add("range test", iters, seed, record)
        losses = np.array([[math.nan if one is None else one for one in record["loss"]]])
        found = RangeTest(lr=lrs, loss=losses, mode="exponential", seed=seed, memory=MEMORY)
        self.spent += int(found.reached[0])
        return found

    def trial(self, proposal: Proposal, seed: int) -> RungTrial:
        peak = float(f"{math.exp(proposal.log_lr):.4g}")
        trial = Trial(_schedule(peak, proposal.steps), derived_seed(seed, 20, proposal.rung))
        curve = self.journal.curve(trial)
        if curve is None:
            curve = self._run(trial, peak)
            self.journal.keep(trial, curve)
        self.spent += curve.steps
        return RungTrial(
            lr=peak,
            seed=trial.seed,
            loss=number_or_none(curve.final),
            status=str(curve.status),
            updates=curve.steps,
        )

    def _run(self, trial: Trial, peak: float) -> Curve:
        def show(update: Update) -> None:
            stage = f"trial of {trial.total} updates at {peak:.2g}, loss {update.loss:.4g}"
            self.bar.show(self.spent + update.step + 1, stage)

        curve, _ = run_trial(self.task, trial, on_update=show)
        if curve.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if curve.status is Status.FAILED:
            raise TaskError(f"the trial at rate {peak:.3g}, seed {trial.seed}: {curve.error}")
        return curve

    def _show_rate(self, lr: float, loss: float, /) -> None:
        self.bar.show(self.spent, f"range test: rate {lr:.1e}, loss {loss:.4g}")


def _schedule(peak: float, total: int) -> Schedule:
    return (peak * Warmup("5%").then(Linear())).over(total)


def _decided(
    task: Task,
    ladder: Ladder,
    measured: list[Measured],
    bracket: RangeTest,
    scale: Scale,
    *,
    cost: float,
    budget: float,
    seed: int,
) -> Plan:
    _refuse_without_evidence(measured)
    surface = Surface(tuple(one.observation for one in measured), ladder.total)
    whole = surface.best(ladder.total)
    peak = min(surface.least_regret(), _ceiling(measured))
    rungs = tuple(
        _rung(index, surface, ladder, measured, scale)
        for index in range(len(ladder.horizons))
        if any(one.proposal.rung == index for one in measured)
    )
    peak = float(f"{peak:.3g}")
    regret = surface.expected_regret(peak)
    verdict, reason = judge(rungs, surface, peak, regret, scale)
    return Plan(
        peak=peak,
        low=min(whole.low, peak),
        high=max(whole.high, peak),
        schedule=_schedule(peak, ladder.total),
        total=ladder.total,
        cost=cost,
        budget=budget,
        verdict=verdict,
        reason=reason,
        rungs=rungs,
        drift=surface.drift,
        expected_regret=regret,
        range_test=bracket.to_dict(),
        task=task.name,
        seed=seed,
        version=__version__,
    )


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
