"""How soon findings come in a run of 400 updates: the share of the run that has passed by then.

    python benchmarks/live_findings.py [--page docs/findings/measured.md]     # two minutes

A small classifier is trained with `attach` and nothing else: at thirty times its best rate with SGD,
where its loss explodes, and with Adam; at a rate of 0; with a batch of NaN at the first and at the 61st
update; and healthy. An update takes as long as the training needs, or 1 ms, or 10 ms. After each update
the script reads `run.findings`, as a loop does that wants to act upon them.
"""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass

import torch
from _page import parser_of, show, table
from torch import nn

import learnrate

TOTAL, BATCH, CLASSES = 400, 32, 10
SECONDS = (0.0, 0.001, 0.01)


@dataclass(frozen=True)
class Case:
    """A training.

    Attributes:
        rate: the peak of a cosine.
        adam: whether Adam makes the updates; otherwise SGD with momentum 0.9.
        bad: the update whose batch is NaN; none if it is beyond the last.
    """

    rate: float
    adam: bool = False
    bad: int = TOTAL


CASES = {
    "healthy, SGD": Case(0.1),
    "healthy, Adam": Case(0.03, adam=True),
    "thirty times the rate, SGD": Case(3.0),
    "thirty times the rate, Adam": Case(0.9, adam=True),
    "a rate of 0": Case(0.0),
    "NaN from the first update on": Case(0.1, bad=0),
    "NaN from the 61st update on": Case(0.1, bad=60),
}


def main() -> None:
    """Measure, and print the table."""
    page = parser_of(__doc__).parse_args().page
    rows = [
        [name, *(_text(shares(case, seconds)) for seconds in SECONDS)]
        for name, case in CASES.items()
    ]
    show(table(["training", "no wait", "1 ms", "10 ms"], rows), page, "live-findings")


def shares(case: Case, seconds: float) -> dict[str, float]:
    """By code, the share of a run's updates after which a finding was there.

    Args:
        case: what is trained.
        seconds: that an update takes at least.
    """
    torch.manual_seed(0)
    inputs = torch.randn(2048, 20)
    classes = (inputs @ torch.randn(20, CLASSES) + 0.5 * torch.randn(2048, CLASSES)).argmax(1)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, CLASSES))
    optimizer: torch.optim.Optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    if case.adam:
        optimizer = torch.optim.Adam(model.parameters())
    schedule = f"{case.rate} * cosine()" if case.rate else 0.0
    share_by_code: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        run = learnrate.attach(
            optimizer, schedule, total_steps=TOTAL, model=model, store=f"{folder}/runs.db"
        )
        for step in range(TOTAL):
            began = time.perf_counter()
            batch = torch.randint(2048, (BATCH,))
            factor = math.nan if step == case.bad else 1.0
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
