"""Bernacchia's theorem taken out of its setting."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from learnrate import meta
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._linearised import Linearised
from learnrate.claims._measures import best_of_others
from learnrate.meta import theory

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.claims._bench import Bench

RATES = [-0.3, -0.1, -0.03, 0.0, 0.03, 0.1, 0.3]
SINE_RATES = [-0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05]
DIVERSE: dict[str, Any] = {"centre": 0.0, "scatter": 1.0, "noise": 1.0}
NETWORKS = {
    "one noisy task, 20 inputs": Linearised(20, centre=1.0, scatter=0.0, noise=1.0),
    "diverse tasks, 20 inputs": Linearised(20, **DIVERSE),
    "diverse tasks, mean off, 20 inputs": Linearised(20, **DIVERSE, level=True),
    "diverse tasks, 3 inputs": Linearised(3, **DIVERSE),
}


def _isotropic(seed: int, runs: int) -> np.ndarray:
    drawn = theory.simulate(theory.FIGURE_2, 20 * runs, seed=seed, progress=False)
    return np.array([drawn.loss(rate, 0.2).mean for rate in RATES])


def _sines(seed: int) -> np.ndarray:
    """A trained network; each inner rate at the adaptation rate which suits it."""
    task = meta.MetaTask(
        model=lambda: nn.Sequential(
            nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)
        ),
        loss=nn.MSELoss(),
        episodes=meta.Sinusoids(shots=10, queries=10),
        test=meta.Sinusoids(shots=10, queries=40),
        batch=16,
        total_steps=300,
        test_count=100,
        name="sine waves",
    )
    found = meta.sweep(task, SINE_RATES, [0.0, 0.01, 0.02], seed=seed, seeds=1, progress=False)
    return np.asarray(found.losses[:, :, 0].min(axis=1))


def _measure(bench: Bench) -> Measured:
    """The best negative rate against the best of zero and the positive ones, by problem."""
    runs = 80 if bench.full else 16
    problems: dict[str, Callable[[int], np.ndarray]] = {
        "regression, figure 2 of the paper": partial(_isotropic, runs=runs)
    }
    for name, network in NETWORKS.items():
        problems[name] = lambda seed, own=network: own.losses(RATES, seed, runs)  # type: ignore[misc]
    if bench.full:
        problems["sine waves, trained network"] = _sines
    cases, lines = [], []
    for name, losses_of in problems.items():
        losses = np.array(bench.each(losses_of, bench.seeds)).T
        rates = SINE_RATES if losses_of is _sines else RATES
        zero = rates.index(0.0)
        negative, others = best_of_others(losses[:zero]), best_of_others(losses[zero:])
        cases.append(Case("loss", name, (negative / others).tolist()))
        relative = losses / losses[zero]
        lines.append(Line(name, rates, np.exp(np.log(relative).mean(axis=1)).tolist()))
    return Measured(cases, lines)


CLAIM = Claim(
    name="negative-inner-rates-help-in-general",
    topic="meta-learning",
    statement="Meta-training should use a negative inner learning rate.",
    source=(
        "a reading too far of Bernacchia 2021, arXiv:2102.00940, whose theorem is about mixed linear "
        "regression"
    ),
    design=(
        "MAML with one inner step at seven rates: on the theorem's regression; on a two-layer ReLU "
        "network in its linear regime with labels (w.x + b)^2, one noisy task over and over or tasks "
        "drawn anew each time, also with the mean label of all taken off; in full on sine waves with "
        "a small trained network. The same draws at every rate; the rates compared are chosen on "
        "other seeds."
    ),
    figures=(
        Figure(
            name="loss",
            says="at the best negative inner rate over the best of 0 and above",
            high=1.0,
            unit="x",
        ),
    ),
    measure=_measure,
    seeds=5,
    full_seeds=8,
    remark=(
        "Negative wins where the inner step mostly fits label noise, positive where tasks differ in "
        "ways that a step can tell. On Omniglot (docs/why/negative-inner-rates.md) positive wins by "
        "far: classes are numbered anew in every episode, so without a step nothing can be learned."
    ),
    axes=("inner_lr", "test loss over that at 0"),
    log="",
)
