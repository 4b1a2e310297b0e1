"""Is the planned rate right? The demo's network against an exhaustive sweep of 13 rates.

For Adam and for SGD with momentum: the truth is the mean validation loss over three seeds at each
of 13 rates, a quarter of a decade apart, with 5 % warm-up and a linear decay to 0. Then each method
picks a rate with seeds of its own, and the same three seeds train at that rate.

    python benchmarks/plan_digits.py [--seeds 3] [--json FILE]
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import learnrate

EXAMPLES = Path(__file__).parent.parent / "examples" / "digits.py"
RATES = {
    "task": [1e-4 * 10 ** (i / 4) for i in range(13)],
    "sgd": [1e-3 * 10 ** (i / 4) for i in range(13)],
}
JUDGES = (101, 102, 103)

Method = Callable[[learnrate.Task, int], tuple[float | None, float]]


def planned(budget: float) -> Method:
    """The rate of a plan, and its cost as a share of one run."""

    def pick(task: learnrate.Task, seed: int) -> tuple[float, float]:
        plan = learnrate.plan(task, budget=budget, seed=seed)
        return plan.peak, plan.cost

    return pick


def found(rule: str) -> Method:
    """What a rule reads off a range test, and the test's cost as a share of one run."""

    def pick(task: learnrate.Task, seed: int) -> tuple[float | None, float]:
        test = learnrate.find(task, seed=seed)
        rate = test.suggestion if rule == "suggestion" else test.rules[rule]
        return rate, float(test.reached.sum()) / task.total()

    return pick


METHODS: dict[str, Method] = {
    "plan, budget 0.5": planned(0.5),
    "plan, budget 0.25": planned(0.25),
    "plan, budget 0.1": planned(0.1),
    "find, our suggestion": found("suggestion"),
    "find, steepest": found("steepest"),
    "find, valley": found("valley"),
    "find, slide": found("slide"),
    "find, minimum/10": found("minimum"),
    "default rate": lambda task, _: (1e-3 if "Adam" in task.name else 0.1, 0.0),
}


def loss_at(task: learnrate.Task, peak: float) -> float:
    """Mean validation loss over the judges' seeds of a whole run at `peak`."""
    text = f"{peak!r} * warmup(5%) >> linear()"
    finals = [
        learnrate.train(task, text, seed=seed, progress=False).curve.final for seed in JUDGES
    ]
    return statistics.fmean(finals)


def measure(name: str, seeds: int) -> dict[str, object]:
    """The sweep of one task, and a row for each method and seed."""
    task = learnrate.load_task(f"{EXAMPLES}:{name}")
    sweep = {peak: loss_at(task, peak) for peak in RATES[name]}
    best = min(sweep, key=lambda peak: sweep[peak])
    print(f"\n{task.name}: best of {len(sweep)} rates {best:.2g}, loss {sweep[best]:.4f}")
    rows = []
    for method, pick in METHODS.items():
        for seed in range(1 if method == "default rate" else seeds):
            rate, cost = pick(task, seed)
            excess = None if rate is None else loss_at(task, rate) / sweep[best] - 1
            rows.append(
                {"method": method, "seed": seed, "rate": rate, "excess": excess, "cost": cost}
            )
        print_row(method, [row for row in rows if row["method"] == method], best)
    return {"task": task.name, "sweep": sweep, "best": best, "rows": rows}


def print_row(method: str, rows: list[dict[str, object]], best: float) -> None:
    """One line of the table: rate over best, excess loss (median and worst), cost."""
    answered = [row for row in rows if row["rate"] is not None]
    if not answered:
        print(f"| {method} | refused | | | |")
        return
    ratios = sorted(float(str(row["rate"])) / best for row in answered)
    excess = sorted(float(str(row["excess"])) for row in answered)
    cost = statistics.fmean(float(str(row["cost"])) for row in rows)
    print(
        f"| {method} | {ratios[0]:.2g} to {ratios[-1]:.2g} | {statistics.median(excess):+.0%} "
        f"| {excess[-1]:+.0%} | {cost:.2f} |",
        flush=True,
    )


def main() -> None:
    """Measure both optimizers and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="of each method's own")
    parser.add_argument("--json", type=Path, help="keep every row here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    print(
        "| method | rate / best | median excess | worst excess | cost (runs) |\n|---|---|---|---|---|"
    )
    results = [measure(name, arguments.seeds) for name in RATES]
    seconds = time.perf_counter() - began
    machine = (
        f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"
    )
    print(f"\n{seconds:.0f} s on one thread of {machine}, learnrate {learnrate.__version__}")
    if arguments.json:
        kept = {"machine": machine, "version": learnrate.__version__, "results": results}
        arguments.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
