"""Seconds of processor time to read and to diagnose tables of a million rows, beside pyarrow's.

    python benchmarks/diagnose_rows.py [ROWS]

The best of three each. The run is healthy: a noisy loss that falls, under a warm-up and a cosine.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyarrow import csv as pyarrow_csv
from pyarrow import json as pyarrow_json

from learnrate.schedules import schedule
from learnrate.watch import diagnose
from learnrate.watch.readers import read_runs

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 3


def seconds(call: Callable[[], object]) -> float:
    """The least seconds of processor time of some calls."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def write_logs(folder: Path, rows: int) -> tuple[Path, Path, Path]:
    """A CSV table, one with a validation every thousandth row, and JSON lines."""
    steps = np.arange(rows)
    noise = 0.05 * np.random.default_rng(0).standard_normal(rows)
    losses = (0.4 + 2.0 * np.exp(-8.0 * steps / rows) + noise).round(6).tolist()
    rates = (1e-3 * schedule("warmup(5%) >> cosine()")).over(rows).table().tolist()
    full, sparse, lines = folder / "full.csv", folder / "sparse.csv", folder / "lines.jsonl"
    triples = list(zip(steps.tolist(), losses, rates, strict=True))
    full.write_text("step,loss,lr\n" + "".join(f"{s},{x},{r:.9g}\n" for s, x, r in triples))
    sparse.write_text(
        "step,loss,lr,val_loss\n"
        + "".join(f"{s},{x},{r:.9g},{'' if s % 1000 else x}\n" for s, x, r in triples)
    )
    lines.write_text(
        "".join(json.dumps({"step": s, "loss": x, "lr": r}) + "\n" for s, x, r in triples)
    )
    return full, sparse, lines


def main() -> None:
    """Print a line for each table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"{rows:,} rows, seconds (the best of {REPEATS})")
    print(f"{'table':<14}{'read':>8}{'rules':>8}{'both':>8}{'pyarrow':>9}{'read / pyarrow':>16}")
    with tempfile.TemporaryDirectory() as folder:
        for path in write_logs(Path(folder), rows):
            (run,) = read_runs(path)
            reading = seconds(partial(read_runs, path))
            rules = seconds(partial(diagnose, run))
            read = pyarrow_csv.read_csv if path.suffix == ".csv" else pyarrow_json.read_json
            peer = seconds(partial(read, path))
            print(
                f"{path.name:<14}{reading:>8.2f}{rules:>8.2f}{reading + rules:>8.2f}{peer:>9.2f}"
                f"{reading / peer:>16.1f}"
            )


if __name__ == "__main__":
    main()
