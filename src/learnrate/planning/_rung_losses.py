"""The trials of a plan as the joint fit uses them: one loss for each length and rate."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate.planning._loss_scale import TrialLoss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._result import RungTrial

__all__ = [
    "LadderTrial",
    "mean_losses",
    "repeat_noise",
    "seeds_around_the_best",
    "trial_losses",
]

_CLOSEST = 4  # rates around the best one that are run with further seeds
_PRIOR_FREEDOM = 2.0  # number of repeats that an assumed noise counts as


@dataclass(frozen=True)
class LadderTrial:
    """A trial that was trained.

    Attributes:
        rung: 0 for the shortest trials, then 1, 2, ...
        steps: its length in updates.
        log_lr: the natural log of its peak rate.
        repeat: 0 for the first seed of its length, then 1, 2, ...
        log_loss: its final loss on the task's scale; infinite if it diverged.
        cost: what it took of the budget, in updates.
        record: what the plan keeps of it.
        log_train: its training loss at the end on the task's scale; NaN if it is not known.
        log_lrs: the natural log of each rate, if the task has several; `log_lr` is their mean.
        share: what it was expected to cost among those that ran at once, in trials that run alone.
    """

    rung: int
    steps: int
    log_lr: float
    repeat: int
    log_loss: float
    cost: int
    record: RungTrial
    log_train: float = math.nan
    log_lrs: tuple[float, ...] = ()
    share: float = 1.0


def trial_losses(trials: Sequence[LadderTrial]) -> tuple[TrialLoss, ...]:
    """The mean loss of each length and rate, over its seeds.

    Trials of one length and seed share their batches, which shifts all their losses. So the level
    of a further seed is its mean difference from the first seed, at the rates that both have, and
    is subtracted.

    Args:
        trials: trials of any lengths; every rate was tried with the first seed of its length.
    """
    losses = []
    for steps in sorted({trial.steps for trial in trials}):
        of_length = [trial for trial in trials if trial.steps == steps]
        levels = _seed_levels(of_length)
        for log_lr in sorted({trial.log_lr for trial in of_length}):
            of_rate = [trial for trial in of_length if trial.log_lr == log_lr]
            values = [trial.log_loss - levels[trial.repeat] for trial in of_rate]
            mean, distance = sum(values) / len(values), _log_distance(of_rate)
            losses.append(TrialLoss(steps, log_lr, mean, len(values), distance))
    return tuple(losses)


def _log_distance(of_rate: Sequence[LadderTrial]) -> float:
    """The mean log distance of the trials of a rate that finished; NaN if none is known."""
    known = [math.log(trial.record.distance) for trial in of_rate if trial.record.distance]
    return statistics.fmean(known) if known else math.nan


def mean_losses(rung_trials: Sequence[LadderTrial]) -> dict[float, float]:
    """The mean log loss of each log rate, of trials of one length."""
    return {loss.log_lr: loss.log_loss for loss in trial_losses(rung_trials)}


def repeat_noise(rung_trials: Sequence[LadderTrial], assumed: float) -> float:
    """The standard deviation of one trial's log loss, from the seeds of each rate.

    Args:
        rung_trials: trials of one length.
        assumed: the standard deviation if no rate has several seeds; it counts as two repeats.
    """
    levels = _seed_levels(rung_trials)
    rates: dict[float, list[float]] = {}
    for trial in rung_trials:
        if math.isfinite(trial.log_loss):
            rates.setdefault(trial.log_lr, []).append(trial.log_loss - levels[trial.repeat])
    squares = sum((len(losses) - 1) * _variance(losses) for losses in rates.values())
    freedom = sum(len(losses) - 1 for losses in rates.values()) - (len(levels) - 1)
    total = _PRIOR_FREEDOM * assumed**2 + squares
    return math.sqrt(total / (_PRIOR_FREEDOM + max(0, freedom)))


def _variance(losses: Sequence[float]) -> float:
    return statistics.variance(losses) if len(losses) > 1 else 0.0


def _seed_levels(of_length: Sequence[LadderTrial]) -> dict[int, float]:
    first = {trial.log_lr: trial.log_loss for trial in of_length if trial.repeat == 0}
    levels = {0: 0.0}
    for repeat in sorted({trial.repeat for trial in of_length} - {0}):
        differences = [
            trial.log_loss - first[trial.log_lr]
            for trial in of_length
            if trial.repeat == repeat
            and math.isfinite(trial.log_loss)
            and math.isfinite(first[trial.log_lr])
        ]
        levels[repeat] = sum(differences) / len(differences) if differences else 0.0
    return levels


def seeds_around_the_best(rung_trials: Sequence[LadderTrial]) -> dict[float, int]:
    """The number of seeds of each of the log rates around the best one.

    Args:
        rung_trials: trials of one length.
    """
    losses = mean_losses(rung_trials)
    finite = [rate for rate in losses if math.isfinite(losses[rate])]
    closest = sorted(finite, key=lambda rate: (losses[rate], rate))[:_CLOSEST]
    return {rate: sum(trial.log_lr == rate for trial in rung_trials) for rate in closest}
