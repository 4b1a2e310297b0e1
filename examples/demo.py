"""Plan a learning rate for a small network, train with it, and compare with the default rate.

`make demo` runs this script. It does what these commands do:

    learnrate plan  examples/digits.py:task --out build/demo
    learnrate train examples/digits.py:task --plan build/demo/plan.json
    learnrate train examples/digits.py:task --schedule 1e-3
"""

import argparse
from pathlib import Path

import torch
from rich.console import Console

import learnrate
from learnrate.report import plan_page, show_plan

DEFAULT_RATE = 1e-3  # the default of torch.optim.Adam
SEEDS = (1, 2, 3)  # other seeds than the plan's


def main() -> None:
    """Plan, train, compare, and print where the report is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    out = parser.parse_args().out
    torch.set_num_threads(1)  # such a small network does not gain from more
    task = learnrate.load_task(str(Path(__file__).with_name("digits.py")) + ":task")

    plan = learnrate.plan(task, budget=0.5, out=out)
    plan.write(out / "plan.json")
    (out / "report.html").write_text(plan_page(plan), encoding="utf-8")
    show_plan(Console(), plan)

    runs = {
        "planned": plan.schedule,
        "default rate, same shape": learnrate.schedule(DEFAULT_RATE) * plan.schedule.split()[1],
        "default rate, constant": learnrate.schedule(DEFAULT_RATE),
    }
    print(f"\nvalidation loss after {plan.total_steps:,} updates, mean of {len(SEEDS)} seeds")
    losses = {name: mean_validation(task, schedule) for name, schedule in runs.items()}
    for name, loss in losses.items():
        comparison = (
            f"{loss / losses['planned'] - 1:+.0%} against planned" if name != "planned" else ""
        )
        print(f"  {name:25} {loss:.4f}  {comparison}")
    print(f"\nplan    {out / 'plan.json'}\nreport  {out / 'report.html'}  (open it in a browser)")


def mean_validation(task: learnrate.Task, schedule: learnrate.Schedule) -> float:
    """The mean validation loss of trainings under a schedule, one for each seed."""
    losses = [learnrate.train(task, schedule, seed=seed).curve.final for seed in SEEDS]
    return sum(losses) / len(losses)


if __name__ == "__main__":
    main()
