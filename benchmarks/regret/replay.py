"""What the plan would answer, replayed on the stored sweeps.

The range test of a plan is real and is stored. The loss of each trial is interpolated in the sweeps
of the two closest lengths, with one stored seed each. The excess of the chosen rate is interpolated
in the sweep of whole runs. A change of the method can therefore be judged in seconds, over many
seeds, before any row is measured. Held-out cells are not replayed: nothing may be chosen by their
results.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from _page import table

import learnrate
from learnrate._progress import ProgressBar
from learnrate.planning._budget import Pace
from learnrate.planning._climb import Climb
from learnrate.planning._ladder import Ladder
from learnrate.planning._loss_scale import LossScale
from learnrate.planning._plan import SHAPE, _planned
from learnrate.planning._range_estimate import expected_log_lr
from learnrate.planning._result import RungTrial
from learnrate.planning._trainer import PlanTrainer
from learnrate.schedules import shape
from learnrate.trials import Journal, fingerprint, preserved

from . import truth
from .best import best_of
from .scores import percent, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._ladder import Proposal
    from learnrate.planning._result import Plan

    from .best import Best
    from .cells import Cell

__all__ = ["Answer", "ReplayTrainer", "answers", "replayed_loss", "show"]


@dataclass(frozen=True)
class Answer:
    """One replayed plan: its rate over the best one, the excess there, and its interval."""

    cell: str
    ratio: float
    excess: float
    covered: bool
    width: float
    verdict: str


@dataclass
class ReplayTrainer(PlanTrainer):
    """A plan's trainer that interpolates the loss of trials instead of training them."""

    tables: Sequence[dict[str, Any]] = ()
    costs: tuple[float, ...] = (1.0,)

    def run(self, proposals: Sequence[Proposal], seed: int) -> list[tuple[RungTrial, float]]:
        """Trials with the losses that the sweeps have, and what each costs in updates."""
        share = self.costs[len(proposals) - 1] / len(proposals)
        return [(self._replayed(proposal, seed), share * proposal.steps) for proposal in proposals]

    def _replayed(self, proposal: Proposal, seed: int) -> RungTrial:
        trial_seed = seed + 1000 * proposal.repeat
        loss, train = (
            replayed_loss(self.tables, proposal.steps, proposal.log_lr, trial_seed, which)
            for which in ("loss", "train")
        )
        self.spent += proposal.steps
        return RungTrial(
            lr=math.exp(proposal.log_lr),
            seed=trial_seed,
            loss=loss,
            status="finished" if loss is not None else "diverged",
            updates=proposal.steps,
            reason=proposal.reason,
            train=None if loss is None else train,
        )


def replayed_loss(
    tables: Sequence[dict[str, Any]], steps: int, log_lr: float, seed: int, which: str = "loss"
) -> float | None:
    """The loss of a trial, interpolated between two stored lengths; None if it would diverge.

    Args:
        tables: the sweeps of a cell.
        steps: length of the trial.
        log_lr: logarithm of the rate.
        seed: chooses a stored seed of each length.
        which: "loss" for the loss that a trial is judged by, or "train".
    """
    by_length = sorted(tables, key=lambda table: table["steps"])
    lengths = np.log([table["steps"] for table in by_length])
    position = np.interp(math.log(steps), lengths, np.arange(len(lengths)))
    low, share = int(position), position % 1
    repeat, first = divmod(seed, 1000)  # further seeds take other columns
    random = np.random.default_rng([first, steps])
    logs = [
        _log_loss(
            table, log_lr, (int(random.integers(1000)) + repeat) % len(table["seeds"]), which
        )
        for table in by_length[low : low + 2]
    ]
    log_loss = logs[0] if len(logs) == 1 or not share else logs[0] + share * (logs[1] - logs[0])
    return math.exp(log_loss) if math.isfinite(log_loss) else None


def _log_loss(table: dict[str, Any], log_lr: float, column: int, which: str) -> float:
    losses = [math.inf if row[column] is None else row[column] for row in table[which]]
    logs, rates = np.log(losses), np.log(table["lr"])
    if log_lr < rates[0]:
        return float(logs[0] + (logs[1] - logs[0]) * (log_lr - rates[0]) / (rates[1] - rates[0]))
    if log_lr > rates[-1] and np.isfinite(logs[-1]):
        lowest = int(np.argmin(logs))
        steepest = max(0.0, float(logs[-1] - logs[-2]) / float(rates[-1] - rates[-2]))
        mean = float(logs[-1] - logs[lowest]) / max(float(rates[-1] - rates[lowest]), 1e-9)
        return float(logs[-1] + max(steepest, mean) * (log_lr - rates[-1]))
    above = min(int(np.searchsorted(rates, log_lr)), len(rates) - 1)
    if not np.isfinite(logs[max(0, above - 1) : above + 1]).all():
        return math.inf
    return float(np.interp(log_lr, rates, logs))


def answers(
    cell: Cell,
    budget: float,
    seeds: int,
    *,
    training: bool = False,
    costs: tuple[float, ...] = (1.0,),
) -> list[Answer]:
    """The answers of plans with several seeds.

    Args:
        cell: what is planned.
        budget: of each plan, as a share of a whole run.
        seeds: number of plans.
        training: whether to train the trials, whose lengths lie between those of the sweeps, and to
            interpolate only the excess.
        costs: what 1, 2, ... trials cost that run at once, in trials that run alone.

    Raises:
        ValueError: the cell is held out, or has no truth yet.
    """
    stored = truth.read(cell)
    if cell.held_out or stored is None:
        raise ValueError(f"{cell.name} is held out, or has no truth yet")
    task, tables = cell.task(), stored["tables"]
    best = best_of(tables[0])
    if training:
        plans = (learnrate.plan(task, budget=budget, seed=n, progress=False) for n in range(seeds))
    else:
        plans = (_replayed(cell, tables, budget, seed, costs) for seed in range(seeds))
    return [_answer(cell, best, plan) for plan in plans]


def _replayed(
    cell: Cell,
    tables: Sequence[dict[str, Any]],
    budget: float,
    seed: int,
    costs: tuple[float, ...],
) -> Plan:
    """A plan whose trials are replayed."""
    task = cell.task()
    folder = truth.scratch_of(cell)
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "replay.jsonl", fingerprint(task))
    schedule = shape(SHAPE).over(cell.total_steps)
    with ProgressBar(1, shown=False) as bar, preserved(task):
        trainer = ReplayTrainer(task, journal, bar, schedule, tables=tables, costs=costs)
        return _replayed_plan(trainer, cell.total_steps, budget, seed)


def _replayed_plan(trainer: ReplayTrainer, total_steps: int, budget: float, seed: int) -> Plan:
    updates = math.floor(budget * total_steps)
    range_test = trainer.range_test(updates, seed)
    before = trainer.start(seed)
    ladder = Ladder(
        budget=updates - trainer.spent,
        total_steps=total_steps,
        expected_log_lr=expected_log_lr(range_test),
        usual_log_lr=before.usual_log_lr,
        pace=Pace(1.0, 0.0) if len(trainer.costs) > 1 else None,
        costs_together=trainer.costs,
    )
    climb = Climb(
        trainer, ladder, LossScale.of(before.loss, range_test.mean), range_test, before.loss, seed
    )
    climb.train_proposed()
    return _planned(climb)


def _answer(cell: Cell, best: Best, plan: Plan) -> Answer:
    rates = np.exp(best.log_lr)
    excess = best.expected(float(np.clip(plan.peak, rates[0] * 1.001, rates[-1] * 0.999)))
    assert excess is not None
    return Answer(
        cell=cell.name,
        ratio=plan.peak / best.rate,
        excess=excess,
        covered=plan.low <= best.rate <= plan.high,
        width=plan.high / plan.low,
        verdict=str(plan.verdict),
    )


def show(cells: Sequence[Cell], budget: float, seeds: int, *, training: bool) -> None:
    """Print one line for each cell, and one for all.

    Args:
        cells: what is planned; cells that are held out or have no truth yet are left out.
        budget: of each plan, as a share of a whole run.
        seeds: number of plans for each cell.
        training: whether to train the trials.
    """
    by_cell = {
        cell.name: answers(cell, budget, seeds, training=training)
        for cell in cells
        if not cell.held_out and truth.read(cell) is not None
    }
    lines = [[name, *_line(group)] for name, group in by_cell.items()]
    lines.append(["all", *_line([answer for group in by_cell.values() for answer in group])])
    header = ["cell", "rate / best", "median excess", "90th percentile", "worst", "interval holds"]
    print(table([*header, "median width", "weak"], lines))


def _line(group: Sequence[Answer]) -> list[str]:
    excess = np.array([answer.excess for answer in group])
    ratios = [answer.ratio for answer in group]
    return [
        f"{min(ratios):.2g} to {max(ratios):.2g}",
        *(percent(quantile(excess, share)) for share in (0.5, 0.9, 1.0)),
        percent(float(np.mean([answer.covered for answer in group]))),
        f"{np.median([answer.width for answer in group]):.1f}",
        f"{sum(answer.verdict == 'weak' for answer in group)} of {len(group)}",
    ]
