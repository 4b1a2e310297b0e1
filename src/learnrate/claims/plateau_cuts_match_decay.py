"""Cutting the rate on plateaus, against a decay that knows the length of the run."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from torch.optim.lr_scheduler import ReduceLROnPlateau

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._measures import best_of_others, geometric_grid
from learnrate.claims._tasks import digits_cnn, digits_mlp, fashion_cnn
from learnrate.trials import DivergenceTest, Training, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

READINGS = 60
SHARES = (0.1, 0.1**0.5, 1.0)


def _cut(task: Task, peak_and_seed: tuple[float, int]) -> tuple[float, int]:
    """The final loss under torch's scheduler at its defaults, and how often it cut the rate."""
    (lr, seed), total_steps = peak_and_seed, task.run_length()
    every = max(1, total_steps // READINGS)
    losses: list[float] = []
    test = DivergenceTest()
    with preserved(task):
        training = Training(task, seed)
        for group in training.optimizer.param_groups:
            group["lr"] = lr
        scheduler = ReduceLROnPlateau(training.optimizer)
        for step in range(1, total_steps + 1):
            losses.append(training.update(None))
            if test.diverged(losses[-1]):
                return losses[0], 0
            if step % every == 0:
                held = training.validate()
                scheduler.step(float(np.mean(losses[-every:])) if held is None else held)
        final = training.validate()
        cuts = round(math.log10(lr / training.optimizer.param_groups[0]["lr"]))
    if final is None:
        final = float(np.mean(losses[-max(1, total_steps // 10) :]))
    return final if math.isfinite(final) else losses[0], cuts


def _measure(bench: Bench) -> Measured:
    """Cuts at the best of three peaks over linear decay at its best, both by the other seeds."""
    cases, lines = [], []
    for task in bench.tasks:
        rates = geometric_grid(1e-4, 1.0, 2)
        decayed = bench.sweep(task, rates)
        best = rates[int(decayed.mean(axis=1).argmin())]
        peaks = [best * share for share in SHARES]
        items = [(peak, seed) for peak in peaks for seed in bench.seeds]
        found = bench.each(partial(_cut, task), items)
        cut, cuts = np.array(found).T.reshape(2, len(peaks), len(bench.seeds))
        ratio = best_of_others(cut) / best_of_others(decayed)
        cases.append(Case("loss", task.name, ratio.tolist()))
        cases.append(Case("cuts", task.name, cuts[cut.mean(axis=1).argmin()].tolist()))
        lines.append(Line(f"{task.name}, decay", rates, decayed.mean(axis=1).tolist()))
        lines.append(Line(f"{task.name}, cuts", peaks, cut.mean(axis=1).tolist()))
    return Measured(cases, lines[:6])


def _tasks(full: bool) -> Sequence[Task]:
    quick = [digits_mlp("SGD momentum"), digits_mlp("AdamW")]
    if full:
        quick = [replace(task, total_steps=1600) for task in quick]
        return [*quick, digits_cnn("AdamW", steps=800), fashion_cnn("AdamW")]
    return quick


CLAIM = Claim(
    name="plateau-cuts-match-decay",
    topic="decay",
    statement=(
        "Cutting the rate whenever the validation loss stagnates does as well as a planned decay."
    ),
    source=(
        "common advice; the documentation of ReduceLROnPlateau in torch and Keras (models benefit "
        "from a rate 2 to 10 times lower once learning stagnates)"
    ),
    design=(
        "torch's ReduceLROnPlateau at its defaults (a tenth, patience 10) reads the validation loss "
        f"{READINGS} times a run, at the best of three peaks. Against 5 % warm-up and linear to 0 of "
        "the same length at its own best peak. Peaks are chosen on the other seeds."
    ),
    figures=(
        Figure(name="loss", says="validation loss, cuts over decay", high=1.05, unit="x"),
        Figure(name="cuts", says="cuts made in a run at the best peak"),
    ),
    measure=_measure,
    seeds=4,
    full_seeds=6,
    tasks=_tasks,
    remark=(
        "A plateau needs no length, a decay does: this compares them where it is known. A longer run "
        "has more readings, and cuts where they stagnate, not where it suits what is left. The cuts "
        "have seen the validation loss, on which both are judged."
    ),
)
