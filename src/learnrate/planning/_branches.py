"""Branches of a run: the next one to train, and the rate that follows from them. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from learnrate._statistics import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FACTOR",
    "RateBelief",
    "branch_points",
    "highest_in_proportion",
    "is_worth_an_edit",
    "next_factor",
    "preferred_factor",
    "rises",
]

FACTOR = 4.0  # between the rates of branches
WARMUP, STABLE_END = 0.05, 0.3  # shares of the run
_MOST_TESTS = 3
# The standard deviation of the log of the rate that short branches prefer, around the best rate of the
# whole run. On five tasks trained at their best rates, branches of 2 % and 5 % of the run preferred rates
# from nine times lower to nine times higher.
_BRANCH_ERROR = 2.0
_LEAST_CHANGE = 1.1  # a smaller factor is not worth an edit
# For a parabola, the fall at the best rate as a share of a fall in proportion to the rate.
_PROPORTION = 0.5


def branch_points(total_steps: int, count: int) -> list[int]:
    """The steps of a stable phase at which branches are due, at most three.

    Args:
        total_steps: length of the run.
        count: the number of tests that the search may pay for.
    """
    count = min(_MOST_TESTS, count)
    gap = (STABLE_END - WARMUP) / (count + 1)
    return [round((WARMUP + gap * (i + 1)) * total_steps) for i in range(count)]


def next_factor(
    losses: Mapping[float, float], before: float | None, highest: float
) -> float | None:
    """The factor of the present rate that the next branch tries; None if no further branch is needed.

    The first two are 1 and 4. If the loss falls in proportion to the rate up to 4, the rate is far too low:
    then the interval up to `highest` is halved, in logs, until it is a factor of 4. A quarter is tried if the
    loss rises at the present rate.

    Args:
        losses: the losses at the end of the branch of each factor; infinite if it diverged.
        before: the loss before; None if it is not known.
        highest: a factor that is too high.

    Examples:
        >>> next_factor({1.0: 0.99, 4.0: 0.96}, before=1.0, highest=1024)
        64.0
        >>> next_factor({1.0: 1.1, 4.0: math.inf}, before=1.0, highest=1024)
        0.25
    """
    for factor in (1.0, FACTOR):
        if factor not in losses:
            return factor
    lowest = highest_in_proportion(losses, before)
    if lowest < FACTOR:
        return 1 / FACTOR if rises(losses, before) and 1 / FACTOR not in losses else None
    upper = min((factor for factor in losses if factor > lowest), default=max(highest, lowest))
    return math.sqrt(lowest * upper) if upper > FACTOR * lowest else None


def highest_in_proportion(losses: Mapping[float, float], before: float | None) -> float:
    """The highest factor, from 1 on, up to which the loss falls in proportion to the rate.

    While a rate is far too low, four times the rate lowers the loss by four times as much. At the best
    rate of a parabola, the fall is half of that. If the loss falls by less than half, it is no longer in
    proportion.

    Args:
        losses: the losses at the end of the branch of each factor; infinite if it diverged.
        before: the loss before; None if it is not known, which gives 1.

    Examples:
        >>> highest_in_proportion({1.0: 0.99, 4.0: 0.962, 16.0: 0.88, 64.0: 1.2}, before=1.0)
        16.0
    """
    highest = 1.0
    if before is None:
        return highest
    for factor in sorted(factor for factor in losses if factor > 1):
        least = _PROPORTION * factor / highest * (before - losses[highest])
        if before - losses[factor] < max(least, 0.0) or losses[factor] >= before:
            break
        highest = factor
    return highest


def preferred_factor(losses: Mapping[float, float]) -> float:
    """The factor whose branch ended lowest; 1, the present rate, if none is lower.

    Args:
        losses: the losses at the end of the branch of each factor; infinite if it diverged.
    """
    best = min(losses, key=losses.__getitem__)
    return best if losses[best] < losses[1.0] else 1.0


def rises(losses: Mapping[float, float], before: float | None) -> bool:
    """Whether the branch at the present rate diverged, or ended above the loss before.

    Args:
        losses: the losses at the end of the branch of each factor; infinite if it diverged.
        before: the loss before; None if it is not known.
    """
    return math.isinf(losses[1.0]) or (before is not None and losses[1.0] > before)


@dataclass(frozen=True)
class RateBelief:
    """The best rate of the whole run, according to a plan and the branches so far.

    Args:
        peak: the peak of the plan.
        low: the lower end of its 80 % interval.
        high: the upper end.
        bound: the highest rate up to which the loss of branches fell in proportion; 0 if there is none.
        rate: the rate at which the run continues; 0 before the first branches.
    """

    peak: float
    low: float
    high: float
    bound: float = 0.0
    rate: float = 0.0

    def after(self, lr: float, losses: Mapping[float, float], before: float | None) -> RateBelief:
        """The belief after branches: the mean of the plan's rate and the branches', at least the bound.

            log rate = (1 - w) log peak + w log preferred,   w = s^2 / (s^2 + b^2)

        s is the standard deviation of the plan's log rate, from its 80 % interval, and b that of the log
        rate which short branches prefer. The errors of the branches of one run have the same sign, so a
        mean over them would not be better than the latest ones, which are used. A rate up to which the
        loss falls in proportion to the rate is a lower bound of the best rate, as long as the run does
        not diverge at the present rate. A higher rate is not preferred for a lower loss after so few
        updates, because it may be too high for a whole run. A lower rate counts only if the loss rises at
        the present rate. Otherwise its lower loss comes only from less noise in the weights, which the
        decay at the end of the run removes in any case.

        Args:
            lr: the present rate.
            losses: the losses at the end of the branch of each factor of it; infinite if it
                diverged.
            before: the loss before; None if it is not known.
        """
        bound = self.bound if math.isfinite(losses[1.0]) else 0.0
        factor = highest_in_proportion(losses, before)
        if factor >= FACTOR:
            bound = max(bound, factor * lr)
        else:
            factor = preferred_factor(losses)
            if factor < 1 and not rises(losses, before):
                return replace(self, rate=max(lr, bound))
        planned_error = max(math.log(self.high / self.low) / (2 * normal_quantile(0.1)), 1e-3)
        weight = planned_error**2 / (planned_error**2 + _BRANCH_ERROR**2)
        mean = self.peak * math.exp(weight * math.log(factor * lr / self.peak))
        return replace(self, bound=bound, rate=max(mean, bound))


def is_worth_an_edit(factor: float) -> bool:
    """Whether a change of the rate by a factor is worth an edit."""
    return not 1 / _LEAST_CHANGE < factor < _LEAST_CHANGE
