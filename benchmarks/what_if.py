"""Is the what-if probe right? Its verdicts beside what the rest of the run says.

    python benchmarks/what_if.py [--page docs/how-to/probes.md] [--json]

A network on scikit-learn's digits trains at a constant rate, from far too low to far too high. At
some steps the probe is asked which way the rate should go; then the rest of the run is trained from
there, five times, at every factor of the rate, decaying linearly to 0, and the final loss on held
out images says which way would have been right: the factor that ends lowest, where it beats the
present rate in a paired t test over the repeats at 5 %.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _page import table, write_section
from scipy.stats import ttest_rel
from sklearn.datasets import load_digits
from torch import nn

from learnrate.probing import what_if

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer

TOTAL, BATCH, REPEATS = 600, 32, 5
TIMES = (30, 150, 400)
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
RATES = {
    "SGD momentum": (0.0003, 0.003, 0.03, 0.1, 0.3),
    "Adam": (0.00003, 0.0003, 0.003, 0.01, 0.03),
}
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "SGD momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "Adam": lambda p, lr: torch.optim.Adam(p, lr=lr),
}


@dataclass(frozen=True)
class Case:
    """One question and its answer."""

    optimizer: str
    lr: float
    step: int
    verdict: str
    truth: str
    gain: float
    words: str


def main() -> None:
    """Ask, train, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = digits()
    cases = []
    for name, rates in RATES.items():
        for lr in rates:
            for case in asked(name, lr, data):
                cases.append(case)
                print(
                    f"{name:13} {lr:<8g} step {case.step:3}: {case.verdict:8} truth {case.truth:6} "
                    f"({case.gain:.3g})",
                    file=sys.stderr,
                )
    if arguments.json:
        print(json.dumps([vars(case) for case in cases], indent=1))
    text = summary(cases)
    print(text)
    if arguments.page:
        write_section(arguments.page, "what-if", text)


def digits() -> tuple[torch.Tensor, ...]:
    """Images and labels, a tenth of which are wrong, and held out ones."""
    x, y = load_digits(return_X_y=True)
    own = np.random.default_rng(0)
    order = own.permutation(len(x))
    images = torch.tensor(x[order] / 16.0, dtype=torch.float32)
    labels = torch.tensor(y[order])
    wrong = torch.tensor(own.random(len(x)) < 0.1)
    labels = torch.where(wrong, torch.tensor(own.integers(0, 10, len(x))), labels)
    return images[:1200], labels[:1200], images[1200:], labels[1200:]


def loss_of(model: nn.Module, batch: Any) -> torch.Tensor:
    """Cross-entropy."""
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def asked(name: str, lr: float, data: tuple[torch.Tensor, ...]) -> list[Case]:
    """The verdicts along one run at a constant rate."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = OPTIMIZERS[name](model.parameters(), lr=lr)
    x, y, *_ = data
    own = torch.Generator().manual_seed(1)
    found, at = [], 0
    for step in TIMES:
        train(model, optimizer, data, own, rate=lambda _: lr, steps=range(at, step))
        at = step
        picks = torch.randperm(len(x), generator=own)[: 30 * BATCH].split(BATCH)
        verdict = what_if(model, optimizer, loss_of, [(x[one], y[one]) for one in picks])
        truth, gain = rest(model, optimizer, data, name=name, lr=lr, step=step)
        found.append(
            Case(name, lr, step, verdict.verdict.name.lower(), truth, gain, verdict.words)
        )
    return found


def train(
    model: nn.Module,
    optimizer: Optimizer,
    data: tuple[torch.Tensor, ...],
    own: torch.Generator,
    *,
    rate: Callable[[int], float],
    steps: range,
) -> None:
    """Some updates."""
    x, y, *_ = data
    for step in steps:
        pick = torch.randint(len(x), (BATCH,), generator=own)
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.zero_grad()
        loss_of(model, (x[pick], y[pick])).backward()
        optimizer.step()


def rest(
    model: nn.Module,
    optimizer: Optimizer,
    data: tuple[torch.Tensor, ...],
    *,
    name: str,
    lr: float,
    step: int,
) -> tuple[str, float]:
    """Which way would have been right, and by how much in final loss."""
    final = np.empty((len(FACTORS), REPEATS))
    for row, factor in enumerate(FACTORS):
        for seed in range(REPEATS):
            other = copy.deepcopy(model)
            its = OPTIMIZERS[name](other.parameters(), lr=lr)
            its.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            own = torch.Generator().manual_seed(100 + seed)
            rate = lambda at, peak=factor * lr: peak * (TOTAL - at) / (TOTAL - step)  # noqa: E731
            train(other, its, data, own, rate=rate, steps=range(step, TOTAL))
            with torch.no_grad():
                final[row, seed] = float(loss_of(other, data[2:]))
    final = np.nan_to_num(final, nan=math.inf)
    means = final.mean(axis=1)
    best, here = int(means.argmin()), FACTORS.index(1.0)
    if best == here:
        return "keep", 0.0
    apart = final[here] - final[best]
    sure = not np.isfinite(apart).all() or ttest_rel(final[here], final[best]).pvalue < 0.05
    return (
        ("lower" if FACTORS[best] < 1 else "raise") if sure else "keep",
        float(means[here] - means[best]),
    )


def summary(cases: list[Case]) -> str:
    """How often verdicts were right."""
    header = ["the rest of the run says", "lower", "raise", "keep", "unclear"]
    rows = [
        [
            truth,
            *(
                str(sum(c.truth == truth and c.verdict == said for c in cases))
                for said in header[1:]
            ),
        ]
        for truth in ("lower", "raise", "keep")
    ]
    return table(header, rows)


if __name__ == "__main__":
    main()
