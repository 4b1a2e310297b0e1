"""Which trial with several rates comes next: the most informative one about the best rates. Pure."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._ladder import Ladder, Proposal
from learnrate.planning._rates_posterior import RatesLoss, RatesPosterior
from learnrate.planning._rates_survey import around_best, neighbours, next_neighbour
from learnrate.planning._rung_likelihood import MISFIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._rung_losses import LadderTrial

__all__ = ["RatesLadder"]

_DECADE = math.log(10.0)
_BEYOND = _DECADE / 2  # distance of the next rate from those tried on a rung, at most
_CANDIDATES = {
    2: (_DECADE, 9),
    3: (_DECADE, 5),
}  # their range around the middle, and their number on each axis
_LEAST_DISTANCE = _DECADE / 8  # of a trial from those before it
_FIRST_TRIALS = 4  # short trials for each rate, at most
_LONG_TRIALS = (3, 2)  # for each rate; the first number that the budget pays for
_LEAST_PART = 16
_MIN_STEPS = 8  # updates of any trial
_IN_BUDGET = 20  # a short trial costs this part of the budget over the number of rates
_MOST_WHOLE = 12  # whole runs for each rate
_AROUND_STD = _DECADE / 2  # of the best rates around the best whole run, once it is enclosed
_LEAST_EXCESS = 0.002  # expected excess below which no further whole run is made
_GROUPS_OF_POINTS = 16


@dataclass(frozen=True)
class RatesLadder(Ladder):
    """Short trials, then long ones, each at the rates that are most informative about the best ones.

    The first trial of a rung is at the best rates expected there. The next one is the candidate after
    which the variance of the best log rates is expected to be lowest: the posterior is split by the loss
    that the candidate may have, and the variances of the parts, weighted by how much each rate matters,
    are averaged. A candidate lies at most half a decade outside the rates tried on its rung.

    If the budget pays for enough whole runs, they move a decade at a time towards the best rates until
    they enclose them. Then only the whole runs around the best one are fitted.

    Args:
        expected: the log of the best value of each rate in the longest trials, by the range tests.
        expected_stds: the standard deviation of each.
        names: the names of the rates.
    """

    expected: tuple[float, ...] = ()
    expected_stds: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """The number of rates planned together, 2 or 3."""
        return len(self.expected)

    def posterior(self, trials: Sequence[LadderTrial]) -> RatesPosterior:
        """The posterior over the best rates, given the trials that count."""
        counting = self.counting(trials)
        expected, stds = self.expected, self.expected_stds
        if len(counting) < len(trials):
            expected = min(counting, key=lambda trial: trial.log_loss).log_lrs
            stds = (_AROUND_STD,) * self.count
        return _same(
            RatesPosterior(
                losses=tuple(RatesLoss(t.steps, t.log_lrs, t.log_loss) for t in counting),
                total_steps=self.total_steps,
                expected=expected,
                expected_stds=stds,
                start=self.start,
                overfitting=self.overfitting(trials).probability,
            )
        )

    def counting(self, trials: Sequence[LadderTrial]) -> Sequence[LadderTrial]:
        """The trials that count: whole runs around the best one, once they enclose it; else all."""
        whole = [trial for trial in trials if trial.steps == self.total_steps]
        if not self._surveys(trials) or not whole or next_neighbour(whole) is not None:
            return trials
        return around_best(whole)

    def unbracketed(self, trials: Sequence[LadderTrial]) -> list[tuple[str, str]]:
        """The rates whose best value is the lowest or the highest one of the longest trials."""
        trials = self.counting(trials)
        longest = max(trial.steps for trial in trials)
        tried = [trial for trial in trials if trial.steps == longest]
        best = min(tried, key=lambda trial: trial.log_loss).log_lrs
        ends = []
        for number, name in enumerate(self.names):
            values = [trial.log_lrs[number] for trial in tried]
            if best[number] <= min(values):
                ends.append((name, "lowest"))
            elif best[number] >= max(values):
                ends.append((name, "highest"))
        return ends

    def extended(self, trials: Sequence[LadderTrial]) -> RatesLadder:
        """This ladder with a budget for two further trials, twice as long if the drift matters most."""
        posterior = self.posterior(trials)
        rung = max(trial.rung for trial in trials)
        longest = max(trial.steps for trial in trials)
        of_longest, of_whole = (
            float((posterior.log_optima(steps).std(axis=0) ** 2 * posterior.shares).sum())
            for steps in (longest, self.total_steps)
        )
        if of_whole > 2 * of_longest and 2 * longest <= self.total_steps:
            rung, longest = rung + 1, 2 * longest
        budget = self.spent(trials) + 2 * self.expected_cost(longest, trials)
        return replace(self, budget=budget, extension=(rung, longest))

    @property
    def _shortest(self) -> int | None:
        return self._short_length(_IN_BUDGET * self.count, 2 * self.count + 1)

    def _longest(self, trials: Sequence[LadderTrial]) -> int:
        lengths = [trial.steps for trial in trials if trial.rung == 1]
        if lengths:
            return lengths[0]
        left, overhead = self.budget - self.spent(trials), self.expected_cost(0, trials)
        most, fewest = (number * self.count + (not trials) for number in _LONG_TRIALS)
        for number in range(most, fewest - 1, -1):
            affordable = left // number - overhead
            if _LEAST_PART * affordable >= self.total_steps:
                break
        return min(self.total_steps, max(_MIN_STEPS, affordable))

    def _on_rung(self, rung: int, steps: int, trials: Sequence[LadderTrial]) -> Proposal | None:
        tried = [trial for trial in trials if trial.steps == steps]
        finished = any(math.isfinite(trial.log_loss) for trial in tried)
        surveys = finished and steps == self.total_steps and self._surveys(trials)
        if surveys and (neighbour := next_neighbour(tried)) is not None:
            return _proposal(
                rung, steps, neighbour, "its rates are a decade from the best whole run"
            )
        posterior = self.posterior(trials)
        if self._is_complete(rung, steps, tried, posterior):
            return None
        middle = np.median(posterior.log_optima(steps), axis=0)
        if not tried:
            return _proposal(rung, steps, middle, "they are the best rates expected here")
        if not finished:
            lower = np.min([trial.log_lrs for trial in tried], axis=0) - _BEYOND
            return _proposal(rung, steps, lower, "every higher rate diverged")
        if surveys:
            return self._around_best(rung, posterior, middle, tried)
        return self._most_informative(rung, posterior, _candidates(middle, tried), tried)

    def _around_best(
        self, rung: int, posterior: RatesPosterior, middle: np.ndarray, whole: list[LadderTrial]
    ) -> Proposal | None:
        """The next whole run beside the best one: in turn, the most promising and the most informative."""
        near = around_best(whole)
        candidates = _candidates(middle, near)
        if len(whole) % 2 == 0 or not len(candidates):
            return self._most_informative(rung, posterior, candidates, near)
        excess = posterior.expected_excess(candidates, self.total_steps)
        reason = "they are the best rates expected now"
        return _proposal(rung, self.total_steps, candidates[int(np.argmin(excess))], reason)

    def _most_informative(
        self,
        rung: int,
        posterior: RatesPosterior,
        candidates: np.ndarray,
        tried: Sequence[LadderTrial],
    ) -> Proposal | None:
        if not len(candidates):
            return None
        gains = _gains(posterior, candidates, tried)
        best = int(np.argmax(gains.sum(axis=1)))
        name = self.names[int(np.argmax(gains[best]))]
        reason = f"it is the most informative trial, mainly about the rate of {name}"
        return _proposal(rung, tried[0].steps, candidates[best], reason)

    def _surveys(self, trials: Sequence[LadderTrial]) -> bool:
        """Whether the budget pays for whole runs on all sides of the best one, and as many more."""
        shorter = [trial for trial in trials if trial.steps < self.total_steps]
        cost = self.expected_cost(self.total_steps, shorter)
        enough = 2 * len(neighbours(self.count)) * cost
        return self.budget - self.spent(shorter) >= enough

    def _is_complete(
        self, rung: int, steps: int, tried: Sequence[LadderTrial], posterior: RatesPosterior
    ) -> bool:
        """Whether no further trial of a rung is asked for."""
        if rung == 0 and len(tried) >= _FIRST_TRIALS * self.count:
            return True
        if steps < self.total_steps or len(tried) <= 2 * self.count + 1:
            return False
        excess = posterior.expected_excess(np.median(posterior.log_optima(steps), axis=0), steps)
        enough = self.extension is None and len(tried) >= _MOST_WHOLE * self.count
        return enough or float(excess[0]) < _LEAST_EXCESS


def _proposal(rung: int, steps: int, log_lrs: np.ndarray, reason: str) -> Proposal:
    logs = tuple(log_lrs.tolist())
    return Proposal(rung, steps, sum(logs) / len(logs), 0, reason, logs)


def _candidates(middle: np.ndarray, tried: Sequence[LadderTrial]) -> np.ndarray:
    """New places around the middle, near those tried, and not above a diverged trial."""
    places = np.array([trial.log_lrs for trial in tried])
    low, high = places.min(axis=0) - _BEYOND, places.max(axis=0) + _BEYOND
    reach, number = _CANDIDATES[len(middle)]
    offsets = np.linspace(-reach, reach, number)
    grid = np.array(list(itertools.product(offsets, repeat=len(middle))))
    grid = np.unique(np.clip(np.clip(middle, low, high) + grid, low, high).round(6), axis=0)
    apart = np.abs(grid[:, None, :] - places).max(axis=2).min(axis=1) > _LEAST_DISTANCE
    diverged = np.array([trial.log_lrs for trial in tried if math.isinf(trial.log_loss)])
    if len(diverged):
        above = np.all(grid[:, None, :] >= diverged - 1e-6, axis=2)
        apart &= ~np.any(above, axis=1)
    return np.asarray(grid[apart])


def _gains(
    posterior: RatesPosterior, candidates: np.ndarray, tried: Sequence[LadderTrial]
) -> np.ndarray:
    """By how much each candidate is expected to lower the weighted variance of each best log rate.

    Args:
        posterior: the posterior given all trials.
        candidates: the logs of rates, shape (places, rates).
        tried: the trials of this length, at least one of which finished.

    Returns:
        Shape (places, rates).
    """
    steps = tried[0].steps
    finished = [trial for trial in tried if math.isfinite(trial.log_loss)]
    measured = np.array([trial.log_loss for trial in finished])
    near = np.exp(-0.5 * ((measured - measured.min()) / 0.1) ** 2) + 1e-3
    costs = posterior.costs(np.array([trial.log_lrs for trial in finished]), steps)
    levels = (near[:, None] * (measured[:, None] - costs)).sum(axis=0) / near.sum()
    optima = posterior.log_optima(steps)
    middle = np.median(optima, axis=0)
    optima = np.clip(optima - middle, -2 * _DECADE, 2 * _DECADE)
    weights = posterior.points.depths.mean(axis=0)
    before = weights * optima.var(axis=0)
    normal = np.random.default_rng(2).standard_normal(len(optima))
    noise = np.exp(posterior.points.log_noise)
    gains = []
    for cost in posterior.costs(candidates, steps):
        loss = levels + cost
        std = np.hypot(noise, MISFIT * np.maximum(0.0, loss - measured.min()))
        order = np.argsort(loss + std * normal)
        parts = np.array_split(optima[order], _GROUPS_OF_POINTS)
        after = weights * np.mean([part.var(axis=0) for part in parts], axis=0)
        gains.append(before - after)
    return np.array(gains)


@lru_cache(maxsize=8)
def _same(posterior: RatesPosterior) -> RatesPosterior:
    """Cached, so that equal trials share one posterior with all that it has computed."""
    return posterior
