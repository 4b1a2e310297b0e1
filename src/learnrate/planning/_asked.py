"""The trials that a plan asks for: their schedules and seeds, and what the plan keeps of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._files import number_or_none
from learnrate.planning._result import RungTrial
from learnrate.trials import Status, Trial, derived_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._ladder import Proposal
    from learnrate.trials import Curve

__all__ = ["AskedTrial", "rates_of_logs", "record_of", "trial_seed"]


@dataclass(frozen=True)
class AskedTrial:
    """A trial that a plan asks for.

    Attributes:
        trial: its schedule and its seed.
        peak: the highest rate of its schedule.
        rates: the value of each rate, if the task has several; else the peak.
    """

    trial: Trial
    peak: float
    rates: tuple[float, ...]


def record_of(proposal: Proposal, request: AskedTrial, curve: Curve) -> RungTrial:
    """What a plan keeps of a trial.

    Args:
        proposal: why it was asked for.
        request: its schedule and its seed.
        curve: the curve of its training.
    """
    return RungTrial(
        lr=request.peak,
        seed=request.trial.seed,
        loss=number_or_none(curve.final),
        status=str(curve.status),
        updates=curve.steps,
        reason=proposal.reason,
        train=_last_tenth(curve),
        passes=curve.passes,
        distance=curve.distance,
    )


def rates_of_logs(log_lrs: Sequence[float]) -> tuple[float, ...]:
    """The rates that are trained, which have four digits."""
    return tuple(float(f"{math.exp(log_lr):.4g}") for log_lr in log_lrs)


def _last_tenth(curve: Curve) -> float | None:
    """The mean training loss of the last tenth of a trial; None if it did not finish."""
    if curve.status is not Status.FINISHED:
        return None
    return number_or_none(float(np.mean(curve.loss[-max(1, curve.steps // 10) :])))


def trial_seed(seed: int, steps: int, repeat: int = 0) -> int:
    """Trials of one length share their batches, which removes most noise from comparing them.

    Args:
        seed: the seed of the plan.
        steps: the length of the trial, in updates.
        repeat: 0 for the first seed of this length, then 1, 2, ...
    """
    return derived_seed(seed, 20, steps, repeat) if repeat else derived_seed(seed, 20, steps)
