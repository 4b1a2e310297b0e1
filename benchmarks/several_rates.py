"""Plans of two rates against exhaustive sweeps over both.

    python benchmarks/several_rates.py sweep
    python benchmarks/several_rates.py plan
    python benchmarks/several_rates.py table [--page docs/how-to/several-rates.md]

`sweep` trains every task at 7 x 7 pairs half a decade apart with one seed; a pair on the edge extends the
grid. The four lowest get a second seed. `plan` makes the plans and trains whole runs at their rates with
the same two seeds. Every run is a line in benchmarks/results/several_rates.jsonl; runs in this file are
not trained again. `--case TEXT` takes the tasks whose name has it.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _page import parser_of, show, table
from _rate_cases import CASES

import learnrate
from learnrate._progress import ProgressBar
from learnrate.planning._climb import Climb
from learnrate.planning._decision import decide
from learnrate.planning._ladder import Ladder, Proposal
from learnrate.planning._loss_scale import LossScale
from learnrate.planning._range_estimate import expected_log_lr
from learnrate.planning._trainer import PlanTrainer
from learnrate.schedules import shape
from learnrate.task import RateGroups
from learnrate.trials import Journal, Trial, preserved, run_trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _rate_cases import RateCase

    from learnrate.planning import RungTrial

STORED = Path(__file__).parent / "results" / "several_rates.jsonl"
SHAPE = "warmup(5%) >> linear()"
SIDE, SEEDS, CLOSEST = 7, (0, 1), 4
_WIDEST = 11  # rates on one side, however far the best pair is


def stored() -> list[dict[str, Any]]:
    """Every row measured so far."""
    return (
        [json.loads(line) for line in STORED.read_text().splitlines()] if STORED.exists() else []
    )


def store(row: dict[str, Any]) -> None:
    """Add a row, in one write."""
    STORED.parent.mkdir(exist_ok=True)
    with STORED.open("ab", buffering=0) as file:
        file.write(f"{json.dumps(row)}\n".encode())
        os.fsync(file.fileno())


class WholeRuns:
    """The final losses of whole runs of a case, kept as rows."""

    def __init__(self, case: RateCase) -> None:
        self.case, self.task = case, case.make()
        with preserved(self.task):
            assert callable(self.task.model)
            self.groups = RateGroups.of(self.task, case.rates, self.task.model())
        self._losses = {
            (*map(float, row["lrs"]), row["seed"]): row["loss"]
            for row in stored()
            if row["kind"] == "run" and row["case"] == case.name
        }

    def loss(self, lrs: tuple[float, ...], seed: int) -> float:
        """The final loss of one run; infinite if it diverged."""
        key = (*lrs, seed)
        if key not in self._losses:
            task = self.groups.task_at(self.task, lrs)
            peak = max(self.groups.rates_of_groups(lrs))
            trial = Trial(peak * shape(SHAPE).over(self.task.run_length()), seed)
            with preserved(task):
                curve, _ = run_trial(task, trial)
            if curve.error:
                raise SystemExit(f"{self.case.name} at {lrs}: {curve.error}")
            loss = curve.final if math.isfinite(curve.final) else None
            store({"kind": "run", "case": self.case.name, "lrs": lrs, "seed": seed, "loss": loss})
            self._losses[key] = loss
        loss = self._losses[key]
        return math.inf if loss is None else loss

    def mean(self, lrs: tuple[float, ...]) -> float:
        """The mean final loss over the seeds."""
        return float(np.mean([self.loss(lrs, seed) for seed in SEEDS]))

    def pair(self, place: tuple[int, int]) -> tuple[float, ...]:
        """The rates at a place of the grid."""
        return tuple(
            float(f"{centre * 10 ** (index / 2):.4g}")
            for centre, index in zip(self.case.centre, place, strict=True)
        )

    def sweep(self) -> dict[tuple[float, ...], float]:
        """The losses of the first seed on the grid; it grows while the lowest is on its edge."""
        ends = [[-(SIDE // 2), SIDE // 2] for _ in self.case.centre]
        self._sweep_grid()
        while True:
            grid = {
                (i, j): self.loss(self.pair((i, j)), 0)
                for i in range(ends[0][0], ends[0][1] + 1)
                for j in range(ends[1][0], ends[1][1] + 1)
            }
            best = min(grid, key=grid.__getitem__)
            grown = False
            for (low, high), index, place in zip(
                [tuple(e) for e in ends], best, (0, 1), strict=True
            ):
                if high - low + 1 >= _WIDEST:
                    continue
                if index == low:
                    ends[place][0] -= 1
                    grown = True
                elif index == high:
                    ends[place][1] += 1
                    grown = True
            if not grown:
                return {self.pair(place): loss for place, loss in grid.items()}

    def _sweep_grid(self) -> None:
        """Train the whole grid at once, in stacks where the task allows it, if most of it is missing."""
        places = range(-(SIDE // 2), SIDE // 2 + 1)
        pairs = [self.pair((i, j)) for i in places for j in places]
        if sum((*pair, 0) in self._losses for pair in pairs) > len(pairs) // 2:
            return
        swept = learnrate.sweep(
            self.task,
            sorted({pair[0] for pair in pairs}),
            second_lr=sorted({pair[1] for pair in pairs}),
            rates=self.case.rates,
            shape=SHAPE,
            seeds=1,
            engine="vectorised",
            out=Path(tempfile.gettempdir()) / "several_rates" / self.case.name,
            progress=False,
        )
        for trial in swept.trials:
            if trial.curve.error:
                raise SystemExit(f"{self.case.name} at {trial.lrs}: {trial.curve.error}")
            row = {"kind": "run", "case": self.case.name, "lrs": trial.lrs, "seed": 0}
            store({**row, "loss": trial.loss})
            self._losses[*trial.lrs, 0] = trial.loss

    def best(self) -> tuple[tuple[float, ...], float]:
        """The pair with the lowest mean over two seeds, of the four lowest with one."""
        losses = self.sweep()
        closest = sorted(losses, key=losses.__getitem__)[:CLOSEST]
        means = {pair: self.mean(pair) for pair in closest}
        best = min(means, key=means.__getitem__)
        return best, means[best]


def planned(runs: WholeRuns, method: str, budget: float | None, seed: int) -> dict[str, Any]:
    """The rates that a method chooses, and what it costs in runs; kept as a row."""
    key = {
        "kind": "plan",
        "case": runs.case.name,
        "method": method,
        "budget": budget,
        "seed": seed,
    }
    for row in stored():
        if all(row.get(name) == value for name, value in key.items()):
            return row
    begin = time.process_time()
    row = {**key, **METHODS[method](runs, budget, seed), "seconds": time.process_time() - begin}
    store(row)
    return row


def together(runs: WholeRuns, budget: float | None, seed: int) -> dict[str, Any]:
    """`learnrate.plan(task, rates=...)`."""
    result = learnrate.plan(
        runs.task, rates=runs.case.rates, budget=budget, seed=seed, progress=False
    )
    return {
        "lrs": [rate.lr for rate in result.rates],
        "intervals": [(rate.low, rate.high) for rate in result.rates],
        "cost": result.cost,
        "verdict": str(result.verdict),
        "expected": result.expected_regret,
    }


def fixed_ratio(runs: WholeRuns, budget: float | None, seed: int) -> dict[str, Any]:
    """`learnrate.plan(task)`, in which the rates keep the ratio that they have in the task."""
    task = runs.groups.task_at(runs.task, runs.groups.lrs)
    result = learnrate.plan(task, budget=budget, seed=seed, progress=False)
    highest = max(runs.groups.rates_of_groups(runs.groups.lrs))
    return {
        "lrs": [float(f"{lr * result.peak / highest:.4g}") for lr in runs.groups.lrs],
        "cost": result.cost,
    }


class PlanTrainerOfOne(PlanTrainer):
    """Trains the trials of one of several rates; the others are held."""

    others: tuple[float, ...]
    number: int

    def run(self, proposals: Sequence[Proposal], seed: int) -> list[tuple[RungTrial, float]]:
        """Train trials of the one rate."""
        return super().run([self._among_others(proposal) for proposal in proposals], seed)

    def _among_others(self, proposal: Proposal) -> Proposal:
        logs = [math.log(lr) for lr in self.others]
        logs[self.number] = proposal.log_lr
        return replace(proposal, log_lrs=tuple(logs))


def one_after_the_other(runs: WholeRuns, budget: float | None, seed: int) -> dict[str, Any]:
    """One plan for each rate with an equal part of the budget; the others as in the task or planned."""
    if budget is None:
        raise SystemExit("One rate after the other needs a budget in runs.")
    task, total_steps = runs.task, runs.task.run_length()
    lrs, spent = list(runs.groups.lrs), 0
    for number in range(len(lrs)):
        updates = math.floor(budget * total_steps / len(lrs))
        with ProgressBar(1, shown=False) as bar, preserved(task):
            trainer = PlanTrainerOfOne(
                task, Journal(None, ""), bar, shape(SHAPE).over(total_steps), groups=runs.groups
            )
            trainer.others, trainer.number = tuple(lrs), number
            test = trainer.range_test(updates, seed, alone=number)
            ladder = Ladder(
                budget=updates - trainer.spent,
                total_steps=total_steps,
                expected_log_lr=expected_log_lr(test),
            )
            start = trainer.start(seed).loss
            climb = Climb(trainer, ladder, LossScale.of(start, test.mean), test, start, seed)
            climb.train_proposed()
        if climb.has_finished_trials:
            lrs[number] = decide(climb.ladder, climb.trials).peak
        spent += trainer.spent
    return {"lrs": lrs, "cost": spent / total_steps}


METHODS = {
    "together": together,
    "one after the other": one_after_the_other,
    "fixed ratio": fixed_ratio,
}
PLANS: tuple[tuple[str, float | None], ...] = (
    ("together", 1.0),
    ("together", 0.5),
    ("one after the other", 0.5),
    ("fixed ratio", 0.5),
    ("one after the other", 1.0),
    ("fixed ratio", 1.0),
    ("together", None),  # the default budget: a minute of this machine
    ("fixed ratio", None),
)


def excess_rows(runs: WholeRuns, seeds: int) -> list[dict[str, Any]]:
    """For each method, budget and seed: how far above the best pair its rates end.

    Args:
        runs: of the task.
        seeds: plans of each method and budget; the default budget, which pays for tens of runs, has one.
    """
    pair, best = runs.best()
    rows = []
    for method, budget in PLANS:
        for seed in range(1 if budget is None else seeds):
            row = planned(runs, method, budget, seed)
            loss = runs.mean(tuple(row["lrs"]))
            rows.append({**row, "best": pair, "excess": loss / best - 1})
    return rows


def excesses(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of plans, each with how far above the best pair of its task its rates end."""
    losses: dict[tuple[str, tuple[float, ...]], list[float]] = {}
    for row in rows:
        if row["kind"] == "run":
            loss = math.inf if row["loss"] is None else row["loss"]
            losses.setdefault((row["case"], tuple(row["lrs"])), []).append(loss)
    means = {
        key: float(np.mean(of_seeds))
        for key, of_seeds in losses.items()
        if len(of_seeds) >= len(SEEDS)
    }
    plans = [row for row in rows if row["kind"] == "plan"]
    best = {
        case: min(mean for (name, _), mean in means.items() if name == case)
        for case in {row["case"] for row in plans}
    }
    return [
        {**row, "excess": means[row["case"], tuple(row["lrs"])] / best[row["case"]] - 1}
        for row in plans
    ]


def page_table() -> str:
    """How far above the best pair each method ends, over the tasks."""
    rows = excesses(stored())
    lines = []
    for method, budget in sorted(PLANS, key=lambda key: -(key[1] or math.inf)):
        of_method = [row for row in rows if (row["method"], row["budget"]) == (method, budget)]
        excess = [row["excess"] for row in of_method]
        figures = (np.median(excess), np.quantile(excess, 0.9), max(excess))
        cost = np.median([row["cost"] for row in of_method])
        name = f"{method}, default budget" if budget is None else method
        lines.append(
            [name, f"{cost:.2g}", f"{len(excess)}", *(f"{figure:.1%}" for figure in figures)]
        )
    sure = [row["excess"] for row in rows if row.get("verdict") == "ok"]
    header = ["method", "runs", "plans", "median", "90th percentile", "worst"]
    cases = list(dict.fromkeys(row["case"] for row in rows))
    return (
        f"{table(header, lines)}\n\n{len(cases)} tasks: {'; '.join(cases)}. {len(sure)} plans of the "
        f"rates together have the verdict `ok`; the worst of these ends {max(sure):.1%} above the best."
    )


def main() -> None:
    """Measure, or print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("what", choices=("sweep", "plan", "table"))
    parser.add_argument("--case", default="")
    parser.add_argument("--seeds", type=int, default=2, help="plans of each task and budget")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "table":
        show(page_table(), arguments.page, "several_rates")
        return
    for case in CASES.values():
        if arguments.case in case.name and arguments.what == "sweep":
            best, loss = WholeRuns(case).best()
            print(f"{case.name}: {best}, {loss:.4g}", flush=True)
        elif arguments.case in case.name and arguments.what == "plan":
            for row in excess_rows(WholeRuns(case), arguments.seeds):
                print(
                    f"{case.name}: {row['method']} {row['budget']}: {row['lrs']} "
                    f"{row['excess']:+.1%} (best {row['best']}), {row['seconds']:.1f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
