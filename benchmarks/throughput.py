"""How fast a sweep runs: every engine against a plain PyTorch loop over the same trials.

    python benchmarks/throughput.py [--json] [--rows mlp-8,gru] [--seconds 3] [--device cuda]
                                    [--page docs/speed.md]

The trials are 16 rates of one seed under AdamW. A row is the time of one update of all 16 trials: in a
plain loop, by the sequential engine, by stacks of 16 and of 4, by a process for every core, each with
its share of the trials one by one or in a stack, and by the choice of `auto`. All are timed in turn
within one run, several times; the fastest time of each counts, and rows are ratios to the plain loop,
so that other load on the machine matters little. `bound` is the same ratio for the matrix products of the
update alone, each in the form that is fastest for a stack (a call for each trial or one for all,
convolutions in groups or with channels last), in a process for every core.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _bounds import fastest, products_of, seconds_of_products
from _page import parser_of, table, write_section
from _tasks import tasks
from torch import nn

from learnrate import Task, schedule
from learnrate.trials import Training, Trial, choose_engine, preserved
from learnrate.trials import _auto as auto
from learnrate.trials._processes import available_cores, in_processes
from learnrate.trials._stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    Update = Callable[[], object]
    Candidate = Callable[[], float]

TRIALS = 16
RATES = np.geomspace(1e-4, 1e-3, TRIALS)
TARGETS = {"mlp-8": 8.0, "mlp-64": 5.0, "cnn": 7.0, "resnet": 1.4, "gru": 5.0, "transformer": 2.0}


def plain_loop(task: Task) -> Update:
    """One update of each trial in an ordinary PyTorch loop."""
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
    step = 0

    def update() -> None:
        nonlocal step
        x, y = batches[step % len(batches)]
        step += 1
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            loss.item()  # a sweep records it

    return update


def one_by_one(task: Task, rates: np.ndarray = RATES) -> Update:
    """One update of each trial by the sequential engine."""
    training = Training(task, 0)

    def update() -> None:
        for lr in rates.tolist():
            training.update(lr)

    return update


def stacks(task: Task, width: int, rates: np.ndarray = RATES) -> Update:
    """One update of each trial by the vectorised engine.

    Args:
        task: what is trained.
        width: trials in a stack.
        rates: one for each trial.
    """
    if width == 1:
        return one_by_one(task, rates)
    parts = [(Stack(task, 0, len(lr)), lr) for lr in np.array_split(rates, len(rates) // width)]

    def update() -> None:
        for stack, lr in parts:
            stack.update(lr)

    return update


def in_this_process(update: Update, threads: int) -> Candidate:
    """Measure in this process."""

    def measure() -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return fastest(update)
        finally:
            torch.set_num_threads(before)

    return measure


def forked(task: Task, width: int, processes: int) -> Candidate:
    """Measure in several processes at once, each with its share of the rates: the slowest one.

    Args:
        task: what is trained.
        width: trials in a stack.
        processes: number of processes.
    """
    share = RATES[: TRIALS // processes]

    def measure() -> float:
        with preserved(task):
            return fastest(stacks(task, min(width, len(share)), share))

    return lambda: max(in_processes(measure, processes))


def candidates(task: Task) -> dict[str, Candidate]:
    """The candidates, by the name of their column."""
    threads = torch.get_num_threads()
    measures = {
        "plain": in_this_process(plain_loop(task), threads),
        "sequential": in_this_process(one_by_one(task), threads),
        "stacks of 4": in_this_process(stacks(task, 4), threads),
        "stack of 16": in_this_process(stacks(task, TRIALS), threads),
    }
    cores = available_cores()
    if cores > 1:
        measures["processes"] = forked(task, 1, cores)
        measures["processes, stacks"] = forked(task, TRIALS // cores, cores)
    return measures


def chosen(task: Task) -> tuple[str, Candidate]:
    """The choice of `auto`, in words and as a candidate."""
    auto._SHORT = 0.0  # noqa: SLF001 - measure whatever the length
    shape = schedule("linear()")
    trials = [Trial((float(lr) * shape).over(10_000), 0) for lr in RATES]
    choice, _ = choose_engine(task, trials, "auto")
    if choice.processes > 1:
        kind = f"{choice.processes} x {choice.width}"
        return kind, forked(task, choice.width, choice.processes)
    kind = f"{choice.width}, threads {choice.threads}"
    return kind, in_this_process(stacks(task, choice.width), choice.threads)


def bound(task: Task) -> Candidate:
    """The matrix products of the update alone, in their fastest form, with the trials split over cores."""
    processes = available_cores()
    products = products_of(task)

    def measure() -> float:
        return seconds_of_products(products, TRIALS // processes)

    return lambda: max(in_processes(measure, processes)) if processes > 1 else measure()


def measure_row(task: Task, seconds: float) -> dict[str, Any]:
    """One row of the table."""
    auto_choice, auto_candidate = chosen(task)
    with preserved(task):
        measures = candidates(task) | {"auto": auto_candidate, "bound": bound(task)}
        times = dict.fromkeys(measures, float("inf"))
        end = time.perf_counter() + seconds * len(measures)
        while time.perf_counter() < end:
            for name, measure in measures.items():
                times[name] = min(times[name], measure())
    return {
        "task": task.name,
        "milliseconds": {name: 1e3 * best for name, best in times.items()},
        "ratio": {name: times["plain"] / best for name, best in times.items()},
        "auto": auto_choice,
        "target": TARGETS[task.name],
    }


def cells(row: dict[str, Any]) -> list[str]:
    """The cells of a row, as text."""
    ratios = row["ratio"]
    engines = [f"{ratios[name]:.2f}" for name in ratios if name not in ("plain", "bound")]
    first = [row["task"], f"{row['milliseconds']['plain']:.1f} ms"]
    return [*first, *engines, row["auto"], f"{row['target']:g}", f"{ratios['bound']:.1f}"]


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__, as_json=True)
    parser.add_argument("--rows", default=",".join(TARGETS))
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="seconds for each candidate of a row"
    )
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    every = tasks(arguments.device)
    load = os.getloadavg()[0]
    rows = [measure_row(every[name], arguments.seconds) for name in arguments.rows.split(",")]
    machine = {"threads": torch.get_num_threads(), "load": load}
    if arguments.json:
        print(json.dumps({"machine": machine, "rows": rows}))
        return
    names = [name for name in rows[0]["ratio"] if name not in ("plain", "bound")]
    header = ["task", "plain loop", *names, "it takes", "wanted", "bound"]
    drawn = table(header, [cells(row) for row in rows])
    caption = (
        f"16 rates of one seed, AdamW, on the {arguments.device} with {machine['threads']} threads "
        f"(load {load:.1f} before); times as fast as the plain loop."
    )
    print(f"{caption}\n\n{drawn}")
    if arguments.page is not None:
        write_section(arguments.page, "throughput", f"{caption}\n\n{drawn}")


if __name__ == "__main__":
    main()
