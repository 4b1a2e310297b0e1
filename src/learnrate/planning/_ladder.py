"""Which trial next: a pure function of what was measured, so that a killed plan just goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from learnrate.planning._heights import Observation
from learnrate.planning._surface import DRIFT_PRIOR, LEAST_SLOPE, Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._result import RungTrial

__all__ = ["Ladder", "Measured", "Proposal", "ladder_for"]

_SHORTEST, _SHARE = 16, 8  # updates of a first trial, where the budget pays for eight of them
_FEWEST = 8  # updates of any trial
_FIRST = 28  # trials of the first rung's length that the whole budget would pay for
_BRACKET = 3  # of them are made: two, and the neighbour of the better one
_LAST = 2  # trials of the second rung, as long as what is left allows
_SPACINGS = tuple(math.log(10.0) * decades for decades in (0.5, 0.6))
_MOST = 9  # trials on one rung: four and a half decades at half a decade apart


@dataclass(frozen=True)
class Proposal:
    """The next trial: its rung, length in updates, and the log of its peak rate."""

    rung: int
    steps: int
    log_lr: float


@dataclass(frozen=True)
class Measured:
    """A trial that ended: what was proposed, its loss as the surface sees it, its record."""

    proposal: Proposal
    height: float
    trial: RungTrial

    @property
    def observation(self) -> Observation:
        """What the surface needs of it."""
        return Observation(self.proposal.steps, self.proposal.log_lr, self.height)


@dataclass(frozen=True)
class Ladder:
    """A short rung and a long one, within a budget of updates.

    On each rung the first two trials straddle the best rate expected there; then the neighbour of
    the best is tried until both its sides are known, or the rung's part of the budget is spent.
    Where the first long trial ends hardly lower than the short ones, the second is lower instead.
    What is left of the budget then goes to rates between those tried, on the longest rung that it
    can pay for.

    Args:
        horizons: the rungs' lengths in updates, rising.
        limits: how many updates may have been made at the end of each rung.
        budget: how many updates all trials together may make.
        total_steps: the length of the whole run.
        expected: log of the rate at which the range test puts the best of the whole run.
        start: the height before training.
    """

    horizons: tuple[int, ...]
    limits: tuple[int, ...]
    budget: int
    total_steps: int
    expected: float
    start: float = math.inf

    def next(self, measured: Sequence[Measured]) -> Proposal | None:
        """The next trial, or None when the ladder is climbed or the budget spent."""
        spent = sum(one.trial.updates for one in measured)
        for rung, (steps, limit) in enumerate(zip(self.horizons, self.limits, strict=True)):
            here = [one for one in measured if one.proposal.rung == rung]
            if any(one.proposal.rung > rung for one in measured):
                continue  # climbed past: what is left of it is refinement
            if spent + steps > (limit if here else self.budget):
                continue
            log_lr = self._next_rate(rung, here, measured)
            if log_lr is not None:
                return Proposal(rung, steps, log_lr)
        return self._refinement(measured, self.budget - spent)

    def surface(self, measured: Sequence[Measured]) -> Surface:
        """What was measured, as a posterior over the best rate of the whole run."""
        seen = tuple(one.observation for one in measured)
        return _surface(seen, self.total_steps, self.expected, self.start)

    def extended(self, measured: Sequence[Measured]) -> Ladder:
        """The climbed ladder with the budget of the two further trials that would help most.

        They are twice as long as the longest so far where it is the horizon that leaves the best
        rate uncertain, and as long where it is the trials' own noise.
        """
        surface = self.surface(measured)
        longest = self.horizons[-1]
        here, whole = (surface.location(steps)[1] for steps in (longest, self.total_steps))
        spent = sum(one.trial.updates for one in measured)
        if whole**2 > 2 * here**2 and 2 * longest <= self.total_steps:
            budget = spent + 4 * longest
            horizons, limits = (*self.horizons, 2 * longest), (*self.limits, budget)
            return replace(self, horizons=horizons, limits=limits, budget=budget)
        budget = spent + 2 * longest
        return replace(self, limits=(*self.limits[:-1], budget), budget=budget)

    def _refinement(self, measured: Sequence[Measured], left: int) -> Proposal | None:
        if not any(math.isfinite(one.height) for one in measured):
            return None
        for rung in reversed(range(len(self.horizons))):
            steps, spacing = self.horizons[rung], _spacing(rung)
            if steps > left:
                continue
            tried = [one.proposal.log_lr for one in measured if one.proposal.steps == steps]
            centre = self.surface(measured).location(steps)[0]
            for offset in (0.0, -0.5, 0.5, -1.0, 1.0):
                log_lr = centre + offset * spacing
                if all(abs(log_lr - one) > 0.3 * spacing for one in tried):
                    return Proposal(rung, steps, log_lr)
        return None

    def _next_rate(
        self, rung: int, here: Sequence[Measured], measured: Sequence[Measured]
    ) -> float | None:
        spacing = _spacing(rung)
        centre = self._centre(rung, measured)
        losses = {
            round((one.proposal.log_lr - centre) / spacing - 0.5): one.height for one in here
        }
        index = -2 if set(losses) == {-1} and self._stalled(rung, measured) else next_index(losses)
        return None if index is None else centre + (index + 0.5) * spacing

    def _stalled(self, rung: int, measured: Sequence[Measured]) -> bool:
        """Whether longer trials end hardly lower than shorter ones: all rates may be too high."""
        slope = self.surface([one for one in measured if one.proposal.rung <= rung]).slope
        return slope is not None and slope <= LEAST_SLOPE

    def _centre(self, rung: int, measured: Sequence[Measured]) -> float:
        below = [one for one in measured if one.proposal.rung < rung]
        if not any(math.isfinite(one.height) for one in below):
            return self.expected + DRIFT_PRIOR[0] * math.log(
                self.horizons[rung] / self.total_steps
            )
        return self.surface(below).location(self.horizons[rung])[0]

    def bracketed(self, rung: int, measured: Sequence[Measured]) -> bool:
        """Whether the best rate of a rung has a worse one on both sides."""
        here = sorted(
            (one.proposal.log_lr, one.height) for one in measured if one.proposal.rung == rung
        )
        losses = [loss for _, loss in here]
        return len(losses) >= 3 and 0 < losses.index(min(losses)) < len(losses) - 1


def _spacing(rung: int) -> float:
    return _SPACINGS[min(rung, len(_SPACINGS) - 1)]


@lru_cache(maxsize=8)
def _surface(
    observations: tuple[Observation, ...], total_steps: int, expected: float, start: float
) -> Surface:
    """One posterior for the several questions put to it between two trials."""
    return Surface(observations, total_steps, expected, start)


def next_index(losses: dict[int, float]) -> int | None:
    """Where on a grid to look next for the lowest of `losses`; None when it is bracketed.

    Examples:
        >>> next_index({}), next_index({-1: 2.0}), next_index({-1: 2.0, 0: 1.0})
        (-1, 0, 1)
        >>> next_index({-1: 2.0, 0: 1.0, 1: 3.0}) is None
        True
    """
    if len(losses) < 2:
        return 0 if -1 in losses else -1
    if len(losses) >= _MOST:
        return None
    # Of equals (two that diverged, say) the lowest rate is the one to look around.
    best = min(sorted(losses), key=lambda index: losses[index])
    for neighbour in (best - 1, best + 1):
        if neighbour not in losses:
            return neighbour
    return None


def ladder_for(total_steps: int, budget: int, expected: float, start: float = math.inf) -> Ladder:
    """Three short trials, then two that are as long as the rest of the budget allows.

    A short one has a twenty-eighth of the budget, and no less than its square root, or 16 updates
    where these are at most an eighth of the budget: a dozen say little. One rung where the second
    would not be twice as long as the first: of three trials, or of two where three would have less
    than 8 updates.
    """
    shortest = max(_FEWEST, min(_SHORTEST, budget // _SHARE))
    first = max(shortest, math.isqrt(budget), budget // _FIRST)
    last = (budget - _BRACKET * first) // _LAST
    only = budget // _BRACKET
    horizons: tuple[int, ...] = (only if only >= _FEWEST else budget // 2,)
    limits: tuple[int, ...] = (budget,)
    if last >= 2 * first:
        horizons, limits = (first, last), (_BRACKET * first, budget)
    return Ladder(
        horizons, limits, budget=budget, total_steps=total_steps, expected=expected, start=start
    )
