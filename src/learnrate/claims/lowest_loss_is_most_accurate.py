"""The best rate by loss and by accuracy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._data import noisy_digits
from learnrate.claims._measurement import ABOUT, ClaimLine, ClaimMeasurement, factor, share
from learnrate.claims._measures import best_rates, best_rows_of_others, geometric_grid
from learnrate.claims._tasks import noisy_digits_mlp

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from learnrate.claims._data import Examples
    from learnrate.claims._trials import ClaimTrials

_RATES = {"SGD momentum": geometric_grid(3e-3, 0.9, 2), "Adam": geometric_grid(3e-4, 0.09, 2)}
_LEAST_ERROR = 1e-4


def _error_on(examples: Examples) -> Callable[[nn.Module], float]:
    """The share of validation examples that a network gets wrong."""

    def error(network: nn.Module) -> float:
        wrong = network(examples.held_x).argmax(dim=1) != examples.held_y
        return float(wrong.float().mean()) + _LEAST_ERROR

    return error


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The best rate by error over the best by loss, and the cost of choosing by loss."""
    parts = []
    for optimizer, rates in _RATES.items():
        task = noisy_digits_mlp(optimizer, steps=60)
        losses = trials.sweep(task, rates)
        errors = trials.sweep(replace(task, validate=_error_on(noisy_digits())), rates)
        columns = np.arange(len(trials.seeds))
        lost = (
            errors[best_rows_of_others(losses), columns]
            - errors[best_rows_of_others(errors), columns]
        )
        by_error, by_loss = (best_rates(np.array(rates), rows) for rows in (errors, losses))
        parts.append(
            ClaimMeasurement.of(
                task.name,
                {"best rate": by_error / by_loss, "points": lost},
                ClaimLine.of_means(f"{task.name}, loss", rates, losses),
                ClaimLine.of_means(f"{task.name}, error", rates, errors),
            )
        )
    return ClaimMeasurement.joined(parts, by_figure=("best rate", "points"))


CLAIM = Claim(
    topic="defaults",
    statement="The learning rate with the lowest loss has the highest accuracy too.",
    source="common practice: a rate is chosen by the loss, the model is judged by its accuracy",
    design="""
        Networks with two hidden layers learn digits with new noise in 60 updates, with SGD with
        momentum 0.9 and with Adam, at rates two a decade, with 5 % warm-up and a linear decay to 0.
        Each network is judged twice: by its validation loss, and by the share of validation
        examples that it classifies wrongly. Two rates count as the same if they differ by at most a
        factor of 2.
    """,
    figures=(
        factor(
            "best rate",
            "rate of the fewest errors divided by rate of the lowest loss",
            low=1.0 / ABOUT,
            high=ABOUT,
        ),
        share(
            "points", "errors at the rate chosen by loss minus errors at the rate chosen by errors"
        ),
    ),
    measure=_measure,
    seeds=(4, 8),
    axes=ClaimAxes("lr", "validation loss, and share of errors", log="xy"),
    remark="""
        An overfitted network is more confident when it is wrong: its loss rises while its accuracy
        stays the same. The loss then favours a lower rate than the accuracy does.
    """,
)
