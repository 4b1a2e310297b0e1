"""The peak of the whole run according to trials, its interval, and its expected cost. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from learnrate.planning._surface import Estimate
from learnrate.trials import Status

if TYPE_CHECKING:
    from learnrate.planning._ladder import Ladder
    from learnrate.planning._rung_losses import LadderTrial
    from learnrate.planning._surface import Surface
    from learnrate.planning._whole_runs import WholeRuns

__all__ = ["PeakDecision", "decide", "highest_peak"]


@dataclass(frozen=True)
class PeakDecision:
    """The peak of the whole run, decided by the trials of a ladder.

    Args:
        ladder: the ladder that asked for the trials.
        trials: all trials.
    """

    ladder: Ladder
    trials: tuple[LadderTrial, ...]

    @cached_property
    def surface(self) -> Surface:
        """The joint fit of all trials."""
        return self.ladder.surface(self.trials)

    @cached_property
    def whole_runs(self) -> WholeRuns | None:
        """The fit of whole runs; None if too few rates were tried at full length."""
        return self.ladder.whole_runs(self.trials)

    @cached_property
    def whole_run(self) -> Estimate:
        """The best rate of the whole run with its interval, which holds the peak too."""
        best = self.best(self.ladder.total_steps)
        return Estimate(best.best, min(best.low, self.peak), max(best.high, self.peak))

    def best(self, steps: int) -> Estimate:
        """The best rate of runs of a length."""
        if steps == self.ladder.total_steps and self.whole_runs is not None:
            low, median, high = self.whole_runs.log_best
            return Estimate(math.exp(median), math.exp(low), math.exp(high))
        return self.surface.best(steps)

    @property
    def capped_by(self) -> float | None:
        """The lowest rate that diverged, if half of it is the peak; else None."""
        cap = highest_peak(self.trials)
        capped = self.whole_runs is None and cap < self.surface.least_regret()
        return 2 * cap if capped else None

    @cached_property
    def peak(self) -> float:
        """The rate with the least expected regret, with three digits.

        Without whole runs, it is at most half of the lowest rate that diverged.
        """
        if self.whole_runs is not None:
            chosen = math.exp(self.whole_runs.log_best[1])
        else:
            chosen = min(self.surface.least_regret(), highest_peak(self.trials))
        return float(f"{chosen:.3g}")

    @cached_property
    def expected_regret(self) -> float:
        """How far above the best log loss a run at the peak is expected to end."""
        if self.whole_runs is not None:
            return self.whole_runs.expected_regret(math.log(self.peak))
        return self.surface.expected_regret(self.peak)

    def bracketed(self, rung: int) -> bool:
        """Whether the best rate of a rung has a worse one, or one that diverged, on both sides."""
        return self.ladder.bracketed(rung, self.trials)


def decide(ladder: Ladder, trials: list[LadderTrial]) -> PeakDecision:
    """The decision that trials support; at least one of them finished."""
    return PeakDecision(ladder, tuple(trials))


def highest_peak(trials: tuple[LadderTrial, ...]) -> float:
    """Half of the lowest rate that diverged: no peak lies above it."""
    diverged = [trial.record.lr for trial in trials if trial.record.status == Status.DIVERGED]
    return min(diverged, default=math.inf) / 2
