"""What large files and long trainings take: time and memory.

    python benchmarks/long_runs.py [--megabytes 200] [--updates 400000] [--rows 10000000] [--json]

A CSV log of so many megabytes is read by `learnrate diagnose`; a small model is trained for so many
updates by `learnrate.train`; and the live rules watch a run of so many rows. Each runs in a process
of its own. The memory for each update is that which the second half of the training adds, so it says
what a longer training would take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MEGABYTE = 2**20
LONG = 10_000_000
MEMORY = """
import json, sys
import numpy as np
import learnrate

def memory():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024

"""
TRAINING = f"""{MEMORY}
updates, calls, memory_at = int(sys.argv[1]), 0, {{}}
import torch

def loss(model, batch):
    global calls
    calls += 1
    if calls in (updates // 2, updates - 1):
        memory_at[calls] = memory()
    x, y = batch
    return (model(x) - y).square().mean()

x = torch.randn(8, 2)
task = learnrate.Task(
    model=lambda: torch.nn.Linear(2, 1),
    loss=loss,
    data=[(x, x.sum(1, keepdim=True) + torch.randn(8, 1))],
    optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=1e-3),
)
curve = learnrate.train(task, "1e-3 * constant()", total_steps=updates, progress=False).curve
half, end = memory_at[updates // 2], memory_at[updates - 1]
print(json.dumps({{"updates": curve.steps, "half": half, "end": end}}))
"""
WATCHING = f"""{MEMORY}
from learnrate.watch import Watcher

rows, rng, part = int(sys.argv[1]), np.random.default_rng(0), 10_000
watcher = Watcher("long", total_steps=rows, schedule=learnrate.schedule(1e-3).over(rows))
before = memory()
for first in range(0, rows, part):
    step = np.arange(first, first + part)
    noise = rng.normal(0.0, 0.05, part)
    watcher.feed(step, {{
        "loss": 0.5 + np.exp(-step / 1e5) + noise,
        "lr": np.full(part, 1e-3),
        "gradient_norm": 1.0 + np.abs(noise),
    }})
watcher.finish()
print(json.dumps({{"before": before}}))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--updates", type=int, default=400_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            "csv": read_csv(Path(folder), arguments.megabytes),
            "training": train(arguments.updates),
            "watching": watch(arguments.rows),
        }
    if arguments.json:
        json.dump(figures, sys.stdout, indent=2)
        print()
        return
    csv, training, watching = figures["csv"], figures["training"], figures["watching"]
    print(
        f"diagnose a CSV of {csv['megabytes']:.0f} MB, {csv['rows']:,} rows: "
        f"{csv['seconds']:.1f} s, {csv['peak'] / MEGABYTE:,.0f} MB at most"
    )
    print(
        f"train {training['updates']:,} updates: {training['seconds']:.0f} s, "
        f"{training['peak'] / MEGABYTE:,.0f} MB at most, {training['bytes']:.0f} bytes for each "
        f"update of the second half; {LONG:,} updates would take "
        f"{LONG * training['bytes'] / MEGABYTE:,.0f} MB more than none"
    )
    print(
        f"watch {watching['rows']:,} rows: {watching['seconds']:.0f} s, "
        f"{watching['added'] / MEGABYTE:,.0f} MB at most"
    )


def read_csv(folder: Path, megabytes: int) -> dict[str, float]:
    """Time and memory of `learnrate diagnose` on a log.

    Args:
        folder: to write the log to.
        megabytes: its size.
    """
    path, rows, rng = folder / "log.csv", 0, np.random.default_rng(0)
    with path.open("w") as file:
        file.write("step,loss,lr\n")
        while file.tell() < megabytes * MEGABYTE:
            losses = (
                0.5 + np.exp(-(rows + np.arange(100_000)) / 1e6) + rng.normal(0, 0.05, 100_000)
            )
            file.writelines(f"{rows + row},{loss:.17g},0.001\n" for row, loss in enumerate(losses))
            rows += len(losses)
    size = path.stat().st_size
    seconds, peak, _ = run(["-m", "learnrate", "diagnose", str(path), "--json"])
    path.unlink()
    return {"megabytes": size / MEGABYTE, "rows": rows, "seconds": seconds, "peak": peak}


def train(updates: int) -> dict[str, float]:
    """Time and memory of a training."""
    seconds, peak, output = run(["-c", TRAINING, str(updates)])
    memory = json.loads(output)
    growth = (memory["end"] - memory["half"]) / (updates - 1 - updates // 2)
    return {"updates": memory["updates"], "seconds": seconds, "peak": peak, "bytes": growth}


def watch(rows: int) -> dict[str, float]:
    """Time and memory of the live rules on a run; the memory is what they add to the process."""
    seconds, peak, output = run(["-c", WATCHING, str(rows)])
    return {"rows": rows, "seconds": seconds, "added": peak - json.loads(output)["before"]}


def run(arguments: Sequence[str]) -> tuple[float, float, str]:
    """Seconds, the most bytes of memory, and the output of a Python process that must succeed."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in {0, 1} or not output:  # 1: there are findings
        raise SystemExit(1)
    return time.perf_counter() - start, usage.ru_maxrss * 1024.0, output


if __name__ == "__main__":
    main()
