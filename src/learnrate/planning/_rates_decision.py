"""The rates that trials point to, their intervals, and how much each of them matters. Pure."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._result import PlanVerdict
from learnrate.planning._verdict import (
    COSTLY_REGRET,
    about_cost,
    extrapolation_doubts,
    weak_evidence_text,
)

if TYPE_CHECKING:
    from learnrate.planning._loss_scale import LossScale
    from learnrate.planning._rates_ladder import RatesLadder
    from learnrate.planning._rates_posterior import RatesPosterior
    from learnrate.planning._rung_losses import LadderTrial

__all__ = ["TOLERATED", "RatesDecision", "factor_text", "judge_rates", "range_of_rate"]

TOLERATED = 0.01  # log loss that a rate may cost at most in its tolerated range
_SEARCHED = {2: 21, 3: 9}  # grid points on each axis, by the number of rates
_INTERVAL_FACTOR = {True: 1.4, False: 1.6}  # of the fit's std, with and without shorter trials
_REGRET_FACTOR = 1.6  # of the fit's expected regret
_INDISTINGUISHABLE = 0.001  # log losses this close cannot be told apart by shorter trials
_FARTHEST = math.log(100.0)  # log distance within which the end of a tolerated range is searched
_LEAST_WIDE = 3.0  # ratio of the ends of a tolerated range from which the reason mentions it
_UNKNOWN_REGRET = 0.1  # expected regret above which a cost of 1 % means nothing
_CONFIDENCE = 0.8  # probability that a rate in its tolerated range costs no more
_RANGE = (1e-7, 1e3)  # of the range tests; no interval goes beyond it


@dataclass(frozen=True)
class RatesDecision:
    """The rates of the whole run, decided by the trials of a ladder.

    Args:
        ladder: the ladder that asked for the trials.
        trials: all trials.
    """

    ladder: RatesLadder
    trials: tuple[LadderTrial, ...]

    @cached_property
    def counting(self) -> tuple[LadderTrial, ...]:
        """The trials that the fit uses."""
        return tuple(self.ladder.counting(self.trials))

    @cached_property
    def posterior(self) -> RatesPosterior:
        """The joint fit of all trials."""
        return self.ladder.posterior(self.trials)

    @cached_property
    def rates(self) -> tuple[float, ...]:
        """The rates with the least expected excess, with three digits.

        They lie in the range of the longest trials that finished, extrapolated to the whole run by the
        drift, because nothing is known outside. If a trial diverged, they are not all above half of its
        rates.
        """
        total_steps = self.ladder.total_steps
        number = _SEARCHED[self.posterior.count]
        axes = [np.linspace(low, high, number) for low, high in zip(*self._tried, strict=True)]
        places = np.array(list(itertools.product(*axes)))
        excess = self.posterior.expected_excess(places, total_steps)
        diverged = [t.log_lrs for t in self.counting if math.isinf(t.log_loss)]
        if diverged:
            half = np.array(diverged) - math.log(2.0)
            above = np.all(places[:, None, :] >= half, axis=2)
            excess = excess + np.where(np.any(above, axis=1), 1e3, 0.0)
        chosen = places[int(np.argmin(excess))]
        return tuple(float(f"{math.exp(log_lr):.3g}") for log_lr in chosen)

    @property
    def _tried(self) -> tuple[np.ndarray, np.ndarray]:
        """The range of the longest trials that finished, extrapolated to the whole run."""
        longest = max(trial.steps for trial in self.counting)
        tried = [
            trial.log_lrs
            for trial in self.counting
            if trial.steps == longest and math.isfinite(trial.log_loss)
        ] or [trial.log_lrs for trial in self.counting]
        shift = self.posterior.drift * math.log(self.ladder.total_steps / longest)
        return np.min(tried, axis=0) + min(0.0, shift), np.max(tried, axis=0) + shift

    @cached_property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """The central 80 % interval of the best value of each rate; it holds the chosen one too."""
        optima = self.posterior.log_optima(self.ladder.total_steps)
        low, middle, high = np.quantile(optima, [0.1, 0.5, 0.9], axis=0)
        lengths = {trial.steps for trial in self.counting}
        factor = _INTERVAL_FACTOR[len(lengths) > 1]
        flat = np.sqrt(2 * _INDISTINGUISHABLE / self.posterior.points.depths.mean(axis=0))
        lows = np.exp(middle - np.hypot(factor * (middle - low), flat))
        highs = np.exp(middle + np.hypot(factor * (high - middle), flat))
        return tuple(
            (min(max(float(low), _RANGE[0]), lr), max(min(float(high), _RANGE[1]), lr))
            for low, high, lr in zip(lows, highs, self.rates, strict=True)
        )

    @cached_property
    def tolerated(self) -> tuple[tuple[float, float], ...]:
        """The range of each rate in which a run ends within 1 % of that at the chosen ones."""
        return tuple(range_of_rate(self, number) for number in range(len(self.rates)))

    @cached_property
    def expected_regret(self) -> float:
        """How far above the best log loss a run at the rates is expected to end."""
        chosen = np.log(np.array([self.rates]))
        excess = self.posterior.expected_excess(chosen, self.ladder.total_steps)
        return _REGRET_FACTOR * float(excess[0])

    def excess_over(self, first: int, second: int, count: int = 33) -> tuple[np.ndarray, ...]:
        """The expected excess over two rates, the others as chosen: logs of both, and values.

        Args:
            first: the number of the rate of the columns.
            second: the number of the rate of the rows.
            count: the number of columns and of rows.
        """
        axes = []
        for number in (first, second):
            tried = [trial.log_lrs[number] for trial in self.trials]
            ends = *tried, math.log(self.rates[number])
            axes.append(np.linspace(min(ends) - 0.5, max(ends) + 0.5, count))
        places = np.tile(np.log(self.rates), (count * count, 1))
        places[:, first] = np.tile(axes[0], count)
        places[:, second] = np.repeat(axes[1], count)
        excess = self.posterior.expected_excess(places, self.ladder.total_steps)
        return axes[0], axes[1], excess.reshape(count, count)


def range_of_rate(decision: RatesDecision, number: int) -> tuple[float, float]:
    """The range of one rate that costs at most 1 % more than the chosen one, the others unchanged.

    It does so with a probability of 80 %. So where little is known, the range is narrow.

    Args:
        decision: the decision of a plan.
        number: the number of the rate.
    """
    chosen = np.log(np.array(decision.rates))
    offsets = np.linspace(-_FARTHEST, _FARTHEST, 81)
    places = np.tile(chosen, (len(offsets), 1))
    places[:, number] += offsets
    costs = decision.posterior.costs(places, decision.ladder.total_steps)
    middle = len(offsets) // 2
    excess = np.quantile(costs - costs[middle], _CONFIDENCE, axis=1)
    costly = np.flatnonzero(excess > TOLERATED)
    below, above = costly[costly < middle], costly[costly > middle]
    low = offsets[below[-1] + 1] if len(below) else offsets[0]
    high = offsets[above[0] - 1] if len(above) else offsets[-1]
    lr = decision.rates[number]
    return lr * math.exp(float(low)), lr * math.exp(float(high))


def factor_text(low: float, high: float) -> str:
    """The factor between two ends, with two digits.

    Examples:
        >>> factor_text(0.01, 0.125), factor_text(0.01, 0.023)
        ('12', '2.3')
    """
    factor = high / low
    return f"{factor:.0f}" if factor >= 10 else f"{factor:.2g}"


def judge_rates(decision: RatesDecision, scale: LossScale) -> tuple[PlanVerdict, str]:
    """The verdict on a plan of several rates, and its reason.

    Args:
        decision: the rates, and the posterior that they rest on.
        scale: the scale of the task's losses.
    """
    ladder, names = decision.ladder, decision.ladder.names
    lengths = sorted({trial.steps for trial in decision.counting})
    counted = " and ".join(
        f"{sum(t.steps == steps for t in decision.counting)} trials of {steps:,} updates"
        for steps in lengths
    )
    if len(decision.counting) < len(decision.trials):
        counted += f" at most a decade from the best one, of {len(decision.trials)} trials in all,"
    chosen = " and ".join(
        f"{lr:.3g} for {name}" for lr, name in zip(decision.rates, names, strict=True)
    )
    evidence = (
        f"{counted} were fitted together, and {chosen} are chosen. {_what_matters(decision)}"
    )
    doubts = []
    if decision.expected_regret > COSTLY_REGRET:
        doubts.append("the trials leave the best rates uncertain")
    doubts += [
        f"of the rates tried with {lengths[-1]:,} updates, the {end} rate of {name} was the best, so "
        f"the best rate may be {'lower' if end == 'lowest' else 'higher'}"
        for name, end in ladder.unbracketed(decision.trials)
    ]
    if lengths[-1] < ladder.total_steps:
        posterior = decision.posterior
        doubts += extrapolation_doubts(
            lengths, ladder.total_steps, posterior.slope, posterior.learned
        )
    if doubts:
        return PlanVerdict.WEAK, f"{evidence} {weak_evidence_text(doubts)}"
    cost = about_cost(decision.expected_regret, scale)
    return PlanVerdict.OK, f"{evidence} The run is expected to end {cost} the best loss."


def _what_matters(decision: RatesDecision) -> str:
    """Which rates must be set precisely, and which may lie anywhere in a wide range."""
    names = decision.ladder.names
    factors = [high / low for low, high in decision.tolerated]
    wide = [number for number in range(len(names)) if factors[number] >= _LEAST_WIDE]
    if not wide or decision.expected_regret > _UNKNOWN_REGRET:
        return "The trials do not show how precisely each rate must be set."
    texts = [
        f"the rate of {names[number]} may lie anywhere within a factor of "
        f"{factor_text(*decision.tolerated[number])}"
        for number in wide
    ]
    close = [
        f"the rate of {names[number]} must be set more precisely"
        for number in range(len(names))
        if number not in wide
    ]
    return (
        "A change of one rate alone costs at most 1 % of the loss, with a probability of 80 %, within "
        f"these limits: {'; '.join([*texts, *close])}."
    )
