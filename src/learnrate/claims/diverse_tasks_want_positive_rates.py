"""The sign of the best inner rate over the diversity of the tasks and the noise of the labels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._linearised import LinearisedNetwork
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_of_others

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_RATES = [-0.3, -0.1, -0.03, 0.0, 0.03, 0.1, 0.3]
_ZERO = _RATES.index(0.0)
_SCATTERS = (0.0, 0.3, 1.0)
_NOISES = (0.1, 1.0, 3.0)
_INPUTS = 3


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The best positive rate over the best of zero and the negative ones, over a map."""
    runs = 30 if trials.full else 6
    cases, lines = [], []
    for noise in _NOISES:
        ratios = []
        for scatter in _SCATTERS:
            network = LinearisedNetwork(
                _INPUTS, centre=float(np.sqrt(1.0 - scatter**2)), scatter=scatter, noise=noise
            )
            losses = np.array(
                trials.parallel_map(partial(network.losses, _RATES, runs=runs), trials.seeds)
            ).T
            ratio = best_of_others(losses[_ZERO + 1 :]) / best_of_others(losses[: _ZERO + 1])
            figure = "diverse" if scatter else "alike"
            cases.append(Case(figure, f"diversity {scatter:g}, noise {noise:g}", ratio.tolist()))
            ratios.append(ratio)
        lines.append(ClaimLine.of_means(f"noise {noise:g}", _SCATTERS, np.array(ratios)))
    return ClaimMeasurement(sorted(cases, key=lambda case: case.figure != "diverse"), lines)


CLAIM = Claim(
    topic="meta-learning",
    statement="With diverse tasks a positive inner rate of meta-training is better.",
    source="Finn et al. 2017, MAML, arXiv:1703.03400; Bernacchia 2021, arXiv:2102.00940, for when not",
    design="""
        MAML with one inner step trains a two-layer ReLU network in its linear regime, with three
        inputs and labels (w.x + b)^2. The weights of a task are the sum of shared weights and
        task-specific weights, which are multiplied by 0, 0.3 or 1. The labels have noise of 0.1, 1
        or 3. The best of three positive rates is compared with the best of zero and three negative
        rates, chosen on other draws.
    """,
    figures=(
        factor(
            "diverse",
            "test loss at the best positive inner rate divided by that at the best of the others",
            high=1.0,
        ),
        factor("alike", "the same where all tasks are the same"),
    ),
    measure=_measure,
    seeds=(5, 10),
    axes=ClaimAxes("diversity of the tasks", "test loss, positive divided by the others", log=""),
    remark="""
        One inner step helps if it can detect which task it is. The noisier the labels, the less it
        can detect, and the more the step fits the noise.
    """,
)
