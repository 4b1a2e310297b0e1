"""Problems in which a negative inner rate of meta-training wins, and others in which it does not.

    python benchmarks/meta_regimes.py [--data DIR] [--only sines,linearised] [--json FILE]

Each regime is measured at several inner rates with common initial weights and episodes. The figures are
paired differences to the rate 0, with standard errors. `share` is the measurement of
`learnrate meta advise` on the same episodes. The results are stored in one JSON file with version,
date and machine; the page of the docs is made from it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

import learnrate
from learnrate import meta
from learnrate.meta import theory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESULTS = Path(__file__).parent / "results" / "meta_regimes.json"
DATA = Path(os.environ.get("LEARNRATE_DATA", "../shared/data"))
UNITS = 60


def paired(losses: np.ndarray, rates: Sequence[float]) -> list[dict[str, float | None]]:
    """The mean loss of each rate less that of the rate 0, with its standard error, over the last axis."""
    zero = losses[list(rates).index(0.0)]
    rows = []
    for rate, row in zip(rates, losses, strict=True):
        gain = row - zero
        error = float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else math.nan
        finite = bool(np.isfinite(gain).all())
        rows.append(
            {
                "inner_lr": float(rate),
                "loss": float(row.mean()) if finite else None,
                "gain": float(gain.mean()) if finite else None,
                "error": error if finite else None,
            }
        )
    return rows


def isotropic(_: Path) -> dict[str, Any]:
    """Mixed linear regression at the paper's figure 2: noise-dominated, isotropic."""
    rates = [-2.0, -1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0]
    drawn = theory.simulate(theory.FIGURE_2, 20_000)
    losses = np.stack([drawn.losses(rate, 0.2) for rate in rates])
    return {
        "said": "mixed linear regression, 60 weights, noise 1, task scatter 0.5; 20,000 runs",
        "rows": paired(losses, rates),
    }


def linearised(nu: float, centre: float, sigma: float, dim: int, runs: int) -> dict[str, Any]:
    """A two-layer ReLU network of 60 units, linearised, solved exactly; labels (w.x + b)^2 + z.

    Args:
        nu: weight of the part of w and b that differs between tasks.
        centre: weight of the part that all tasks share.
        sigma: standard deviation of z.
        dim: number of inputs.
        runs: meta-trainings.
    """
    rates = [-0.3, -0.1, 0.0, 0.1, 0.3]
    n_train, n_val, n_adapt, tasks, tests = 30, 2, 20, 3, 40
    losses = np.zeros((len(rates), runs))
    for run in range(runs):
        rng = np.random.default_rng([7, run])
        first = rng.standard_normal((UNITS, dim)) / math.sqrt(dim)
        bias, last = rng.standard_normal(UNITS), rng.standard_normal(UNITS)

        def features(x: np.ndarray) -> np.ndarray:
            """The gradient of the network's output for its weights."""
            hidden = x @ first.T + bias  # noqa: B023 - used within this run
            slope = (hidden > 0) * last  # noqa: B023
            of_first = (slope[..., None] * x[..., None, :]).reshape(*x.shape[:-1], -1)
            gradient = np.concatenate([of_first, slope, np.maximum(hidden, 0)], axis=-1)
            return gradient / math.sqrt(UNITS)

        common = rng.standard_normal(dim) / math.sqrt(dim), float(rng.standard_normal())

        def draw(points: int, task: tuple[np.ndarray, float]) -> tuple[np.ndarray, np.ndarray]:
            x = rng.standard_normal((points, dim))  # noqa: B023
            clean = (x @ task[0] + task[1]) ** 2
            return features(x), clean + sigma * rng.standard_normal(points)  # noqa: B023

        def draw_task() -> tuple[np.ndarray, float]:
            part = rng.standard_normal(dim) / math.sqrt(dim), float(rng.standard_normal())  # noqa: B023
            return centre * common[0] + nu * part[0], centre * common[1] + nu * part[1]  # noqa: B023

        train_tasks, test_tasks = (
            [
                (draw(inner, task), draw(outer, task))
                for task in (draw_task() for _ in range(count))
            ]
            for count, inner, outer in ((tasks, n_train, n_val), (tests, n_adapt, 50))
        )
        for row, rate in enumerate(rates):
            rows, targets = [], []
            for (x, y), (outer_x, outer_y) in train_tasks:
                kernel = outer_x @ x.T * (rate / n_train)
                rows.append(outer_x - kernel @ x)
                targets.append(outer_y - kernel @ y)
            weights = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets), rcond=None)[0]
            test_losses = []
            for (x, y), (test_x, test_y) in test_tasks:
                adapted = weights - 0.05 / n_adapt * x.T @ (x @ weights - y)
                test_losses.append(0.5 * float(np.mean((test_x @ adapted - test_y) ** 2)))
            losses[row, run] = np.mean(test_losses)
    description = (
        f"a linearised network of {UNITS} ReLU units, {dim} inputs, noise {sigma:g}; {runs} runs"
    )
    return {"said": description, "rows": paired(losses, rates)}


def accuracy(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The accuracy on the query."""
    return torch.as_tensor((model(batch[0]).argmax(-1) == batch[1]).float().mean())


def small_network() -> nn.Module:
    """Three strided convolutions of 16 channels with GroupNorm."""

    def block(channels: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, 16, 3, stride=2, padding=1), nn.GroupNorm(4, 16), nn.ReLU()]

    return nn.Sequential(*block(1), *block(16), *block(16), nn.Flatten(), nn.Linear(16 * 16, 5))


def omniglot(data: Path, shots: int) -> meta.MetaTask:
    """5-way episodes of Omniglot; the test has other alphabets."""
    stored = np.load(data / "omniglot28.npz")
    images = torch.from_numpy(stored["images"]).float()[:, None] / 255
    source = meta.FewShot(
        images, stored["char"], ways=5, shots=shots, queries=5, groups=stored["alphabet"]
    )
    train, test = source.split(by="group", held_out=8, seed=0)
    return meta.MetaTask(
        model=small_network,
        loss=nn.CrossEntropyLoss(),
        metric=accuracy,
        episodes=train,
        test=test,
        optimizer=lambda tensors: torch.optim.Adam(tensors, lr=3e-3),
        batch=4,
        total_steps=150,
        test_count=60,
        chunk_size=64,
        name=f"Omniglot, 5-way {shots}-shot",
    )


def sines(noise: float = 0.0) -> meta.MetaTask:
    """Sine waves from 10 points, a network of 40-40 units."""
    return meta.MetaTask(
        model=lambda: nn.Sequential(
            nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)
        ),
        loss=nn.MSELoss(),
        episodes=meta.Sinusoids(shots=10, queries=10, noise=noise),
        test=meta.Sinusoids(shots=10, queries=40, noise=noise),
        batch=16,
        total_steps=600,
        test_count=200,
        name="sine waves",
    )


def swept(
    task: meta.MetaTask, inner: list[float], adapt: list[float], seeds: int, description: str
) -> dict[str, Any]:
    """A sweep over both rates; each inner rate at its best adaptation rate.

    Args:
        task: what is meta-trained.
        inner: inner rates.
        adapt: adaptation rates.
        seeds: meta-trainings at each pair of rates.
        description: of the task.
    """
    sweep = meta.sweep(task, inner, adapt, seeds=seeds)
    best_adapt = sweep.mean.argmin(axis=1)
    losses = np.stack([sweep.losses[row, column] for row, column in enumerate(best_adapt)])
    rows = paired(losses, inner)
    for row, column in zip(rows, best_adapt, strict=True):
        row["adapt_lr"] = adapt[int(column)]
    advice = meta.advise(task)
    best = None if sweep.best is None else sweep.best.to_dict()
    return {
        "said": f"{description}; {seeds} seeds of {sweep.steps} meta-updates",
        "rows": rows,
        "best": best,
        "share": advice.share,
        "share_error": advice.error,
        "advice": advice.regime.name.lower(),
    }


def isotropic_share() -> dict[str, Any]:
    """The measurement of `advise` on the isotropic problem."""
    source = meta.MixedRegression(dim=60, shots=30, queries=30, sigma=1.0, nu=0.5)
    task = meta.MetaTask(
        model=lambda: nn.Linear(60, 1, bias=False), loss=nn.MSELoss(), episodes=source
    )
    advice = meta.advise(task)
    return {
        "share": advice.share,
        "share_error": advice.error,
        "advice": advice.regime.name.lower(),
    }


REGIMES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "isotropic": lambda data: {**isotropic(data), **isotropic_share()},
    "alike": lambda _: linearised(nu=0.0, centre=1.0, sigma=1.0, dim=20, runs=300),
    "diverse_3": lambda _: linearised(nu=1.0, centre=0.0, sigma=1.0, dim=3, runs=300),
    "diverse": lambda _: linearised(nu=1.0, centre=0.0, sigma=1.0, dim=20, runs=300),
    "sines": lambda _: swept(
        sines(),
        [-0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05],
        [-0.01, 0.0, 0.01, 0.02, 0.05],
        3,
        "sine waves from 10 points, 1-40-40-1",
    ),
    "omniglot_1": lambda data: swept(
        omniglot(data, 1), [-0.2, -0.05, 0.0, 0.1, 0.4], [0.0, 0.1, 0.4], 2,
        "Omniglot, 5-way 1-shot, three convolutions of 16 channels",
    ),
    "omniglot_5": lambda data: swept(
        omniglot(data, 5), [-0.2, -0.05, 0.0, 0.1, 0.4], [0.0, 0.1, 0.4], 2,
        "Omniglot, 5-way 5-shot, three convolutions of 16 channels",
    ),
}  # fmt: skip


def learned(_: Path) -> dict[str, Any]:
    """Meta-SGD's learned rates on sine waves: how many become negative."""
    task = sines()
    trained = meta.train(task, inner_lr=meta.Learned(start=0.01, per="parameter"))
    return {
        "said": f"Meta-SGD on sine waves, {task.total_steps} meta-updates",
        "loss": trained.loss,
        "negative": [count.to_dict() for count in trained.negative],
    }


def main() -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", default=",".join([*REGIMES, "learned"]))
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    stored = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    for name in arguments.only.split(","):
        start = time.perf_counter()
        load = os.getloadavg()[0]
        result = learned(arguments.data) if name == "learned" else REGIMES[name](arguments.data)
        stored[name] = {
            **result,
            "version": learnrate.__version__,
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}",
            "seconds": round(time.perf_counter() - start, 1),
        }
        arguments.json.parent.mkdir(exist_ok=True)
        arguments.json.write_text(json.dumps(stored, indent=1) + "\n")
        print(name, json.dumps({key: stored[name][key] for key in ("said", "seconds")}))
        for row in result.get("rows", []):
            print("  ", row)


if __name__ == "__main__":
    main()
