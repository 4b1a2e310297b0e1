"""How much more a plan trains in the same time if its trials run at once instead of one after another.

    python benchmarks/plan_engines.py [--json] [--seconds 30] [--page docs/speed.md]

Both plans of a network have a budget of half of a run that takes `--seconds` by a plain loop, AdamW and one
seed. The networks are those of `throughput.py`, on random data, so the rates say nothing.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import torch
from _page import parser_of, table, write_section
from _tasks import tasks

import learnrate

if TYPE_CHECKING:
    from learnrate import Task

NETWORKS = ("mlp-8", "mlp-64", "cnn", "gru", "resnet", "transformer")
_TIMED = 30  # updates that show the speed


def steps_in(task: Task, seconds: float) -> int:
    """How many updates a plain loop makes in a time."""
    learnrate.train(task, "1e-4 * constant(5)", progress=False)  # loads what is needed once
    begin = time.perf_counter()
    learnrate.train(task, "1e-4 * constant(30)", progress=False)
    return max(200, round(seconds * _TIMED / (time.perf_counter() - begin)))


def planned(task: Task, total_steps: int, engine: str) -> dict[str, Any]:
    """A plan's wall time, and the updates of its trials."""
    begin = time.perf_counter()
    plan = learnrate.plan(task, total_steps=total_steps, budget=0.5, engine=engine, progress=False)
    seconds = time.perf_counter() - begin
    trials = [(rung.steps, trial.updates) for rung in plan.rungs for trial in rung.trials]
    return {
        "seconds": seconds,
        "trials": len(trials),
        "longest": max(steps for steps, _ in trials),
        "updates": sum(updates for _, updates in trials),
        "says": plan.budget_reason,
    }


def rows(seconds: float) -> list[dict[str, Any]]:
    """One row for each network."""
    measured = []
    for name in NETWORKS:
        task = tasks("cpu")[name]
        steps = steps_in(task, seconds)
        alone, at_once = (planned(task, steps, engine) for engine in ("sequential", "auto"))
        pace = [plan["updates"] / plan["seconds"] for plan in (alone, at_once)]
        measured.append(
            {
                "network": name,
                "steps": steps,
                "alone": alone,
                "at once": at_once,
                "ratio": pace[1] / pace[0],
            }
        )
    return measured


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__, as_json=True)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    measured = rows(arguments.seconds)
    if arguments.json:
        print(json.dumps({"load": load, "rows": measured}))
        return
    header = ["network", "run, updates", "one by one, s", "trials, longest"]
    header += ["at once, s", "trials, longest", "updates a second, times"]
    lines = [
        [
            row["network"],
            f"{row['steps']:,}",
            *(
                text
                for plan in (row["alone"], row["at once"])
                for text in (
                    f"{plan['seconds']:.1f}",
                    f"{plan['trials']}, {plan['longest'] / row['steps']:.0%}",
                )
            ),
            f"{row['ratio']:.2f}",
        ]
        for row in measured
    ]
    text = f"{torch.get_num_threads()} threads, load {load:.1f} before.\n\n{table(header, lines)}"
    print(text)
    if arguments.page is not None:
        write_section(arguments.page, "plans", text)


if __name__ == "__main__":
    main()
