"""Bernacchia's theorem outside its setting."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from learnrate import meta
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._linearised import LinearisedNetwork
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_of_others, geometric_mean
from learnrate.meta import theory

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.claims._trials import ClaimTrials

RATES = [-0.3, -0.1, -0.03, 0.0, 0.03, 0.1, 0.3]
SINE_RATES = [-0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05]
DIVERSE: dict[str, Any] = {"centre": 0.0, "scatter": 1.0, "noise": 1.0}
NETWORKS = {
    "one noisy task, 20 inputs": LinearisedNetwork(20, centre=1.0, scatter=0.0, noise=1.0),
    "diverse tasks, 20 inputs": LinearisedNetwork(20, **DIVERSE),
    "diverse tasks, mean off, 20 inputs": LinearisedNetwork(20, **DIVERSE, centred_labels=True),
    "diverse tasks, 3 inputs": LinearisedNetwork(3, **DIVERSE),
}


def _isotropic(seed: int, runs: int) -> np.ndarray:
    """The losses of simulated regressions at each inner rate."""
    drawn = theory.simulate(theory.FIGURE_2, 20 * runs, seed=seed, progress=False)
    return np.array([drawn.loss(rate, 0.2).mean for rate in RATES])


def _sines(seed: int) -> np.ndarray:
    """The losses of a trained network; each inner rate at the best adaptation rate."""
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
    sweep = meta.sweep(task, SINE_RATES, [0.0, 0.01, 0.02], seed=seed, seeds=1, progress=False)
    return np.asarray(sweep.losses[:, :, 0].min(axis=1))


def _measured(
    trials: ClaimTrials, name: str, rates: list[float], losses_of: Callable[[int], np.ndarray]
) -> ClaimMeasurement:
    """The best negative rate over the best of zero and the positive ones."""
    losses = np.array(trials.parallel_map(losses_of, trials.seeds)).T
    zero = rates.index(0.0)
    return ClaimMeasurement.of(
        name,
        {"loss": best_of_others(losses[:zero]) / best_of_others(losses[zero:])},
        ClaimLine.of(name, rates, geometric_mean(losses / losses[zero], axis=1)),
    )


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The best negative rate over the rest, on every problem."""
    runs = 80 if trials.full else 16
    problems: dict[str, Callable[[int], np.ndarray]] = {
        "regression, figure 2 of the paper": partial(_isotropic, runs=runs),
        **{name: partial(network.losses, RATES, runs=runs) for name, network in NETWORKS.items()},
    }
    parts = [_measured(trials, name, RATES, losses_of) for name, losses_of in problems.items()]
    if trials.full:
        parts.append(_measured(trials, "sine waves, trained network", SINE_RATES, _sines))
    return ClaimMeasurement.joined(parts)


CLAIM = Claim(
    topic="meta-learning",
    statement="Meta-training should use a negative inner learning rate.",
    source="""
        an overstatement of Bernacchia 2021, arXiv:2102.00940, whose theorem is about mixed
        linear regression
    """,
    design="""
        MAML with one inner step at seven rates, on three kinds of problems. The first is the
        theorem's regression. The second is a two-layer ReLU network in its linear regime with
        labels (w.x + b)^2: the same noisy task each time, or new tasks each time, with and
        without the mean label of all tasks. The third, in the full test, are sine waves with a
        small trained network. The draws are the same at every rate; the rates compared are chosen
        on other seeds.
    """,
    figures=(
        factor(
            "loss",
            "loss at the best negative inner rate divided by loss at the best of 0 and above",
            high=1.0,
        ),
    ),
    measure=_measure,
    seeds=(5, 8),
    remark="""
        Negative rates win if the inner step mostly fits label noise, and positive rates win if one
        step can detect how tasks differ. On Omniglot (docs/why/negative-inner-rates.md) positive
        rates win by far: classes get new numbers in every episode, so nothing can be learned
        without a step.
    """,
    axes=ClaimAxes("inner_lr", "test loss over that at 0", log=""),
)
