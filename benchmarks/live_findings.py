"""How soon findings come in a run of 400 updates: the share of the run that has passed by then.

    python benchmarks/live_findings.py [--store FILE]     # a minute; rows that are in FILE stay

A small classifier is trained with `attach` and nothing else: at thirty times its best rate, where its
loss explodes; at a rate of 0; with a batch of NaN at the first and at the 61st update; and healthy. An
update takes as long as the training needs, or 1 ms, or 10 ms. After each update the script reads
`run.findings`, as a loop does that wants to act upon them.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path

import torch
from _page import table
from torch import nn

import learnrate

TOTAL, BATCH, CLASSES = 400, 32, 10
FAULTS = {"healthy": 0.1, "thirty times the rate": 3.0, "a rate of 0": 0.0, "NaN from 0": 0.1}
FAULTS |= {"NaN from 60": 0.1}
SECONDS = (0.0, 0.001, 0.01)


def main() -> None:
    """Measure what is not stored yet, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("build/live_findings.json"))
    place: Path = parser.parse_args().store
    rows: dict[str, dict[str, float]] = json.loads(place.read_text()) if place.is_file() else {}
    place.parent.mkdir(parents=True, exist_ok=True)
    for fault in FAULTS:
        for seconds in SECONDS:
            key = f"{fault}, {seconds * 1e3:g} ms"
            if key not in rows:
                rows[key] = shares(fault, seconds)
                place.write_text(json.dumps(rows, indent=1))
    print(
        table(
            ["training", "said after this share of the run"], [[k, _text(rows[k])] for k in rows]
        )
    )


def shares(fault: str, seconds: float) -> dict[str, float]:
    """By code, the share of a run's updates after which a finding was there.

    Args:
        fault: one of `FAULTS`.
        seconds: that an update takes at least.
    """
    torch.manual_seed(0)
    inputs = torch.randn(2048, 20)
    classes = (inputs @ torch.randn(20, CLASSES) + 0.5 * torch.randn(2048, CLASSES)).argmax(1)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, CLASSES))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = f"{FAULTS[fault]} * cosine()" if FAULTS[fault] else 0.0
    bad = int(fault.rpartition(" ")[2]) if fault.startswith("NaN") else TOTAL
    share_by_code: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        run = learnrate.attach(
            optimizer, schedule, total_steps=TOTAL, model=model, store=f"{folder}/runs.db"
        )
        for step in range(TOTAL):
            began = time.perf_counter()
            batch = torch.randint(2048, (BATCH,))
            factor = math.nan if step == bad else 1.0
            loss = nn.functional.cross_entropy(model(factor * inputs[batch]), classes[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss)
            time.sleep(max(0.0, seconds - (time.perf_counter() - began)))
            for finding in run.findings:
                share_by_code.setdefault(finding.code, (step + 1) / TOTAL)
        run.finish()
    return share_by_code


def _text(share_by_code: dict[str, float]) -> str:
    return ", ".join(f"{code} {share:.2f}" for code, share in share_by_code.items()) or "nothing"


if __name__ == "__main__":
    main()
