"""LR103: the loss swings back by a large part of what was gained."""

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
        rise: the loss must have risen by more than this share of its whole fall.
        noise: the rise must exceed this many standard errors of a level. Among 60 levels of
            stationary noise in which neighbours have a correlation of 0.8, the largest rise
            exceeds it in 1 % of cases.
        nearby: the rise must also exceed this many standard errors of the levels around it, since
            noise is larger where the loss is higher. These are the levels from five before the low
            to five after the high. The loss must also have fallen by this many standard errors
            before the rise. A rise at the start is LR304 or LR108.
        bounce: this is about a loss that bounces from one update to the next. The correlation of
            neighbouring changes is -1/2 if losses are independent, and -1 if the loss alternates
            between two values. It must be at least this share of the way from -1/2 to -1.
        bounce_size: the standard deviation of a loss that bounces must be at least this share of its
            whole fall.
        restart: a rise of the loss does not count if the rate rises by this factor at the same
            time, after it had decayed by as much. Such a warm restart raises the loss at a good
            rate too.
        share_done: at least this share of the run must be over, because it is not known before how
            a burst at the beginning, LR304, ends.
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
    """Whether the rate had decayed before a step, and rises again until another one."""
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
            f"Lower the peak rate to a third of it{target}. With Adam, a lower beta2 (0.95) or a "
            "longer warm-up helps too."
        ),
    )


class _Oscillating(Rule[OscillatingOptions]):
    title = "the loss swings back by a large part of what was gained"
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
                f"The loss swings: from {bottom:.3g} near step {step:,} it rose to {top:.3g} near "
                f"step {int(levels.step[high]):,}, by {_share_in_words(rise, fall)} all that the run "
                "had gained."
            )
            return _finding(reading, step, message, {"low": bottom, "high": top})
        half = reading.finite_loss.value.size // 2
        late = reading.finite_loss.value[half:]
        change = np.diff(late) - np.diff(late).mean()
        std = float(np.std(change)) / 2.0
        if fall <= 0 or std < options.bounce_size * fall or change.size < 20:
            return None
        correlation = float((change[1:] * change[:-1]).sum() / (change * change).sum())
        # The changes of independent values have -1/2, those of a bounce between two values -1.
        if correlation > -(0.5 + 0.5 * options.bounce):
            return None
        message = (
            f"The loss bounces from one update to the next by {2 * std:.2g}, "
            f"{share_text(2 * std / fall)} of all that the run had gained, over the last half."
        )
        step = int(reading.finite_loss.step[half])
        return _finding(reading, step, message, {"bounce": 2 * std, "correlation": correlation})

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(loss=run.raised_loss(220, 330, 1.5))


RULE = _Oscillating()
