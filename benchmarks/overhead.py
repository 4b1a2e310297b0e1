"""What a schedule costs: one update of the rates beside torch's schedulers, and a long table.

    python benchmarks/overhead.py [--json]

All contenders run in one process, turn by turn, so that whatever else the machine does meets them
alike; a figure is the median over the turns, and a ratio the median of the ratios within a turn.
The ratio that counts is ours to the fastest of torch's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import lr_scheduler

from learnrate.integrations.torch import to_torch
from learnrate.schedules import Cosine, Warmup

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import SGD

TOTAL = 1_000_000
RATE = 0.1
TURNS, UPDATES = 61, 400
TARGET, TABLE_TARGET = 0.25, 0.050
OURS = "learnrate to_torch"
SCHEDULE = RATE * Warmup(500).then(Cosine(TOTAL - 500))

CONTENDERS: dict[str, Callable[[SGD], Any]] = {
    OURS: lambda o: to_torch(SCHEDULE, o),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, RATE, total_steps=TOTAL),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1.0 - step / TOTAL),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.01, 1.0, 500), lr_scheduler.CosineAnnealingLR(o, TOTAL)],
        milestones=[500],
    ),
}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    torch.set_num_threads(1)
    results = {str(groups): measure(groups) for groups in (1, 20)}
    table = table_seconds()
    if as_json:
        json.dump({"groups": results, "million_step_table_s": table}, sys.stdout, indent=2)
        print()
        return
    for groups, result in results.items():
        show(groups, result)
    verdict = "met" if table <= TABLE_TARGET else "missed"
    print(f"a table of {TOTAL:,} steps: {table * 1e3:.1f} ms")
    print(f"  target: at most {TABLE_TARGET * 1e3:.0f} ms, {verdict}")


def measure(groups: int) -> dict[str, Any]:
    """Seconds an update for every contender, and our ratio to the fastest other."""
    steppers = {name: prepared(make, groups) for name, make in CONTENDERS.items()}
    turns: list[dict[str, float]] = []
    for turn in range(TURNS):
        order = list(steppers)
        shift = turn % len(order)
        turns.append({name: timed(steppers[name]) for name in order[shift:] + order[:shift]})
    median = {name: statistics.median(turn[name] for turn in turns) for name in steppers}
    fastest = min((name for name in median if name != OURS), key=median.__getitem__)
    ratio = statistics.median(turn[OURS] / turn[fastest] for turn in turns)
    return {"seconds": median, "fastest_of_torch": fastest, "ratio": ratio}


def prepared(make: Callable[[SGD], Any], groups: int) -> Callable[[], None]:
    """A scheduler's step, past its first calls."""
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(groups)]
    optimizer = torch.optim.SGD([{"params": [each]} for each in parameters], lr=RATE)
    optimizer.step()
    step: Callable[[], None] = make(optimizer).step
    optimizer.step()
    for _ in range(UPDATES):
        step()
    return step


def timed(step: Callable[[], None]) -> float:
    """Seconds a call, over one turn."""
    began = time.perf_counter()
    for _ in range(UPDATES):
        step()
    return (time.perf_counter() - began) / UPDATES


def table_seconds() -> float:
    """Seconds for all rates of a million-step run, the median of several."""
    found = []
    for _ in range(15):
        began = time.perf_counter()
        SCHEDULE.table()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def show(groups: str, result: dict[str, Any]) -> None:
    """One table."""
    print(f"one update of the rates, {groups} parameter group{'s' if groups != '1' else ''}")
    for name, seconds in sorted(result["seconds"].items(), key=lambda pair: pair[1]):
        print(f"  {name:20} {seconds * 1e6:7.2f} us")
    verdict = "met" if result["ratio"] <= TARGET else "missed"
    print(f"  ours / {result['fastest_of_torch']}: {result['ratio']:.2f}")
    print(f"  target: at most {TARGET}, {verdict}\n")


if __name__ == "__main__":
    main()
