"""Plans that start from earlier plans: of the same task, and of other tasks.

    PYTHONPATH=benchmarks python benchmarks/earlier_plans.py replay    # other seeds, other lengths, other domains
    PYTHONPATH=benchmarks python benchmarks/earlier_plans.py widths    # models of another width, trained
    PYTHONPATH=benchmarks python benchmarks/earlier_plans.py spread    # how far similar tasks differ
    PYTHONPATH=benchmarks python benchmarks/earlier_plans.py table [--page docs/how-to/like.md]

`replay` plans on the stored sweeps of benchmarks/regret: the range test is trained, and the losses of trials
are read off the sweeps. `widths` trains plans and whole runs. Every plan is a line in
benchmarks/results/earlier_plans.jsonl, and is not made again. The difference between similar tasks is estimated without
the domain that a plan is judged on. `--cells WORD,WORD` takes the cells whose names have a word.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _page import table, write_section
from regret.best import Best, best_of
from regret.cells import chosen_cells
from regret.domains import WORKLOADS
from regret.optimizers import OPTIMIZERS
from regret.replay import ReplayTrainer

import learnrate
from learnrate._progress import ProgressBar
from learnrate.planning._climb import Climb
from learnrate.planning._drift import DRIFT
from learnrate.planning._earlier import SPREAD_FREEDOM, EarlierPlan, EarlierRung
from learnrate.planning._ladder import Ladder
from learnrate.planning._like import begin_like, planned_like
from learnrate.planning._loss_scale import LossScale
from learnrate.planning._plan import SHAPE, _planned
from learnrate.planning._range_estimate import expected_log_lr
from learnrate.planning._rung_likelihood import log_student
from learnrate.planning._trainer import PlanTrainer
from learnrate.schedules import shape
from learnrate.trials import Journal, fingerprint, preserved
from regret import models, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from regret.cells import Cell
    from torch import nn

    from learnrate import Task
    from learnrate.planning import Plan

STORED = Path(__file__).parent / "results" / "earlier_plans.jsonl"
SCRATCH = Path(__file__).parent.parent / "build" / "like"
BUDGET = 0.5
SEEDS = 2
SPREADS = np.geomspace(0.05, 2.0, 38)
KINDS = {
    "seed": "same task, another seed",
    "length": "same task, a quarter of the length",
    "width": "a model of a quarter of the width",
    "unlike": "a task of another domain",
}
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Setting:
    """What is planned, without the trainer that trains or replays.

    Attributes:
        name: of the cell.
        domain: the kind of work.
        task: what is trained.
        total_steps: updates of a whole run.
        trainer: makes the trainer of a plan.
        excess: how far above the best a rate ends, and the best rate.
    """

    name: str
    domain: str
    task: Task
    total_steps: int
    trainer: Callable[[ProgressBar], PlanTrainer]
    excess: Callable[[float], float]
    best: float


def stored_rows() -> dict[Key, dict[str, Any]]:
    """The plans made so far, by cell, kind and seed."""
    lines = STORED.read_text().splitlines() if STORED.exists() else []
    rows = [json.loads(line) for line in lines]
    return {(row["cell"], row["kind"], row["seed"]): row for row in rows}


def store_row(row: dict[str, Any]) -> None:
    """Add a row, in one write."""
    STORED.parent.mkdir(exist_ok=True)
    with STORED.open("ab", buffering=0) as file:
        file.write(f"{json.dumps(row)}\n".encode())
        os.fsync(file.fileno())


def plan_of(
    setting: Setting, seed: int, like: Sequence[EarlierPlan] = (), spread: float = 0.0
) -> dict[str, Any]:
    """The answer of a plan, and its cost.

    Args:
        setting: what is planned.
        seed: of the plan.
        like: earlier plans.
        spread: how far similar tasks differ.
    """
    agrees = None
    with ProgressBar(1, shown=False) as bar, preserved(setting.task):
        trainer = setting.trainer(bar)
        updates = math.floor(BUDGET * setting.total_steps)
        test = trainer.range_test(updates, seed)
        before = trainer.start(seed)
        ladder = Ladder(
            budget=updates - trainer.spent,
            total_steps=setting.total_steps,
            expected_log_lr=expected_log_lr(test),
            usual_log_lr=before.usual_log_lr,
        )
        climb = Climb(
            trainer, ladder, LossScale.of(before.loss, test.mean), test, before.loss, seed
        )
        if like:
            climb, evidence = begin_like(climb, tuple(like), updates, spread)
            agrees = evidence.agrees
        if agrees:
            plan = planned_like(_planned(climb), evidence, trainer.shape)
        else:
            climb.train_proposed()
            plan = _planned(climb)
        plan = replace(plan, cost=trainer.spent / setting.total_steps)
    return {**_figures(plan), "agrees": agrees, "excess": setting.excess(plan.peak)}


def _figures(plan: Plan) -> dict[str, Any]:
    return {
        "total_steps": plan.total_steps,
        "peak": plan.peak,
        "low": plan.low,
        "high": plan.high,
        "cost": plan.cost,
        "verdict": str(plan.verdict),
        "expected_regret": plan.expected_regret,
        "rungs": [[rung.steps, rung.best, rung.low, rung.high] for rung in plan.rungs],
    }


def row_of(
    setting: Setting, kind: str, seed: int, like: Sequence[EarlierPlan] = (), spread: float = 0.0
) -> dict[str, Any]:
    """A plan as a row, made unless it is stored.

    Args:
        setting: what is planned.
        kind: of the earlier plans; "alone" and "short" have none.
        seed: of the plan.
        like: earlier plans.
        spread: how far similar tasks differ.
    """
    row = stored_rows().get((setting.name, kind, seed))
    if row is None:
        row = {"cell": setting.name, "domain": setting.domain, "kind": kind, "seed": seed}
        row |= {"best": setting.best, "spread": spread, **plan_of(setting, seed, like, spread)}
        store_row(row)
    return row


def earlier_plan(row: dict[str, Any]) -> EarlierPlan:
    """The plan of a row."""
    names = ("total_steps", "peak", "low", "high", "verdict", "expected_regret")
    rungs = tuple(EarlierRung(*rung) for rung in row["rungs"])
    return EarlierPlan(task=row["cell"], rungs=rungs, **{name: row[name] for name in names})


def spread_without(domain: str | None, rows: Sequence[dict[str, Any]]) -> float:
    """The most likely spread, from how far plans of one cell differ in all other domains.

    They differ in their seeds, and some in their lengths by a factor of 4, for which the usual drift is
    subtracted.

    Args:
        domain: that is left out; None for all.
        rows: all plans.
    """
    cells: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["kind"] in {"alone", "short"} and row["domain"] != domain:
            cells.setdefault(row["cell"], []).append(row)
    distances = []
    for first, second in (pair for of_cell in cells.values() for pair in combinations(of_cell, 2)):
        longer = math.log(first["total_steps"] / second["total_steps"])
        distance = math.log(first["peak"] / second["peak"]) - DRIFT[0] * longer
        distances.append((distance, DRIFT[1] * longer))

    def likelihood(spread: float) -> float:
        scales = [math.hypot(math.sqrt(2) * spread, error) for _, error in distances]
        squares = np.array([d / s for (d, _), s in zip(distances, scales, strict=True)]) ** 2
        return float(log_student(squares, SPREAD_FREEDOM).sum() - np.log(scales).sum())

    return float(max(SPREADS, key=likelihood))


def replayed(cell: Cell, total_steps: int, tables: Sequence[dict[str, Any]]) -> Setting:
    """A cell whose trials are read off its stored sweeps.

    Args:
        cell: of benchmarks/regret.
        total_steps: updates of a whole run.
        tables: of its truth, at this length and below.
    """
    task = cell.task()
    best = best_of(next(table for table in tables if table["steps"] == total_steps))
    journal = Journal(SCRATCH / cell.name / "replay.jsonl", fingerprint(task))
    bound = shape(SHAPE).over(total_steps)
    return Setting(
        name=cell.name,
        domain=cell.domain,
        task=task,
        total_steps=total_steps,
        trainer=lambda bar: ReplayTrainer(task, journal, bar, bound, tables=tables),
        excess=partial(_excess, best),
        best=best.rate,
    )


def _excess(best: Best, lr: float) -> float:
    rates = np.exp(best.log_lr)
    excess = best.expected(float(np.clip(lr, rates[0] * 1.001, rates[-1] * 0.999)))
    return math.inf if excess is None else excess


def replay(cells: Sequence[Cell]) -> None:
    """Plan every cell alone, and with each kind of earlier plans."""
    settings = {}
    for cell in cells:
        known = truth.read(cell)
        if known is None or cell.held_out or not known["complete"]:
            continue
        (SCRATCH / cell.name).mkdir(parents=True, exist_ok=True)
        setting = replayed(cell, cell.total_steps, known["tables"])
        tables = [table for table in known["tables"] if table["steps"] <= cell.total_steps // 4]
        short = replayed(cell, tables[0]["steps"], tables)
        settings[cell.name] = setting
        for seed in range(SEEDS):
            row_of(setting, "alone", seed)
            row_of(short, "short", seed)
        print(cell.name, flush=True)
    rows = list(stored_rows().values())
    for setting in settings.values():
        with_earlier(setting, rows)


def with_earlier(setting: Setting, rows: Sequence[dict[str, Any]]) -> None:
    """Plan a cell with each kind of earlier plans.

    Args:
        setting: what is planned.
        rows: all plans made without earlier ones.
    """
    spread = spread_without(setting.domain, rows)
    for seed in range(SEEDS):
        for kind in ("seed", "length", "unlike"):
            like = earlier_plan(_like_row(setting, kind, seed, rows))
            row = row_of(setting, kind, seed, [like], spread)
        print(setting.name, seed, row["agrees"], flush=True)


def _like_row(
    setting: Setting, kind: str, seed: int, rows: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The row of the earlier plan that a plan is given."""
    of_kind = "short" if kind == "length" else "alone"
    other = (seed + 1) % SEEDS  # another seed than that of the plan
    chosen = [row for row in rows if row["kind"] == of_kind and row["seed"] == other]
    if kind == "unlike":
        foreign = sorted(row["cell"] for row in chosen if row["domain"] != setting.domain)
        name = random.Random(f"{setting.name} {seed}").choice(foreign)
    else:
        name = setting.name
    return next(row for row in chosen if row["cell"] == name)


WIDE: dict[
    str, tuple[str, Callable[[int], nn.Module], str, int, int, int]
] = {  # a workload and its model at a width; optimizer, batch, updates, the width
    "digits-mlp-adamw": ("digits-mlp", lambda w: models.mlp(64, w, 10), "adamw", 64, 600, 128),
    "digits-mlp-sgd": ("digits-mlp", lambda w: models.mlp(64, w, 10), "sgd", 64, 600, 128),
    "friedman-mlp-adam": ("friedman-mlp", lambda w: models.mlp(10, w, 1), "adam", 32, 600, 128),
    "friedman-mlp-sgd": ("friedman-mlp", lambda w: models.mlp(10, w, 1), "sgd", 32, 600, 128),
    "spam-mlp-rmsprop": ("spam-mlp", lambda w: models.mlp(6, w, 2), "rmsprop", 32, 600, 128),
    "claims-mlp-adam": ("claims-mlp", lambda w: models.mlp(8, w, 1), "adam", 32, 600, 96),
}
_NARROWER = 4
_SWEPT = tuple(float(f"{10 ** (index / 4):.4g}") for index in range(-16, 3))


def widths(words: Sequence[str]) -> None:
    """Plan models of a width alone, and from a plan of a quarter of the width; whole runs judge them."""
    rows = list(stored_rows().values())
    for name in WIDE:
        if not any(word in name for word in words):
            continue
        narrow = trained(name, WIDE[name][-1] // _NARROWER)
        wide = trained(name, WIDE[name][-1])
        spread = spread_without(wide.domain, rows)
        for seed in range(SEEDS):
            row_of(wide, "alone", seed)
            first = row_of(narrow, "narrow", (seed + 1) % SEEDS)
            row = row_of(wide, "width", seed, [earlier_plan(first)], spread)
            print(name, seed, row["agrees"], f"{row['excess']:.1%}", flush=True)


def trained(name: str, width: int) -> Setting:
    """A model of a width, whose plans and whole runs are trained.

    Args:
        name: of a case of `WIDE`.
        width: of the model.
    """
    workload, model, optimizer, batch, total_steps, _ = WIDE[name]
    work = WORKLOADS[workload]
    task = learnrate.Task(
        model=lambda: model(width),
        loss=work.loss,
        data=work.source().batches(batch),
        optimizer=OPTIMIZERS[optimizer],
        validate=work.validate,
        total_steps=total_steps,
        name=f"{name}-{width}",
    )
    folder = SCRATCH / task.name
    folder.mkdir(parents=True, exist_ok=True)
    swept = learnrate.sweep(task, _SWEPT, seeds=3, shape=SHAPE, out=folder, progress=False)
    losses = [
        [None if not math.isfinite(loss) else float(loss) for loss in row] for row in swept.losses
    ]
    best = best_of({"lr": swept.lrs.tolist(), "loss": losses, "seeds": [0, 1, 2]})
    journal = Journal(folder / "plan.jsonl", fingerprint(task))
    return Setting(
        name=name,
        domain=work.domain,
        task=task,
        total_steps=total_steps,
        trainer=lambda bar: PlanTrainer(task, journal, bar, shape(SHAPE).over(total_steps)),
        excess=partial(_excess, best),
        best=best.rate,
    )


def page_table() -> str:
    """What plans cost and how far above the best they end, alone and with each kind of earlier plans."""
    rows = stored_rows()
    lines = []
    for kind, words in KINDS.items():
        pairs = [
            (rows[cell, "alone", seed], row)
            for (cell, of_kind, seed), row in rows.items()
            if of_kind == kind
        ]
        if not pairs:
            continue
        agreed = float(np.mean([row["agrees"] for _, row in pairs]))
        lines.append(
            [f"{words}: without", str(len(pairs)), *_line([alone for alone, _ in pairs]), ""]
        )
        lines.append(["with `like`", "", *_line([row for _, row in pairs]), f"{agreed:.0%}"])
    header = ["earlier plan", "plans", "cost in runs", "median excess", "90th percentile", "worst"]
    return table([*header, "interval holds", "first trials agree"], lines)


def _line(rows: Sequence[dict[str, Any]]) -> list[str]:
    excess = [row["excess"] for row in rows]
    covered = [row["low"] <= row["best"] <= row["high"] for row in rows]
    return [
        f"{np.mean([row['cost'] for row in rows]):.2f}",
        *(f"{float(np.quantile(excess, share)):.1%}" for share in (0.5, 0.9, 1.0)),
        f"{np.mean(covered):.0%}",
    ]


def spreads() -> str:
    """The spread of like tasks, with each domain left out."""
    rows = list(stored_rows().values())
    domains = sorted({row["domain"] for row in rows})
    lines = [[domain, f"{spread_without(domain, rows):.2f}"] for domain in domains]
    return table(["left out", "spread"], [*lines, ["none", f"{spread_without(None, rows):.2f}"]])


def main() -> None:
    """Measure, or print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("replay", "widths", "spread", "table"))
    parser.add_argument("--cells", default="", help="words in names, separated by commas")
    parser.add_argument("--page", type=Path, help="write the table into this page")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "replay":
        replay(chosen_cells(arguments.cells))
    elif arguments.what == "widths":
        widths(arguments.cells.split(","))
    else:
        text = spreads() if arguments.what == "spread" else page_table()
        print(text)
        if arguments.page is not None:
            write_section(arguments.page, "like", text)


if __name__ == "__main__":
    main()
