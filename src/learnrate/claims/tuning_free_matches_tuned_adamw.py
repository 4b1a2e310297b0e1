"""Optimizers that promise to need no rate, against one whose rate is tuned."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._errors import needing
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._measures import best_of_others, geometric_grid
from learnrate.claims._tasks import digits_cnn, digits_mlp, fashion_cnn
from learnrate.schedules import schedule
from learnrate.trials import DivergenceTest, Training, preserved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

# Package, class, and the shape that its authors recommend; None where they say to leave it flat.
OPTIMIZERS: dict[str, tuple[str, str, str | None]] = {
    "Prodigy": ("prodigyopt", "Prodigy", "cosine()"),
    "D-Adaptation": ("dadaptation", "DAdaptAdam", "warmup(5%) >> linear()"),
    "DoG": ("dog", "DoG", None),
    "schedule-free": ("schedulefree", "AdamWScheduleFree", None),
}
RATES = geometric_grid(1e-4, 0.1, 3)


def _made(
    name: str, total_steps: int, parameters: Iterator[nn.Parameter]
) -> torch.optim.Optimizer:
    package, kind, _ = OPTIMIZERS[name]
    settings = {"warmup_steps": total_steps // 20} if name == "schedule-free" else {}
    made: torch.optim.Optimizer = getattr(import_module(package), kind)(parameters, **settings)
    return made


def _final(task: Task, name: str, seed: int) -> float:
    """The validation loss after a whole run; that of the first batch where it diverges."""
    total_steps, shape = task.run_length(), OPTIMIZERS[name][2]
    factors = (
        [1.0] * total_steps
        if shape is None
        else schedule(shape).over(total_steps).table().tolist()
    )
    own = replace(task, optimizer=lambda model: _made(name, total_steps, model.parameters()))
    with preserved(own), contextlib.redirect_stdout(None):
        training = Training(own, seed)
        default = float(training.optimizer.param_groups[0]["lr"])
        averager = _averager(name, training.model)
        _mode(training.optimizer, "train")
        losses: list[float] = []
        test = DivergenceTest()
        for factor in factors:
            losses.append(training.update(default * factor))
            if test.diverged(losses[-1]):
                return losses[0]
            if averager is not None:
                averager.step()
        _mode(training.optimizer, "eval")
        if averager is not None:
            training.model = averager.averaged_model
        held = training.validate()
    final = float(np.mean(losses[-max(1, total_steps // 10) :])) if held is None else held
    return final if math.isfinite(final) else losses[0]


def _averager(name: str, model: nn.Module) -> Any:
    """The average of the weights that DoG is to be judged by; None for the others."""
    return import_module("dog").PolynomialDecayAverager(model) if name == "DoG" else None


def _mode(optimizer: torch.optim.Optimizer, name: str) -> None:
    """Schedule-free keeps two sets of weights, and is told which one is wanted."""
    change = getattr(optimizer, name, None)
    if change is not None:
        change()


def _measure(bench: Bench) -> Measured:
    """Each at its defaults, over AdamW at the rate that is best for the other seeds."""
    for package, _, _ in OPTIMIZERS.values():
        with needing(package, "tuning-free", "This claim"):
            import_module(package)
    cases, lines = [], []
    for task in bench.tasks:
        adamw = replace(task, optimizer=torch.optim.AdamW)
        losses = bench.sweep(adamw, RATES)
        tuned = best_of_others(losses)
        lines.append(Line(f"{task.name}, AdamW", RATES, losses.mean(axis=1).tolist()))
        for name in OPTIMIZERS:
            own = np.array(bench.each(partial(_final, task, name), bench.seeds))
            cases.append(Case("loss", f"{task.name}: {name}", (own / tuned).tolist()))
            if task is bench.tasks[0]:
                lines.append(Line(f"{task.name}, {name}", [RATES[0], RATES[-1]], [own.mean()] * 2))
    return Measured(cases, lines)


def _tasks(full: bool) -> Sequence[Task]:
    tasks = [digits_mlp(steps=600)]
    if full:
        tasks = [digits_mlp(steps=1600), digits_cnn(steps=800), fashion_cnn(steps=800)]
    return [replace(task, name=task.name.replace(", Adam", "")) for task in tasks]


CLAIM = Claim(
    name="tuning-free-matches-tuned-adamw",
    topic="tuning-free",
    statement="Optimizers without a learning rate match a tuned AdamW at their defaults.",
    source=(
        "D-Adaptation arXiv:2301.07733, DoG arXiv:2302.12022, Prodigy arXiv:2306.06101, Schedule-Free "
        "arXiv:2405.15682; against it arXiv:2505.24005 on the AlgoPerf benchmark"
    ),
    design=(
        "Each as its authors recommend: Prodigy at lr 1 with a cosine, DAdaptAdam at lr 1 with 5 % "
        "warm-up and linear to 0, DoG flat and judged by its averaged weights, AdamW schedule-free "
        "with 5 % warm-up and judged in its evaluation mode. Against AdamW, 5 % warm-up and linear to "
        "0, at the rate which is best for the other seeds. Same first weights, batches and steps."
    ),
    figures=(
        Figure(
            name="loss",
            says="validation loss at the defaults over tuned AdamW's",
            high=1.05,
            unit="x",
        ),
    ),
    measure=_measure,
    seeds=6,
    full_seeds=8,
    tasks=_tasks,
    remark=(
        "AdamW's rate cost a sweep of ten runs, theirs none. All of them find their scale during the "
        "run, so a short run is hard on them. Schedule-free has a rate, 2.5e-3 by default, which its "
        "authors advise to tune."
    ),
    log="xy",
)
