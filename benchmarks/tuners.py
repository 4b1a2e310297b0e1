"""The same trials by tuners, and how the time of a sweep grows with the number of trials.

    python benchmarks/tuners.py [--json] [--total-steps 200] [--page docs/speed.md]

Two tables, both of whole jobs from the first line to the last, measuring and set-up included, of
the dense network of `throughput.py` at batch 8, AdamW and one seed. The first: 16 rates by a plain
PyTorch loop, by `sweep`, by Optuna (two at a time in threads) and by Ray Tune (two at a time in
processes; its start is counted apart). The second: `sweep` against the plain loop from 1 rate to
256. Optuna and Ray are installed by `make bench`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _page import table, write_section
from _tasks import tasks
from torch import nn

from learnrate import sweep

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTS = (1, 4, 16, 64, 256)


def rates_of(count: int) -> list[float]:
    """As many rates, equal factors apart."""
    return [float(lr) for lr in np.geomspace(1e-4, 1e-3, count)]


def trained(lr: float, steps: int) -> float:
    """One trial as anybody would write it: the last loss."""
    task = tasks("cpu")["mlp-8"]
    torch.manual_seed(0)
    assert callable(task.model)
    model, batches, criterion = task.model(), list(task.data), nn.CrossEntropyLoss()  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    loss = torch.zeros(())
    for step in range(steps):
        x, y = batches[step % len(batches)]
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        decay.step()
        loss.item()
    return float(loss)


def plain(rates: list[float], steps: int) -> None:
    """One trial after another."""
    for lr in rates:
        trained(lr, steps)


def ours(rates: list[float], steps: int) -> str:
    """The sweep, and what it says of its engine."""
    made = sweep(
        tasks("cpu")["mlp-8"], rates, seeds=1, total_steps=steps, shape="linear()", progress=False
    )
    return f"{made.choice.engine}, {made.choice.processes} x {made.choice.width}"


def optuna_study(rates: list[float], steps: int) -> None:
    """Optuna, over the same grid, two trials at a time."""
    import optuna  # noqa: PLC0415 - a peer

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"lr": rates}))
    study.optimize(
        lambda trial: trained(trial.suggest_float("lr", rates[0], rates[-1]), steps),
        n_trials=len(rates),
        n_jobs=2,
    )


def ray_tune(rates: list[float], steps: int, folder: str) -> None:
    """Ray Tune, over the same grid, a trial on each core; Ray runs already."""
    from ray import tune  # noqa: PLC0415 - a peer

    def trial(config: dict[str, Any]) -> dict[str, float]:
        torch.set_num_threads(1)
        return {"loss": trained(config["lr"], steps)}

    tuner = tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space={"lr": tune.grid_search(rates)},
        run_config=tune.RunConfig(verbose=0, storage_path=folder),
    )
    tuner.fit()


def start_ray() -> None:
    """Ray on this machine, with the scripts of this folder."""
    import ray  # noqa: PLC0415 - a peer

    ray.init(
        "local",
        num_cpus=len(os.sched_getaffinity(0)),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}},
    )


def seconds(job: Callable[[], object]) -> float:
    """That a job takes."""
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def peers(steps: int) -> list[dict[str, Any]]:
    """The first table."""
    rates = rates_of(16)
    jobs: dict[str, Callable[[], object]] = {
        "plain loop": lambda: plain(rates, steps),
        "learnrate sweep": lambda: ours(rates, steps),
        "Optuna, 2 threads": lambda: optuna_study(rates, steps),
        "Ray's start": start_ray,
        "Ray Tune, 2 processes": lambda: ray_tune(rates, steps, folder),
    }
    with tempfile.TemporaryDirectory() as folder:
        times = {name: seconds(job) for name, job in jobs.items()}
    return [
        {"what": name, "seconds": one, "ratio": times["plain loop"] / one}
        for name, one in times.items()
    ]


def growth(steps: int) -> list[dict[str, Any]]:
    """The second table."""
    rows = []
    for count in COUNTS:
        rates = rates_of(count)
        loop = seconds(lambda rates=rates: plain(rates, steps))  # type: ignore[misc]
        began = time.perf_counter()
        engine = ours(rates, steps)
        own = time.perf_counter() - began
        rows.append(
            {"trials": count, "plain": loop, "sweep": own, "ratio": loop / own, "engine": engine}
        )
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--total-steps", type=int, default=200)
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers' own
    load = os.getloadavg()[0]
    plain(rates_of(1), 20)  # what is loaded at first use
    grown, compared = growth(asked.steps), peers(asked.steps)
    if asked.json:
        print(json.dumps({"load": load, "peers": compared, "growth": grown}))
        return
    first = table(
        ["16 trials by", "seconds", "times as fast"],
        [[row["what"], f"{row['seconds']:.1f}", f"{row['ratio']:.2f}"] for row in compared],
    )
    second = table(
        ["trials", "plain loop, s", "sweep, s", "times as fast", "engine, processes x width"],
        [
            [
                str(row["trials"]),
                f"{row['plain']:.1f}",
                f"{row['sweep']:.1f}",
                f"{row['ratio']:.2f}",
                row["engine"],
            ]
            for row in grown
        ],
    )
    said = (
        f"{asked.steps} updates each, {torch.get_num_threads()} threads, load {load:.1f} before."
    )
    text = f"{said}\n\n{first}\n\n{second}"
    print(text)
    if asked.page is not None:
        write_section(asked.page, "tuners", text)


if __name__ == "__main__":
    main()
