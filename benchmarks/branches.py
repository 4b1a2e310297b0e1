"""How far do branches of a run raise a rate that is too low, relative to the best rate?

    PYTHONPATH=benchmarks python benchmarks/branches.py measure [--cells WORD,WORD]
    PYTHONPATH=benchmarks python benchmarks/branches.py table

Each run begins at a share of the best fixed peak of its cell in benchmarks/regret, and branches off at
17.5 % of its updates. Every branch trains a few updates at a factor of the rate, and lets it fall to 0.
The validation losses before and after the fall are a part of a line in benchmarks/results/branches.jsonl.
Stored rows are not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from regret.best import best_of
from regret.cells import Cell, chosen_cells

from learnrate._files import number_or_none
from learnrate.planning._branches import FACTOR, highest_in_proportion
from learnrate.schedules import schedule
from learnrate.trials import Training, preserved
from regret import truth

if TYPE_CHECKING:
    from learnrate import Task

ROWS = Path(__file__).parent / "results" / "branches.jsonl"
STARTS = (1.0, 1 / 8, 1 / 64)  # of the best fixed peak
FACTORS = tuple(2.0**power for power in range(-2, 15))
STEP = 0.175  # of the run
COST = 0.05  # of the run, for six branches
SHORTEST, ANNEAL = 6, 0.4


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=["measure", "table"])
    parser.add_argument("--cells", default="")
    arguments = parser.parse_args()
    if arguments.command == "measure":
        torch.set_num_threads(1)
        for cell in chosen_cells(arguments.cells):
            measure(cell)
    else:
        show()


def measure(cell: Cell) -> None:
    """Add the missing rows of a cell."""
    stored = truth.read(cell)
    if stored is None:
        return
    best = best_of(stored["tables"][0]).rate
    known = {(row["cell"], row["start"]) for row in read()}
    task = cell.task()
    for start in STARTS:
        if (cell.name, start) in known:
            continue
        with preserved(task):
            row = branched(cell, task, best, start)
        with ROWS.open("a") as file:
            file.write(json.dumps(row) + "\n")


def read() -> list[dict[str, Any]]:
    """The stored rows."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def show() -> None:
    """Print, for each start, where branches at powers of 4 find the end of the proportion."""
    for start in STARTS:
        ends = sorted(start * _raised(row) for row in read() if row["start"] == start)
        print(f"begun at {start:.3g} of the best: {', '.join(f'{end:.2g}' for end in ends)} of it")


def _raised(row: dict[str, Any]) -> float:
    losses = {
        factor: math.inf if after is None else after
        for factor, (_, after) in zip(FACTORS, row["losses"], strict=False)
        if math.log(factor, FACTOR).is_integer()
    }
    return highest_in_proportion(losses, row["before"])


def branched(cell: Cell, task: Task, best: float, start: float) -> dict[str, Any]:
    """One run up to its branches, and the losses of these."""
    rates = (start * best * schedule("warmup(5%) >> constant()")).over(cell.total_steps)
    steps = max(SHORTEST, math.floor(COST * cell.total_steps) // 6)
    training = Training(task, 1)
    for step in range(round(STEP * cell.total_steps)):
        training.update(rates(step))
    before = training.validate()
    pairs: list[tuple[float | None, float | None]] = []
    with training.fork(steps) as restore:
        for factor in FACTORS:
            pairs.append(losses_of(training, factor * start * best, steps))
            restore()
            if len(pairs) > 4 and all(pair[1] is None for pair in pairs[-2:]):
                break
    return {
        "cell": cell.name,
        "domain": cell.domain,
        "start": start,
        "best": best,
        "before": before,
        "steps": steps,
        "losses": pairs,
    }


def losses_of(training: Training, lr: float, steps: int) -> tuple[float | None, float | None]:
    """The validation loss of a branch before and after its anneal."""
    anneal = max(1, round(ANNEAL * steps))
    constant = [training.update(lr) for _ in range(steps - anneal)]
    before = training.validate()
    annealed = [training.update(lr * (1 - (i + 1) / (anneal + 1))) for i in range(anneal)]
    after = training.validate()
    return (
        number_or_none(float(np.mean(constant)) if before is None else before),
        number_or_none(float(np.mean(annealed)) if after is None else after),
    )


if __name__ == "__main__":
    main()
