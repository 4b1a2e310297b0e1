"""Is the what-if probe right? Its verdicts compared with the rest of the run.

    python benchmarks/what_if.py [--page docs/how-to/probes.md] [--json]

A network on scikit-learn's digits trains at a constant rate, from far too low to far too high. At some
steps the probe says in which direction the rate should change. The rest of the run is then trained from
there, five times at every factor of the rate, decaying linearly to 0. The final loss on held-out images
shows which direction is right: that of the factor with the lowest loss, if it beats the present rate in
a paired t test over the repeats at 5 %.
"""

from __future__ import annotations

import copy
import json
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _page import parser_of, show, table
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
class ProbeCase:
    """A verdict of the probe, and the truth."""

    optimizer: str
    lr: float
    step: int
    verdict: str
    truth: str
    gain: float
    words: str


def main() -> None:
    """Probe, train, and print."""
    arguments = parser_of(__doc__, as_json=True).parse_args()
    torch.set_num_threads(1)
    data = digits()
    cases = []
    for name, rates in RATES.items():
        for lr in rates:
            for case in probed(name, lr, data):
                cases.append(case)
                print(
                    f"{name:13} {lr:<8g} step {case.step:3}: {case.verdict:8} truth {case.truth:6} "
                    f"({case.gain:.3g})",
                    file=sys.stderr,
                )
    if arguments.json:
        print(json.dumps([vars(case) for case in cases], indent=1))
    text = summary(cases)
    show(text, arguments.page, "what-if")


def digits() -> tuple[torch.Tensor, ...]:
    """Images and labels, a tenth of the labels wrong, and held-out ones."""
    x, y = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    order = random.permutation(len(x))
    images = torch.tensor(x[order] / 16.0, dtype=torch.float32)
    labels = torch.tensor(y[order])
    wrong = torch.tensor(random.random(len(x)) < 0.1)
    labels = torch.where(wrong, torch.tensor(random.integers(0, 10, len(x))), labels)
    return images[:1200], labels[:1200], images[1200:], labels[1200:]


def loss_of(model: nn.Module, batch: Any) -> torch.Tensor:
    """Cross-entropy."""
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def probed(name: str, lr: float, data: tuple[torch.Tensor, ...]) -> list[ProbeCase]:
    """The verdicts during one run at a constant rate.

    Args:
        name: of the optimizer.
        lr: the constant rate.
        data: as `digits` gives it.
    """
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = OPTIMIZERS[name](model.parameters(), lr=lr)
    x, y, *_ = data
    draws = torch.Generator().manual_seed(1)
    cases, done = [], 0
    for step in TIMES:
        train(model, optimizer, data, draws, rate=lambda _: lr, steps=range(done, step))
        done = step
        batches = torch.randperm(len(x), generator=draws)[: 30 * BATCH].split(BATCH)
        verdict = what_if(model, optimizer, loss_of, [(x[rows], y[rows]) for rows in batches])
        truth, gain = best_direction(model, optimizer, data, name=name, lr=lr, step=step)
        cases.append(
            ProbeCase(name, lr, step, verdict.verdict.name.lower(), truth, gain, verdict.words)
        )
    return cases


def train(
    model: nn.Module,
    optimizer: Optimizer,
    data: tuple[torch.Tensor, ...],
    draws: torch.Generator,
    *,
    rate: Callable[[int], float],
    steps: range,
) -> None:
    """Make some updates.

    Args:
        model: what is trained.
        optimizer: its optimizer.
        data: as `digits` gives it.
        draws: draws the batches.
        rate: gives the rate of a step.
        steps: the updates to make.
    """
    x, y, *_ = data
    for step in steps:
        rows = torch.randint(len(x), (BATCH,), generator=draws)
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.zero_grad()
        loss_of(model, (x[rows], y[rows])).backward()
        optimizer.step()


def best_direction(
    model: nn.Module,
    optimizer: Optimizer,
    data: tuple[torch.Tensor, ...],
    *,
    name: str,
    lr: float,
    step: int,
) -> tuple[str, float]:
    """The direction in which the rate should have changed, and the gain in final loss.

    Args:
        model: as it is at the step.
        optimizer: as it is at the step.
        data: as `digits` gives it.
        name: of the optimizer.
        lr: the constant rate until the step.
        step: from which the rest of the run is trained.
    """
    final = np.empty((len(FACTORS), REPEATS))
    for row, factor in enumerate(FACTORS):
        for seed in range(REPEATS):
            branch = copy.deepcopy(model)
            branch_optimizer = OPTIMIZERS[name](branch.parameters(), lr=lr)
            branch_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            draws = torch.Generator().manual_seed(100 + seed)
            peak = factor * lr
            train(
                branch,
                branch_optimizer,
                data,
                draws,
                rate=lambda update, peak=peak: peak * (TOTAL - update) / (TOTAL - step),  # type: ignore[misc]
                steps=range(step, TOTAL),
            )
            with torch.no_grad():
                final[row, seed] = float(loss_of(branch, data[2:]))
    final = np.nan_to_num(final, nan=math.inf)
    means = final.mean(axis=1)
    best, present = int(means.argmin()), FACTORS.index(1.0)
    if best == present:
        return "keep", 0.0
    gains = final[present] - final[best]
    significant = (
        not np.isfinite(gains).all() or ttest_rel(final[present], final[best]).pvalue < 0.05
    )
    return (
        ("lower" if FACTORS[best] < 1 else "raise") if significant else "keep",
        float(means[present] - means[best]),
    )


def summary(cases: list[ProbeCase]) -> str:
    """A table of verdicts by the truth."""
    header = ["the rest of the run says", "lower", "raise", "keep", "unclear"]
    rows = [
        [
            truth,
            *(
                str(sum(case.truth == truth and case.verdict == verdict for case in cases))
                for verdict in header[1:]
            ),
        ]
        for truth in ("lower", "raise", "keep")
    ]
    return table(header, rows)


if __name__ == "__main__":
    main()
