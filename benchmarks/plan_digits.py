"""Is the planned rate right? The demo's network against an exhaustive sweep of 13 rates.

For Adam and for SGD with momentum: the truth is the mean validation loss over five seeds at each
of 13 rates, a quarter of a decade apart, with 5 % warm-up and a linear decay to 0. Then each method
picks a rate with seeds of its own, the same five seeds train at that rate, and the excess over the
best rate is taken seed by seed.

    python benchmarks/plan_digits.py [--seeds 3] [--json FILE]
"""

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

import learnrate

EXAMPLES = Path(__file__).parent.parent / "examples" / "digits.py"
RATES = {
    "task": [1e-4 * 10 ** (i / 4) for i in range(13)],
    "sgd": [1e-3 * 10 ** (i / 4) for i in range(13)],
}
JUDGES = (101, 102, 103, 104, 105)

HEADER = (
    "| method | rate / best | median excess | worst excess | cost (runs) |\n|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Row:
    """One method with one seed; the last three are None where it refused to answer."""

    method: str
    seed: int
    cost: float
    ratio: float | None
    excess: float | None
    error: float | None


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


def losses_at(task: learnrate.Task, peak: float) -> list[float]:
    """The validation losses of whole runs at `peak`, one for each of the judges' seeds."""
    text = f"{peak!r} * warmup(5%) >> linear()"
    return [learnrate.train(task, text, seed=seed, progress=False).curve.final for seed in JUDGES]


def measure(name: str, seeds: int) -> dict[str, object]:
    """The sweep of one task, and a row for each method and seed."""
    task = learnrate.load_task(f"{EXAMPLES}:{name}")
    sweep = {peak: losses_at(task, peak) for peak in RATES[name]}
    best = min(sweep, key=lambda peak: statistics.fmean(sweep[peak]))
    print(
        f"\n**{task.name}**: best of {len(sweep)} rates {best:.2g}, "
        f"loss {statistics.fmean(sweep[best]):.4f}\n\n{HEADER}"
    )
    rows = []
    for method, pick in METHODS.items():
        own = [
            judged(task, method, seed, picked=pick(task, seed), best=best, at_best=sweep[best])
            for seed in range(1 if method == "default rate" else seeds)
        ]
        print(table_line(own), flush=True)
        rows += [asdict(row) for row in own]
    return {"task": task.name, "sweep": sweep, "best": best, "rows": rows}


def judged(
    task: learnrate.Task,
    method: str,
    seed: int,
    *,
    picked: tuple[float | None, float],
    best: float,
    at_best: list[float],
) -> Row:
    """Train at the picked rate, and compare with the best rate seed by seed."""
    rate, cost = picked
    if rate is None:
        return Row(method, seed, cost, None, None, None)
    scale = statistics.fmean(at_best)
    excess = [(a - b) / scale for a, b in zip(losses_at(task, rate), at_best, strict=True)]
    error = statistics.stdev(excess) / math.sqrt(len(excess))
    return Row(method, seed, cost, rate / best, statistics.fmean(excess), error)


def table_line(rows: list[Row]) -> str:
    """Rate over best, excess loss (median with its standard error, and worst), cost."""
    answered = sorted((row.excess, row.error, row.ratio) for row in rows if row.excess is not None)
    if not answered:
        return f"| {rows[0].method} | refused | | | |"
    ratios = sorted(row.ratio for row in rows if row.ratio is not None)
    middle, error, _ = answered[len(answered) // 2]
    cost = statistics.fmean(row.cost for row in rows)
    return (
        f"| {rows[0].method} | {ratios[0]:.2g} to {ratios[-1]:.2g} "
        f"| {middle:+.0%} ± {error:.0%} | {answered[-1][0]:+.0%} | {cost:.2f} |"
    )


def main() -> None:
    """Measure both optimizers and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="of each method's own")
    parser.add_argument("--json", type=Path, help="keep every row here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
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
