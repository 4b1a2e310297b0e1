"""Which trial comes next: a pure function of the trials so far, so that a killed plan resumes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from learnrate.planning._loss_scale import TrialLoss
from learnrate.planning._surface import DRIFT_PRIOR, LEAST_SLOPE, Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._result import RungTrial

__all__ = ["Ladder", "LadderTrial", "Proposal", "ladder_for"]

_MIN_FIRST_STEPS = 16  # updates of a short trial, if the budget pays for eight of them
_MIN_FIRST_TRIALS = 8
_MIN_STEPS = 8  # updates of any trial
_FIRST_TRIALS_IN_BUDGET = 28  # a short trial costs this part of the budget
_FIRST_TRIALS = 3  # of which two straddle the best rate and one is the neighbour of the better one
_LAST_TRIALS = 2  # on the second rung, as long as the rest of the budget allows
_SPACINGS = tuple(math.log(10.0) * decades for decades in (0.5, 0.6))
_MAX_TRIALS = 9  # on one rung: four decades at half a decade apart


@dataclass(frozen=True)
class Proposal:
    """The next trial: its rung, length in updates, and the log of its peak rate."""

    rung: int
    steps: int
    log_lr: float


@dataclass(frozen=True)
class LadderTrial:
    """A trial that was trained.

    Attributes:
        proposal: what the ladder proposed.
        log_loss: its final loss on the task's scale; infinite if it diverged.
        record: what the plan keeps of it.
    """

    proposal: Proposal
    log_loss: float
    record: RungTrial

    @property
    def trial_loss(self) -> TrialLoss:
        """What the surface needs of it."""
        return TrialLoss(self.proposal.steps, self.proposal.log_lr, self.log_loss)


@dataclass(frozen=True)
class Ladder:
    """A rung of short trials and a rung of long ones, within a budget of updates.

    On each rung the first two trials straddle the best rate expected there. Then the neighbour of
    the best trial is tried, until both its sides are known or the rung's part of the budget is
    spent. If the first long trial ends hardly lower than the short ones, the second one gets a
    lower rate. The rest of the budget goes to rates between those tried, on the longest rung whose
    trials it can pay for.

    Args:
        horizons: the rungs' lengths in updates, rising.
        limits: how many updates may have been made at the end of each rung.
        budget: how many updates all trials together may make.
        total_steps: the length of the whole run, in updates.
        expected_log_lr: the log of the best rate of the whole run, according to the range test.
        start: the log loss before training.
    """

    horizons: tuple[int, ...]
    limits: tuple[int, ...]
    budget: int
    total_steps: int
    expected_log_lr: float
    start: float = math.inf

    def next(self, trials: Sequence[LadderTrial]) -> Proposal | None:
        """The next trial, or None if both rungs are complete or the budget is spent."""
        spent = sum(trial.record.updates for trial in trials)
        for rung, (steps, limit) in enumerate(zip(self.horizons, self.limits, strict=True)):
            rung_trials = [trial for trial in trials if trial.proposal.rung == rung]
            if any(trial.proposal.rung > rung for trial in trials):
                continue  # a longer rung was begun: more trials here are refinement
            if spent + steps > (limit if rung_trials else self.budget):
                continue
            log_lr = self._next_rate(rung, rung_trials, trials)
            if log_lr is not None:
                return Proposal(rung, steps, log_lr)
        return self._refinement(trials, self.budget - spent)

    def surface(self, trials: Sequence[LadderTrial]) -> Surface:
        """The posterior over the best rate of the whole run, given the trials."""
        losses = tuple(trial.trial_loss for trial in trials)
        return _surface(losses, self.total_steps, self.expected_log_lr, self.start)

    def extended(self, trials: Sequence[LadderTrial]) -> Ladder:
        """This ladder with a budget for the two further trials that would help most.

        They are twice as long as the longest so far if the extrapolation to the whole run is what
        makes the best rate uncertain, and as long if the noise of the trials is.
        """
        surface = self.surface(trials)
        longest = self.horizons[-1]
        std_longest, std_whole = (
            surface.log_best(steps)[1] for steps in (longest, self.total_steps)
        )
        spent = sum(trial.record.updates for trial in trials)
        if std_whole**2 > 2 * std_longest**2 and 2 * longest <= self.total_steps:
            budget = spent + 4 * longest
            horizons, limits = (*self.horizons, 2 * longest), (*self.limits, budget)
            return replace(self, horizons=horizons, limits=limits, budget=budget)
        budget = spent + 2 * longest
        return replace(self, limits=(*self.limits[:-1], budget), budget=budget)

    def _refinement(self, trials: Sequence[LadderTrial], budget_left: int) -> Proposal | None:
        if not any(math.isfinite(trial.log_loss) for trial in trials):
            return None
        for rung in reversed(range(len(self.horizons))):
            steps, spacing = self.horizons[rung], _spacing(rung)
            if steps > budget_left:
                continue
            tried = [trial.proposal.log_lr for trial in trials if trial.proposal.steps == steps]
            centre = self.surface(trials).log_best(steps)[0]
            for offset in (0.0, -0.5, 0.5, -1.0, 1.0):
                log_lr = centre + offset * spacing
                if all(abs(log_lr - other) > 0.3 * spacing for other in tried):
                    return Proposal(rung, steps, log_lr)
        return None

    def _next_rate(
        self, rung: int, rung_trials: Sequence[LadderTrial], trials: Sequence[LadderTrial]
    ) -> float | None:
        spacing = _spacing(rung)
        centre = self._centre(rung, trials)
        losses = {
            round((trial.proposal.log_lr - centre) / spacing - 0.5): trial.log_loss
            for trial in rung_trials
        }
        index = -2 if set(losses) == {-1} and self._stalled(rung, trials) else next_index(losses)
        return None if index is None else centre + (index + 0.5) * spacing

    def _stalled(self, rung: int, trials: Sequence[LadderTrial]) -> bool:
        """Whether longer trials end hardly lower than shorter ones: all rates may be too high."""
        slope = self.surface([trial for trial in trials if trial.proposal.rung <= rung]).slope
        return slope is not None and slope <= LEAST_SLOPE

    def _centre(self, rung: int, trials: Sequence[LadderTrial]) -> float:
        shorter = [trial for trial in trials if trial.proposal.rung < rung]
        if not any(math.isfinite(trial.log_loss) for trial in shorter):
            return self.expected_log_lr + DRIFT_PRIOR[0] * math.log(
                self.horizons[rung] / self.total_steps
            )
        return self.surface(shorter).log_best(self.horizons[rung])[0]

    def bracketed(self, rung: int, trials: Sequence[LadderTrial]) -> bool:
        """Whether the best trial of a rung has a worse one on both sides."""
        by_rate = sorted(
            (trial.proposal.log_lr, trial.log_loss)
            for trial in trials
            if trial.proposal.rung == rung
        )
        losses = [log_loss for _, log_loss in by_rate]
        return len(losses) >= 3 and 0 < losses.index(min(losses)) < len(losses) - 1


def _spacing(rung: int) -> float:
    return _SPACINGS[min(rung, len(_SPACINGS) - 1)]


@lru_cache(maxsize=8)
def _surface(
    trial_losses: tuple[TrialLoss, ...], total_steps: int, expected_log_lr: float, start: float
) -> Surface:
    """The same posterior object for the several questions asked between two trials."""
    return Surface(trial_losses, total_steps, expected_log_lr, start)


def next_index(losses: dict[int, float]) -> int | None:
    """The next place of a grid to try in search of the lowest loss; None once it is bracketed.

    Examples:
        >>> next_index({}), next_index({-1: 2.0}), next_index({-1: 2.0, 0: 1.0})
        (-1, 0, 1)
        >>> next_index({-1: 2.0, 0: 1.0, 1: 3.0}) is None
        True
    """
    if len(losses) < 2:
        return 0 if -1 in losses else -1
    if len(losses) >= _MAX_TRIALS:
        return None
    # Of equal losses (two that diverged, say) the search goes on around the lowest rate.
    best = min(sorted(losses), key=lambda index: losses[index])
    for neighbour in (best - 1, best + 1):
        if neighbour not in losses:
            return neighbour
    return None


def ladder_for(
    total_steps: int, budget: int, expected_log_lr: float, start: float = math.inf
) -> Ladder:
    """Three short trials, then two that are as long as the rest of the budget allows.

    A short trial has a twenty-eighth of the budget, but no less than its square root, and no less
    than 16 updates if these are at most an eighth of the budget. If the long trials would not be
    twice as long as the short ones, there is one rung only: of three trials, or of two if three
    would have fewer than 8 updates each.

    Args:
        total_steps: the length of the whole run, in updates.
        budget: how many updates all trials together may make.
        expected_log_lr: the log of the best rate of the whole run, according to the range test.
        start: the log loss before training.
    """
    shortest = max(_MIN_STEPS, min(_MIN_FIRST_STEPS, budget // _MIN_FIRST_TRIALS))
    first = max(shortest, math.isqrt(budget), budget // _FIRST_TRIALS_IN_BUDGET)
    last = (budget - _FIRST_TRIALS * first) // _LAST_TRIALS
    only = budget // _FIRST_TRIALS
    horizons: tuple[int, ...] = (only if only >= _MIN_STEPS else budget // 2,)
    limits: tuple[int, ...] = (budget,)
    if last >= 2 * first:
        horizons, limits = (first, last), (_FIRST_TRIALS * first, budget)
    return Ladder(horizons, limits, budget, total_steps, expected_log_lr, start)
