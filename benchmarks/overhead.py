"""The cost of a schedule and a record for each update, compared with torch's schedulers and writers.

    python benchmarks/overhead.py [--json] [--only share]

There are four figures: one update of the rates, and a long table; one update whose rate is set and
whose rate and loss are recorded; all that a run can record, as a share of an update of 10 ms; and the
part of it that looks for edits, which a run without a store does not do. All contenders run in one
process and take turns, so that other load on the machine affects them equally. A figure is the median
over the turns, a ratio the median of the ratios within a turn, and a difference the median of the
differences within a turn, with an interval. The target is for the ratio of learnrate to the fastest of
torch's schedulers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from scipy.stats import binom
from torch.optim import lr_scheduler

import learnrate
from learnrate.schedules import Cosine, Warmup
from learnrate.torch_scheduler import to_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch.optim import SGD

    Interval = tuple[float, float, float]  # a median, and its bounds
    Writer = tuple[Callable[[], None], Callable[[], None]]

TOTAL = 1_000_000
RATE = 0.1
TURNS, UPDATES = 61, 400
TARGET, TABLE_TARGET = 0.25, 0.050
LEARNRATE = "learnrate to_torch"
SCHEDULE = RATE * Warmup(500).then(Cosine(TOTAL - 500))

CONTENDERS: dict[str, Callable[[SGD], Any]] = {
    LEARNRATE: lambda o: to_torch(SCHEDULE, o),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, RATE, total_steps=TOTAL),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1.0 - step / TOTAL),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.01, 1.0, 500), lr_scheduler.CosineAnnealingLR(o, TOTAL)],
        milestones=[500],
    ),
}


RECORD_TARGET, POLL_TARGET = 10e-6, 0.001
SHARE_TARGETS = {"processor": 0.01, "wall": 0.005}
RECORD_TURNS, RECORD_UPDATES = 31, 100
UPDATE = 0.010  # seconds, most of them asleep
PAIRS, BLOCK = 40, 60
RUN_STEP, MLFLOW = "learnrate run.step", "MLflow, two metrics"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--only", choices=["share"], help="only the share of an update with everything on"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.only:
        with tempfile.TemporaryDirectory() as folder:
            show_share(share_of_an_update(folder))
        return
    results = {str(groups): measure(groups) for groups in (1, 20)}
    table = table_seconds()
    with tempfile.TemporaryDirectory() as folder:
        share = share_of_an_update(folder)  # before the peers are loaded, which slow every thread
        polling = share_of_polling(folder)
        records = record_seconds(folder)
    if chosen.json:
        document = {"groups": results, "million_step_table_s": table}
        document |= {"record_s": records, "share_of_10_ms": share, "polling_of_10_ms": polling}
        json.dump(document, sys.stdout, indent=2)
        print()
        return
    for groups, result in results.items():
        show(groups, result)
    verdict = "met" if table <= TABLE_TARGET else "missed"
    print(f"a table of {TOTAL:,} steps: {table * 1e3:.1f} ms")
    print(f"  target: at most {TABLE_TARGET * 1e3:.0f} ms, {verdict}")
    show_records(records, share)
    verdict = "met" if polling <= POLL_TARGET else "missed"
    print(
        f"to look for edits, of an update of 10 ms: {polling:.4%} ({polling * UPDATE * 1e6:.2f} us)"
    )
    print(f"  target: at most {POLL_TARGET:.1%}, {verdict}")


def measure(groups: int) -> dict[str, Any]:
    """Seconds an update for every contender, and the ratio of learnrate to the fastest other one."""
    steppers = {name: prepared(make, groups) for name, make in CONTENDERS.items()}
    turns: list[dict[str, float]] = []
    for turn in range(TURNS):
        order = list(steppers)
        shift = turn % len(order)
        turns.append({name: timed(steppers[name]) for name in order[shift:] + order[:shift]})
    median = {name: statistics.median(turn[name] for turn in turns) for name in steppers}
    fastest = min((name for name in median if name != LEARNRATE), key=median.__getitem__)
    ratio = statistics.median(turn[LEARNRATE] / turn[fastest] for turn in turns)
    return {"seconds": median, "fastest_of_torch": fastest, "ratio": ratio}


def prepared(make: Callable[[SGD], Any], groups: int) -> Callable[[], None]:
    """A scheduler's step, after its first calls."""
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(groups)]
    optimizer = torch.optim.SGD([{"params": [parameter]} for parameter in parameters], lr=RATE)
    optimizer.step()
    step: Callable[[], None] = make(optimizer).step
    optimizer.step()
    for _ in range(UPDATES):
        step()
    return step


def timed(step: Callable[[], None]) -> float:
    """Seconds a call, in one turn."""
    start_time = time.perf_counter()
    for _ in range(UPDATES):
        step()
    return (time.perf_counter() - start_time) / UPDATES


def table_seconds() -> float:
    """Seconds for all rates of a million-step run, the median of several measurements."""
    times = []
    for _ in range(15):
        start_time = time.perf_counter()
        SCHEDULE.table()
        times.append(time.perf_counter() - start_time)
    return statistics.median(times)


def record_seconds(folder: str) -> dict[str, float]:
    """Seconds an update to set the rate and to record rate and loss; the peers only record."""
    makers = {RUN_STEP: a_run, "TensorBoard, two scalars": in_tensorboard, MLFLOW: in_mlflow}
    writers = {name: make(folder) for name, make in makers.items()}
    contenders = {name: step for name, (step, _) in writers.items()}
    contenders["torch CosineAnnealingLR, no record"] = prepared(CONTENDERS["CosineAnnealingLR"], 1)
    turns: list[dict[str, float]] = []
    for _ in range(RECORD_TURNS):
        turns.append({})
        for name, step in contenders.items():
            updates = RECORD_UPDATES if name != MLFLOW else 3
            start_time = time.perf_counter()
            for _ in range(updates):
                step()
            turns[-1][name] = (time.perf_counter() - start_time) / updates
            time.sleep(0.02)  # time for background threads
    for _, close in writers.values():
        close()
    return {name: statistics.median(turn[name] for turn in turns) for name in contenders}


def a_run(folder: str) -> Writer:
    """A call that sets the rate and records it with the loss, and a call that ends the run."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    run = learnrate.attach(optimizer, SCHEDULE, store=f"{folder}/runs.db")
    loss = torch.tensor(1.0)
    return lambda: run.step(loss, updated=True), run.finish


def in_tensorboard(folder: str) -> Writer:
    """The same for TensorBoard, which only records."""
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - a peer

    writer = SummaryWriter(f"{folder}/tensorboard")
    count, loss = iter(range(TOTAL)), torch.tensor(1.0)

    def step() -> None:
        index = next(count)
        writer.add_scalar("lr", RATE, index)
        writer.add_scalar("loss", loss, index)

    return step, writer.close


def in_mlflow(folder: str) -> Writer:
    """The same for MLflow, with an SQLite database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow  # noqa: PLC0415 - a peer

        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.start_run()
    count, loss = iter(range(TOTAL)), torch.tensor(1.0)

    def step() -> None:
        mlflow.log_metrics({"lr": RATE, "loss": loss.item()}, step=next(count))

    return step, mlflow.end_run


def share_of_an_update(folder: str) -> dict[str, Interval]:
    """The time that a run with everything on adds to an update of 10 ms, as a share of it.

    Two trainings in this process, one attached and one not, take turns in blocks. A difference is
    that of two adjacent blocks, in alternating order. Each update sleeps most of the time, so that
    the added time is visible. Processor time includes all threads and the remaining writes; wall
    time is that of the loop, which does not wait for writes.
    """
    with plain_and_attached(f"{folder}/all.db") as (plain, attached):
        differences: dict[str, list[float]] = {"processor": [], "wall": []}
        for pair in range(PAIRS):
            order = (plain, attached) if pair % 2 else (attached, plain)
            times = {training: block(training) for training in order}
            for kind, name in enumerate(differences):
                added = times[attached][kind] - times[plain][kind]
                differences[name].append(added / UPDATE)
    return {name: median_and_interval(values) for name, values in differences.items()}


def share_of_polling(folder: str, *, updates: int = 500) -> float:
    """Processor time to look for edits, as a share of updates of 10 ms."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    run = learnrate.attach(optimizer, SCHEDULE, store=f"{folder}/polled.db")
    assert run.recorder is not None
    run.recorder.flush()
    look, spent = run.recorder.background_task, []
    assert look is not None

    def timed_look() -> None:
        start_time = time.thread_time()
        look()
        spent.append(time.thread_time() - start_time)

    run.recorder.background_task = timed_look
    for _ in range(updates):
        run.step(1.0, updated=True)
        time.sleep(UPDATE)
    run.finish()
    return sum(spent) / updates / UPDATE


@contextmanager
def plain_and_attached(store: str) -> Iterator[tuple[LoopedTraining, LoopedTraining]]:
    """Two trainings of a million weights, after their first updates; the second is attached."""
    optimizers = []
    for _ in range(2):
        torch.manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(100, 500)) for _ in range(20)]
        for parameter in parameters:
            parameter.grad = 1e-3 * torch.randn_like(parameter)
        optimizers.append(torch.optim.SGD(parameters, lr=RATE))
    with learnrate.attach(optimizers[1], SCHEDULE, store=store) as run:
        pair = LoopedTraining(optimizers[0]), LoopedTraining(optimizers[1], run)
        for training in pair:
            block(training)
        yield pair


@dataclass(frozen=True, eq=False)
class LoopedTraining:
    """A training, and its run if it is attached."""

    optimizer: SGD
    run: learnrate.Run | None = None


def block(training: LoopedTraining) -> tuple[float, float]:
    """Seconds an update: processor time and wall time."""
    loss, inside = torch.tensor(1.0), 0.0
    start_time = time.process_time()
    for _ in range(BLOCK):
        start = time.perf_counter()
        training.optimizer.step()
        if training.run is not None:
            training.run.step(loss)
        seconds = time.perf_counter() - start
        inside += seconds
        time.sleep(max(0.0, UPDATE - seconds))
    if training.run is not None and training.run.recorder is not None:
        training.run.recorder.flush()
    return (time.process_time() - start_time) / BLOCK, inside / BLOCK


def median_and_interval(values: list[float]) -> Interval:
    """The median and its 95 % interval, by the sign test."""
    ordered, n = sorted(values), len(values)
    outside = int(binom.ppf(0.025, n, 0.5))  # values below the interval
    low, high = ordered[max(0, outside - 1)], ordered[min(n - 1, n - outside)]
    return statistics.median(ordered), low, high


def show_records(records: dict[str, float], share: dict[str, Interval]) -> None:
    """Print the cost of recording."""
    print("one update, its rate and its record")
    for name, seconds in sorted(records.items(), key=lambda pair: pair[1]):
        print(f"  {name:36} {seconds * 1e6:9.2f} us")
    verdict = "met" if records[RUN_STEP] <= RECORD_TARGET else "missed"
    print(f"  target: at most {RECORD_TARGET * 1e6:.0f} us, {verdict}")
    show_share(share)


def show_share(share: dict[str, Interval]) -> None:
    """Print the cost with everything on."""
    print("everything on, of an update of 10 ms with a million weights")
    for name, (median, low, high) in share.items():
        print(f"  {name} time {median:.2%}, {low:.2%} to {high:.2%} with 95 % confidence")
        verdict = "met" if median <= SHARE_TARGETS[name] else "missed"
        print(f"    target: at most {SHARE_TARGETS[name]:.1%}, {verdict}")


def show(groups: str, result: dict[str, Any]) -> None:
    """Print one table."""
    print(f"one update of the rates, {groups} parameter group{'s' if groups != '1' else ''}")
    for name, seconds in sorted(result["seconds"].items(), key=lambda pair: pair[1]):
        print(f"  {name:20} {seconds * 1e6:7.2f} us")
    verdict = "met" if result["ratio"] <= TARGET else "missed"
    print(f"  learnrate / {result['fastest_of_torch']}: {result['ratio']:.2f}")
    print(f"  target: at most {TARGET}, {verdict}\n")


if __name__ == "__main__":
    main()
