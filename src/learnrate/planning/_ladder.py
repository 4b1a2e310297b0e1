"""Which trial next: a pure function of what was measured, so that a killed plan just goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from learnrate.planning._surface import Observation, Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._result import RungTrial

__all__ = ["Ladder", "Measured", "Proposal", "ladder_for"]

_SHORTEST = 8
_LONGEST = 1 / 3.5  # of the budget: the longest rung
_LIMITS = (0.40, 0.72, 1.0)  # what may be spent after each rung, as a share of the budget
_SPACINGS = tuple(math.log(10.0) * decades for decades in (0.5, 0.3, 0.25))
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
    """Rungs of rising length, within a budget of updates.

    On each rung the first two trials straddle the best rate expected there; then the neighbour of
    the best is tried until both its sides are known, or the rung's share of the budget is spent.
    What is left of the budget then goes to rates between those tried, on the longest rung that it
    can pay for.

    Args:
        horizons: the rungs' lengths in updates, rising.
        budget: how many updates all trials together may make.
        total: the length of the whole run.
        start: log of the rate around which the first rung begins.
    """

    horizons: tuple[int, ...]
    budget: int
    total: int
    start: float

    def next(self, measured: Sequence[Measured]) -> Proposal | None:
        """The next trial, or None when the ladder is climbed or the budget spent."""
        spent = sum(one.trial.updates for one in measured)
        limits = _LIMITS[len(_LIMITS) - len(self.horizons) :]
        for rung, (steps, limit) in enumerate(zip(self.horizons, limits, strict=True)):
            here = [one for one in measured if one.proposal.rung == rung]
            if any(one.proposal.rung > rung for one in measured):
                continue  # climbed past: what is left of it is refinement
            if spent + steps > math.floor(limit * self.budget) and here:
                continue
            if spent + steps > self.budget:
                continue
            log_lr = self._next_rate(rung, here, measured)
            if log_lr is not None:
                return Proposal(rung, steps, log_lr)
        return self._refinement(measured, self.budget - spent)

    def _refinement(self, measured: Sequence[Measured], left: int) -> Proposal | None:
        seen = tuple(one.observation for one in measured)
        if not any(math.isfinite(one.height) for one in seen):
            return None
        for rung in reversed(range(len(self.horizons))):
            steps, spacing = self.horizons[rung], self._spacing(rung)
            if steps > left:
                continue
            tried = [one.log_lr for one in seen if one.steps == steps]
            centre = _surface(seen, self.total).location(steps)[0]
            for offset in (0.0, -0.5, 0.5, -1.0, 1.0):
                log_lr = centre + offset * spacing
                if all(abs(log_lr - one) > 0.3 * spacing for one in tried):
                    return Proposal(rung, steps, log_lr)
        return None

    def _spacing(self, rung: int) -> float:
        return _SPACINGS[len(_SPACINGS) - len(self.horizons) + rung]

    def _next_rate(
        self, rung: int, here: Sequence[Measured], measured: Sequence[Measured]
    ) -> float | None:
        spacing = self._spacing(rung)
        centre = self._centre(rung, measured)
        losses = {
            round((one.proposal.log_lr - centre) / spacing - 0.5): one.height for one in here
        }
        index = next_index(losses)
        return None if index is None else centre + (index + 0.5) * spacing

    def _centre(self, rung: int, measured: Sequence[Measured]) -> float:
        below = [one.observation for one in measured if one.proposal.rung < rung]
        if not any(math.isfinite(one.height) for one in below):
            return self.start
        return _surface(tuple(below), self.total).location(self.horizons[rung])[0]

    def bracketed(self, rung: int, measured: Sequence[Measured]) -> bool:
        """Whether the best rate of a rung has a worse one on both sides."""
        here = sorted(
            (one.proposal.log_lr, one.height) for one in measured if one.proposal.rung == rung
        )
        losses = [loss for _, loss in here]
        return len(losses) >= 3 and 0 < losses.index(min(losses)) < len(losses) - 1


@lru_cache(maxsize=8)
def _surface(observations: tuple[Observation, ...], total: int) -> Surface:
    """One posterior for the several questions put to it between two trials."""
    return Surface(observations, total)


def next_index(losses: dict[int, float]) -> int | None:
    """Where on a grid to look next for the lowest of `losses`; None when it is bracketed.

    Examples:
        >>> next_index({}), next_index({-1: 2.0}), next_index({-1: 2.0, 0: 1.0})
        (-1, 0, 1)
        >>> next_index({-1: 2.0, 0: 1.0, 1: 3.0}) is None
        True
    """
    for first in (-1, 0):
        if first not in losses:
            return first
    if len(losses) >= _MOST:
        return None
    # Of equals (two that diverged, say) the lowest rate is the one to look around.
    best = min(sorted(losses), key=lambda index: losses[index])
    for neighbour in (best - 1, best + 1):
        if neighbour not in losses:
            return neighbour
    return None


def ladder_for(total: int, budget: int, start: float) -> Ladder:
    """Three rungs, each twice as long as the one before; fewer where there are not 8 updates for it.

    Lengths are halvings of the whole run, so that plans of other budgets share trials. Where the
    budget is too small for any, one rung of two trials.
    """
    longest = math.floor(math.log2(_LONGEST * budget / total))
    lengths = sorted({round(total * 2.0 ** (longest - halvings)) for halvings in range(3)})
    horizons = tuple(length for length in lengths if length >= _SHORTEST) or (budget // 2,)
    return Ladder(horizons=horizons, budget=budget, total=total, start=start)
