"""How fast a sweep runs: every engine against a plain PyTorch loop over the same trials.

    python benchmarks/throughput.py [--json] [--rows mlp-8,gru] [--seconds 1.0] [--device cuda]

16 rates of one seed under AdamW. A row is the time of one update of all 16 trials: in a plain
loop, by the sequential engine, by stacks of 16 and of 4, and by what `auto` chose. All are timed in
turns within one run, several times over; the fastest of each counts, and rows are ratios to the
plain loop, so what else the machine does matters little. `share` is the floating-point rate of the
matrix products of the fastest one, as a share of that of one large product on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from learnrate import Task, schedule
from learnrate.trials import Training, Trial, choose_engine, preserved
from learnrate.trials import _auto as auto
from learnrate.trials._stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

TRIALS = 16
RATES = np.geomspace(1e-4, 1e-3, TRIALS)
TARGETS = {"mlp-8": 8.0, "mlp-64": 4.0, "cnn": 3.0, "gru": 1.2, "transformer": 1.0}


class Recurrent(nn.Module):
    """A GRU read at its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(16, 64, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores."""
        states, _ = self.cell(x)
        return torch.as_tensor(self.head(states[:, -1]))


class Transformer(nn.Module):
    """Two layers of width 64 over 64 tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 100)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores."""
        return torch.as_tensor(self.head(self.layers(self.embed(x))).transpose(1, 2))


def mlp() -> nn.Module:
    """Three dense layers, 64-128-128-10."""
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def cnn() -> nn.Module:
    """Two convolutions over 8 x 8 pixels."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def floats(*shape: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random inputs of a shape, in ten classes."""
    return [(torch.randn(shape), torch.randint(10, shape[:1])) for _ in range(16)]


def tokens(batch: int, length: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random tokens, each to be told from those before it."""
    drawn = [torch.randint(100, (batch, length + 1)) for _ in range(16)]
    return [(one[:, :-1], one[:, 1:]) for one in drawn]


def tasks(device: str) -> dict[str, Task]:
    """What is trained, by the name of its row."""
    made: dict[str, tuple[Callable[[], nn.Module], Any]] = {
        "mlp-8": (mlp, floats(8, 64)),
        "mlp-64": (mlp, floats(64, 64)),
        "cnn": (cnn, floats(16, 1, 8, 8)),
        "gru": (Recurrent, floats(16, 16, 16)),
        "transformer": (Transformer, tokens(16, 64)),
    }
    return {
        name: Task(model=model, loss=nn.CrossEntropyLoss(), data=data, device=device, name=name)
        for name, (model, data) in made.items()
    }


def plain_loop(task: Task) -> Callable[[], None]:
    """One update of each trial, as anybody would write it."""
    assert callable(task.model)
    torch.manual_seed(0)
    device = torch.device(str(task.device))
    models = [task.model().to(device) for _ in RATES]
    optimizers = [
        torch.optim.AdamW(model.parameters(), lr=float(lr))
        for model, lr in zip(models, RATES, strict=True)
    ]
    criterion = nn.CrossEntropyLoss()
    batches = [(x.to(device), y.to(device)) for x, y in list(task.data)]  # type: ignore[arg-type]
    at = 0

    def update() -> None:
        nonlocal at
        x, y = batches[at % len(batches)]
        at += 1
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            loss.item()  # a sweep records it

    return update


def one_by_one(task: Task) -> Callable[[], None]:
    """One update of each trial by the sequential engine."""
    training = Training(task, 0)

    def update() -> None:
        for lr in RATES.tolist():
            training.update(lr)

    return update


def stacks(task: Task, width: int) -> Callable[[], None]:
    """One update of each trial by the vectorised engine."""
    parts = [(Stack(task, 0, width), RATES[at : at + width]) for at in range(0, TRIALS, width)]

    def update() -> None:
        for stack, lr in parts:
            stack.update(lr)

    return update


def timed(candidates: dict[str, Callable[[], None]], seconds: float) -> dict[str, float]:
    """The fastest update of each candidate, in milliseconds, all in turns."""
    for update in candidates.values():
        update()
        update()
    fastest = dict.fromkeys(candidates, float("inf"))
    end = time.perf_counter() + seconds * len(candidates)
    while time.perf_counter() < end:
        for name, update in candidates.items():
            for _ in range(3):
                began = time.perf_counter()
                update()
                if torch.cuda.is_initialized():
                    torch.cuda.synchronize()
                fastest[name] = min(fastest[name], 1e3 * (time.perf_counter() - began))
    return fastest


def chosen(task: Task) -> tuple[str, int]:
    """The engine that `auto` takes, and the width of its stacks."""
    auto._SHORT = 0.0  # noqa: SLF001 - measure whatever the length
    shape = schedule("linear()")
    trials = [Trial((float(lr) * shape).over(10_000), 0) for lr in RATES]
    choice, _ = choose_engine(task, trials, "auto")
    return choice.engine, choice.width


def flops(task: Task) -> int:
    """Of the matrix products in one update of one trial."""
    with FlopCounterMode(display=False) as counter:
        Training(task, 0).update(1e-3)
    return int(counter.get_total_flops())


def peak_rate(device: str) -> float:
    """Floating-point operations a second of one large matrix product."""
    a = torch.randn(1024, 1024, device=device)

    def product() -> None:
        (a @ a)[0, 0].item()

    fastest = timed({"product": product}, 0.5)["product"]
    return float(2 * 1024**3 / (fastest / 1e3))


def measured(task: Task, seconds: float, peak: float) -> dict[str, Any]:
    """One row."""
    with preserved(task):
        work = flops(task) * TRIALS
        times = timed(
            {
                "plain": plain_loop(task),
                "sequential": one_by_one(task),
                "stacks of 4": stacks(task, 4),
                "stack of 16": stacks(task, TRIALS),
            },
            seconds,
        )
    engine, width = chosen(task)
    name = (
        "sequential" if width == 1 else f"stacks of {width}".replace("stacks of 16", "stack of 16")
    )
    best = min(times.values())
    return {
        "task": task.name,
        "milliseconds": times,
        "ratio": {name: times["plain"] / one for name, one in times.items()},
        "auto": {"engine": engine, "width": width, "ratio": times["plain"] / times[name]},
        "share": work / (best / 1e3) / peak,
        "target": TARGETS[task.name],
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", default=",".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=1.0, help="a candidate and row")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    peak = peak_rate(asked.device)
    every = tasks(asked.device)
    load = os.getloadavg()[0]
    rows = [measured(every[name], asked.seconds, peak) for name in asked.rows.split(",")]
    machine = {"threads": torch.get_num_threads(), "load": load, "gigaflops": peak / 1e9}
    if asked.json:
        print(json.dumps({"machine": machine, "rows": rows}))
        return
    print(f"16 rates, AdamW, {asked.device}; {machine}; times as fast as a plain loop")
    print(f"{'task':12} {'plain ms':>9} {'sequential':>11} {'4 a stack':>10} {'16':>6}", end="")
    print(f" {'auto':>6} {'takes':>14} {'share':>6} {'target':>7}")
    for row in rows:
        ratio = row["ratio"]
        takes = f"{row['auto']['engine']} {row['auto']['width']}"
        print(
            f"{row['task']:12} {row['milliseconds']['plain']:9.2f} {ratio['sequential']:10.2f}x"
            f" {ratio['stacks of 4']:9.2f}x {ratio['stack of 16']:5.2f}x"
            f" {row['auto']['ratio']:5.2f}x {takes:>14} {row['share']:6.1%} {row['target']:6.1f}x"
        )


if __name__ == "__main__":
    main()
