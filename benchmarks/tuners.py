"""The same trials by several tuners, and the time of a sweep against the number of trials.

    python benchmarks/tuners.py [--json] [--total-steps 200] [--page docs/speed.md]

Both tables are for whole jobs, including set-up and the measurements of `auto`, with the dense network
of `throughput.py` at batch 8, AdamW and one seed. The first table has 16 rates by a plain PyTorch loop,
by `sweep`, by Optuna (two at a time in threads) and by Ray Tune (two at a time in processes; its start
is counted separately). The second compares `sweep` with the plain loop from 1 rate to 256. `make bench`
installs Optuna and Ray.
"""

from __future__ import annotations

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
from _page import parser_of, table, write_section
from _tasks import tasks
from torch import nn

from learnrate import sweep

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTS = (1, 4, 16, 64, 256)


def rates_of(count: int) -> list[float]:
    """`count` rates, equal factors apart."""
    return [float(lr) for lr in np.geomspace(1e-4, 1e-3, count)]


def trained(lr: float, steps: int) -> float:
    """The last loss of one trial in an ordinary PyTorch loop."""
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


def by_sweep(rates: list[float], steps: int) -> str:
    """Run the sweep; its engine in words."""
    swept = sweep(
        tasks("cpu")["mlp-8"], rates, seeds=1, total_steps=steps, shape="linear()", progress=False
    )
    return f"{swept.choice.engine}, {swept.choice.processes} x {swept.choice.width}"


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
    """Ray Tune, over the same grid, a trial on each core; Ray must be running."""
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
    """Start Ray on this machine, with the scripts of this folder."""
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
    """Seconds that a job takes."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def peers(steps: int) -> list[dict[str, Any]]:
    """The first table."""
    rates = rates_of(16)
    jobs: dict[str, Callable[[], object]] = {
        "plain loop": lambda: plain(rates, steps),
        "learnrate sweep": lambda: by_sweep(rates, steps),
        "Optuna, 2 threads": lambda: optuna_study(rates, steps),
        "Ray's start": start_ray,
        "Ray Tune, 2 processes": lambda: ray_tune(rates, steps, folder),
    }
    with tempfile.TemporaryDirectory() as folder:
        times = {name: seconds(job) for name, job in jobs.items()}
    return [
        {"what": name, "seconds": taken, "ratio": times["plain loop"] / taken}
        for name, taken in times.items()
    ]


def growth(steps: int) -> list[dict[str, Any]]:
    """The second table."""
    rows = []
    for count in COUNTS:
        rates = rates_of(count)
        loop = seconds(lambda rates=rates: plain(rates, steps))  # type: ignore[misc]
        start = time.perf_counter()
        engine = by_sweep(rates, steps)
        swept = time.perf_counter() - start
        row = {"trials": count, "plain": loop, "sweep": swept, "ratio": loop / swept}
        rows.append({**row, "engine": engine})
    return rows


def main() -> None:
    """Print the tables."""
    parser = parser_of(__doc__, as_json=True)
    parser.add_argument("--total-steps", type=int, default=200)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of the peers
    load = os.getloadavg()[0]
    plain(rates_of(1), 20)  # loads what is needed once
    grown, compared = growth(arguments.total_steps), peers(arguments.total_steps)
    if arguments.json:
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
    caption = f"{arguments.total_steps} updates each, {torch.get_num_threads()} threads, load {load:.1f} before."
    text = f"{caption}\n\n{first}\n\n{second}"
    print(text)
    if arguments.page is not None:
        write_section(arguments.page, "tuners", text)


if __name__ == "__main__":
    main()
