"""LR103: the loss oscillates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import median_of_three, neighbour_std, share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "OscillatingOptions"]

_NEARBY = 5  # levels before a rise and after it


class OscillatingOptions(RuleOptions):
    """Thresholds of LR103.

    Attributes:
        rise: the loss must have risen by more than this share of its total decrease.
        noise: the rise must exceed this many standard errors of a level. Among 60 levels of
            stationary noise in which neighbours have a correlation of 0.8, the largest rise exceeds
            it in 1 % of cases.
        nearby: the rise must also exceed this many standard errors of the levels around it, because
            noise is larger where the loss is higher. These are the levels from five before the low
            to five after the high. The loss must also have fallen by this many standard errors
            before the rise. A rise at the start is covered by LR304 or LR108.
        bounce: this threshold is for a loss that bounces, which means that it alternates from one
            update to the next. The correlation of neighbouring changes is -1/2 if losses are
            independent, and -1 if the loss alternates between two values. It must be at least this
            share of the way from -1/2 to -1.
        bounce_size: the standard deviation of a loss that bounces must be at least this share of
            its total decrease.
        restart: a rise of the loss is ignored if the rate rises by this factor at the same time,
            after decaying by as much. Such a warm restart raises the loss even at a good rate.
        share_done: at least this share of the run must be over. Earlier in the run, a loss that
            rose at the start, LR304, may still recover.
    """

    rise: float = 0.5
    noise: float = 12.0
    nearby: float = 6.0
    bounce: float = 0.6
    bounce_size: float = 0.05
    restart: float = 2.0
    share_done: float = 0.25


def _error_nearby(levels: np.ndarray, low: int, high: int) -> float:
    """The standard error of a level around a rise, from the differences of neighbours."""
    nearby = levels[max(0, low - _NEARBY) : high + 1 + _NEARBY]
    return neighbour_std(nearby, around=float(np.median(np.diff(nearby))))


def _restarted(reading: Reading, first: int, last: int, factor: float) -> bool:
    """Whether the rate had decayed before the first step and rises again by the last one."""
    steps, rates = reading.rate
    before, during = rates[steps <= first], rates[(steps >= first) & (steps <= last)]
    if not before.size or not during.size:
        return False
    return bool(min(before.max(), during.max()) > factor * before[-1])


def _share_in_words(rise: float, fall: float) -> str:
    return f"{share_text(rise / fall)} of" if rise < fall else "more than"


def _finding(reading: Reading, step: int, message: str, evidence: dict[str, object]) -> Finding:
    rate = reading.rate_at(step)
    target = "" if rate is None else f", {rate_text(reading.peak / 3, 2)}"
    return RULE.finding(
        step=step,
        message=message,
        evidence=evidence | {"fall": reading.fall, "rate": rate},
        remedy=(
            f"Lower the peak rate to a third{target}. With Adam, a lower beta2 (0.95) or a longer "
            "warm-up also helps."
        ),
    )


class _Oscillating(Rule[OscillatingOptions]):
    title = "the loss oscillates"
    severity = Severity.WARNING
    needs = ("loss",)
    judges = "a rate that is too high"
    explains = frozenset({"LR301", "LR201", "LR302"})

    def check(self, reading: Reading, options: OscillatingOptions) -> Finding | None:
        levels, fall = reading.levels, reading.fall
        if reading.steps_done < options.share_done * reading.total_steps:
            return None
        rise, low, high = reading.largest_rise
        is_noise = rise <= options.nearby * _error_nearby(levels.value, low, high)
        gained = reading.start - float(median_of_three(levels.value)[low])
        is_burst = gained <= options.nearby * reading.level_error
        if rise > max(options.rise * fall, options.noise * reading.level_error) and not (
            is_noise or is_burst
        ):
            step = int(levels.step[low])
            if _restarted(reading, step, int(levels.step[high]), options.restart):
                return None
            bottom = float(median_of_three(levels.value)[low])
            top = bottom + rise
            message = (
                f"The loss oscillates: it rose from {bottom:.3g} near step {step:,} to {top:.3g} near "
                f"step {int(levels.step[high]):,}. The rise is {_share_in_words(rise, fall)} the total "
                "decrease."
            )
            return _finding(reading, step, message, {"low": bottom, "high": top})
        half = reading.finite_loss.value.size // 2
        late = reading.finite_loss.value[half:]
        change = np.diff(late) - np.diff(late).mean()
        std = float(np.std(change)) / 2.0
        if fall <= 0 or std < options.bounce_size * fall or change.size < 20:
            return None
        correlation = float((change[1:] * change[:-1]).sum() / (change * change).sum())
        # Changes of independent values have a correlation of -1/2, those of a bounce -1.
        if correlation > -(0.5 + 0.5 * options.bounce):
            return None
        message = (
            f"The loss bounces from one update to the next by {2 * std:.2g} in the second half of the "
            f"run, {share_text(2 * std / fall)} of the total decrease."
        )
        step = int(reading.finite_loss.step[half])
        return _finding(reading, step, message, {"bounce": 2 * std, "correlation": correlation})

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(loss=run.raised_loss(220, 330, 1.5))


RULE = _Oscillating()
