"""The best rate of a run, predicted by earlier plans of similar tasks. Pure arithmetic.

A plan has a peak with an interval. Both are extrapolated to another length by the usual drift, whose
uncertainty is added. The spread is the standard deviation of the log rate between similar tasks. It is
estimated from the plans:

    spread^2 = (n0 s0^2 + sum_i (m_i - m)^2) / (n0 + k - 1)

m_i is the log peak of plan i, m their weighted mean, and k their number. s0 is the spread of similar tasks
in the regret benchmark, and counts as n0 plans. The belief about a new task is Student's t around m, because
tasks with similar names may differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._statistics import normal_quantile
from learnrate.planning._drift import DRIFT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SPREAD", "EarlierBelief", "EarlierPlan", "EarlierRung", "belief_of"]

# The standard deviation of the log peaks of similar tasks, and the number of plans that it counts as.
# `benchmarks/like.py spread` estimates the first, with one domain left out after another.
SPREAD, SPREAD_FREEDOM = 0.45, 3.0


@dataclass(frozen=True)
class EarlierRung:
    """The best rate of an earlier plan's trials of one length.

    Attributes:
        steps: their length in updates.
        best: the best rate.
        low: the lower end of its 80 % interval.
        high: the upper end.
    """

    steps: int
    best: float
    low: float
    high: float


@dataclass(frozen=True)
class EarlierPlan:
    """The answer of an earlier plan.

    Attributes:
        task: its task's name.
        total_steps: the length of its run, in updates.
        peak: the rate that it chose.
        low: the lower end of its 80 % interval.
        high: the upper end.
        verdict: `ok` or `weak`.
        expected_regret: how far above the best loss it expected to end.
        rungs: the best rate of its trials, by their rising length.
        source: the file or the store that it is from; empty if it was given as a plan.
    """

    task: str
    total_steps: int
    peak: float
    low: float
    high: float
    verdict: str
    expected_regret: float
    rungs: tuple[EarlierRung, ...]
    source: str = ""

    def of_trials(self, steps: int) -> tuple[float, float]:
        """The log best rate of trials of a length, from those closest to it, and its error."""
        rung = min(self.rungs, key=lambda rung: abs(math.log(rung.steps / steps)))
        return _extrapolated(math.log(rung.best), _log_std(rung.low, rung.high), rung.steps, steps)


@dataclass(frozen=True)
class EarlierBelief:
    """The belief about a run before its first trial.

    Attributes:
        log_peak: the log of the rate that earlier plans would choose.
        log_std: how far the log best rate lies from it; the scale of Student's t.
        spread: how far the log rates of similar tasks differ.
        freedom: the degrees of freedom.
    """

    log_peak: float
    log_std: float
    spread: float
    freedom: float


def belief_of(
    plans: Sequence[EarlierPlan],
    total_steps: int,
    spread: float = SPREAD,
    freedom: float = SPREAD_FREEDOM,
) -> EarlierBelief:
    """The belief about the best rate of a run, from plans of similar tasks.

    Args:
        plans: at least one.
        total_steps: the length of the run, in updates.
        spread: the usual standard deviation of the log peaks of similar tasks.
        freedom: the number of plans that this counts as.

    Examples:
        >>> rung = EarlierRung(10, 0.2, 0.1, 0.4)
        >>> earlier = EarlierPlan("a", 100, 0.1, 0.05, 0.2, "ok", 0.01, (rung,))
        >>> round(math.exp(belief_of([earlier], 100).log_peak), 3)
        0.1
    """
    extrapolated = [
        _extrapolated(
            math.log(plan.peak), _log_std(plan.low, plan.high), plan.total_steps, total_steps
        )
        for plan in plans
    ]
    peaks = np.array([log_peak for log_peak, _ in extrapolated])
    variances = np.array([std**2 for _, std in extrapolated])
    weights = 1 / (variances + spread**2)
    weights /= weights.sum()
    log_peak = float(weights @ peaks)
    known = freedom + len(plans) - 1
    variance = (freedom * spread**2 + float(((peaks - log_peak) ** 2).sum())) / known
    # Plans of similar tasks err in the same direction, so their errors do not average out.
    stated = float(weights @ variances)
    scale = math.sqrt(stated + variance * (1 + 1 / len(plans)))
    return EarlierBelief(log_peak, scale, math.sqrt(variance), known)


def _log_std(low: float, high: float) -> float:
    """The standard deviation of a log rate, from its 80 % interval."""
    return max(1e-3, math.log(high / low) / (2 * normal_quantile(0.1)))


def _extrapolated(log_lr: float, log_std: float, steps: int, to_steps: int) -> tuple[float, float]:
    """A log rate with its standard deviation, extrapolated from one length to another."""
    drift, drift_std = DRIFT
    longer = math.log(to_steps / steps)
    return log_lr + drift * longer, math.hypot(log_std, drift_std * longer)
