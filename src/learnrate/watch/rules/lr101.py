"""LR101: the loss diverged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from learnrate._numbers import rate_text
from learnrate._statistics import normal_quantile
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import accumulation_hint
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import median_of_three, neighbour_std, quantile

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "DivergedOptions"]


_FIRST_ROWS = 7
_LEAST_ROWS = 20  # for a verdict on finite losses
_CONSTANT = 0.01  # of a rate: it varies by less where it is constant
_LEAST_LIVE_ROWS = 60  # while a run is live: before, a level is one row, and a burst may end well


class DivergedOptions(RuleOptions):
    """Thresholds of LR101.

    Attributes:
        rows: while a run is live, at least this many losses in succession, up to the last one, must
            not be finite.
        noise: this threshold is for a loss that fell and then jumped up. Its decrease to the lowest
            level, the rise from there, and the jump must each exceed this many standard errors of a
            level. A level is the median loss of a sixtieth of the rows.
        rise: the loss must have risen by at least this share of its decrease, so that almost all
            progress is lost.
        jump: the jump must be at least this share of the rise. The jump is the difference between
            two levels that are three levels apart.
        lasting_levels: the loss must have been low for this many levels before the rise, and high
            for this many levels after it, up to the end.
        lasting_levels_live: while a run is live, the loss must have been high for this many levels
            after the rise.
        explosion: a loss has exploded if its last levels all exceed its first losses by this many
            times the difference between neighbouring first losses. A validation loss has exploded
            if its last value exceeds the first training loss by this many times the decrease of the
            training loss to its lowest value.
        burst: a loss that never fell has diverged if, for three rows, it exceeded both its start
            and the later losses by this many standard deviations of the later losses, and has not
            dropped below its start since. The start is the first loss, or the median of the first
            three losses if that is higher.
        climb: a loss that rises without a jump has diverged if the rate was constant until the
            lowest level and has since risen by at least this factor.
    """

    rows: float = 3
    noise: float = 8.0
    rise: float = 0.9
    jump: float = 0.5
    lasting_levels: float = 3
    lasting_levels_live: float = 6
    explosion: float = 1e6
    burst: float = 50.0
    climb: float = 3.0


class _Departure(NamedTuple):
    """A lasting rise of the loss from one level to another."""

    first_level: int  # the index of the first level after the rise
    lowest: float  # the loss before the rise
    highest: float  # the loss after it


def _exploded(reading: Reading, options: DivergedOptions) -> Finding | None:
    """A loss that ends orders of magnitude above its first values."""
    loss, levels = reading.finite_loss, reading.levels
    first = loss.value[:_FIRST_ROWS]
    usual = quantile(np.abs(np.diff(first)), 0.25)
    limit = float(first.min()) + options.explosion * usual
    below = np.flatnonzero(levels.value <= limit)
    since = int(below[-1]) + 1 if below.size else 0
    if usual == 0 or since > levels.value.size - int(options.lasting_levels):
        return None
    step = int(levels.step[since])
    return _finding(
        reading,
        step,
        f"The loss exploded near step {step:,}: it rose from {reading.start:.3g} at the start to "
        f"{reading.end:.3g}.",
        {"start": reading.start, "end": reading.end},
    )


def _jumped_back(reading: Reading, options: DivergedOptions) -> Finding | None:
    """A loss that fell and then jumped back to its initial level."""
    departure = _departure(reading, options)
    if departure is None:
        return None
    step = int(reading.levels.step[departure.first_level])
    return _finding(
        reading,
        step,
        f"The loss diverged near step {step:,}: it rose from {departure.lowest:.3g}, its lowest level, "
        f"to {departure.highest:.3g} and stayed there. It started at {reading.start:.3g}.",
        {"start": reading.start, "best": departure.lowest, "end": reading.end},
    )


def _departure(reading: Reading, options: DivergedOptions) -> _Departure | None:
    levels, start, least = reading.levels.value, reading.start, options.noise * reading.level_error
    stays = int(options.lasting_levels if reading.finished else options.lasting_levels_live)
    lowest = float(median_of_three(levels).min())
    middle = 0.5 * (lowest + float(np.median(levels[-stays:])))
    below = np.flatnonzero(levels < middle)
    index = int(below[-1]) + 1 if below.size else 0
    if index > levels.size - stays or below.size < options.lasting_levels:
        return None
    if min(start, float(levels[index:].min())) - lowest <= least:
        return None
    rise = float(np.median(levels[index:])) - lowest
    if rise < options.rise * (start - lowest):
        return None
    jump = float(levels[min(index + 1, levels.size - 1)] - levels[max(index - 2, 0)])
    if jump <= max(options.jump * rise, least):
        return None
    return _Departure(index, lowest, lowest + rise)


def _rose_with_the_rate(reading: Reading, options: DivergedOptions) -> Finding | None:
    """A loss that fell at a constant rate and rose above its start when the rate rose."""
    levels, stays = reading.levels, int(options.lasting_levels)
    lowest = int(np.argmin(median_of_three(levels.value)))
    if lowest < stays or lowest > levels.value.size - 1 - stays:
        return None
    rates_before = [
        reading.rate_at(step) or 0.0 for step in levels.step[lowest - stays : lowest + 1]
    ]
    rate = rates_before[-1]
    climbed = min(reading.rate_at(step) or 0.0 for step in levels.step[-stays:])
    was_constant = max(rates_before) - min(rates_before) <= _CONSTANT * rate
    if not was_constant or climbed < options.climb * rate or rate == 0.0:
        return None
    before, end = levels.value[: lowest + 1], float(levels.value[-stays:].min())
    least = options.noise * neighbour_std(before, around=float(np.median(np.diff(before))))
    if min(reading.start, end) - before.min() <= least or end < reading.start:
        return None
    step, low = int(levels.step[lowest]), float(before.min())
    last_rate = float(reading.rate.value[-1])
    constant_rate, highest_rate = rate_text(rate, 2), rate_text(last_rate, 2)
    return RULE.finding(
        step=step,
        message=(
            f"The loss diverged as the rate rose: it was {low:.3g} near step {step:,}, at a rate of "
            f"{constant_rate}, and rose to {reading.end:.3g} at {highest_rate}. It started at "
            f"{reading.start:.3g}."
        ),
        evidence={
            "start": reading.start,
            "best": low,
            "end": reading.end,
            "rate": rate,
            "last_rate": last_rate,
        },
        remedy=(
            f"Keep the rate at {constant_rate} or decay it from there. Check the schedule: an exponent with "
            "the wrong sign, for example, makes the rate grow. Resume from a checkpoint before that step."
        ),
    )


def _burst(reading: Reading, options: DivergedOptions) -> Finding | None:
    """A loss that rose far above its start and has not recovered since."""
    loss = reading.finite_loss
    smooth = median_of_three(loss.value)
    start = max(float(loss.value[0]), reading.start)  # the second loss is one after an update
    top = 1 + int(np.argmax(smooth[1:-1]))
    late = loss.value[top:][(loss.value.size - top) // 2 :]
    std = (quantile(late, 0.9) - quantile(late, 0.1)) / (2 * normal_quantile(0.1))
    if top > loss.value.size // 2 or float(np.median(late)) < start - std:
        return None
    highest = float(smooth[top])
    if highest - max(start, float(np.median(late))) <= options.burst * std:
        return None
    step = int(loss.step[top])
    return _finding(
        reading,
        step,
        f"The loss rose sharply from {start:.3g} to {highest:.3g} by step {step:,} and has not dropped "
        f"clearly below {start:.3g} since. It ended at {reading.end:.3g}.",
        {"start": start, "highest": highest, "end": reading.end},
    )


def _validation_exploded(reading: Reading, options: DivergedOptions) -> Finding | None:
    """A validation loss that ends orders of magnitude above the range of the training loss.

    If a batch has one example, the training loss may often be 0 even after the weights exploded.
    """
    loss, validation = reading.finite_loss.value, reading.validation
    start = float(loss[0])
    limit = start + options.explosion * (start - float(loss.min()))
    below = np.flatnonzero(validation.value <= limit)
    since = int(below[-1]) + 1 if below.size else 0
    if limit <= start or since >= validation.value.size:
        return None
    step = int(validation.step[since])
    last = float(validation.value[-1])
    return _finding(
        reading,
        step,
        f"The validation loss exploded by step {step:,}: it ended at {last:.3g}, while the training loss "
        f"started at {start:.3g}.",
        {"start": start, "end": last},
    )


def _finding(reading: Reading, step: int, message: str, evidence: dict[str, object]) -> Finding:
    rate = reading.rate_at(step)
    rate_sentence = "" if rate is None else f" The rate was {rate_text(rate, 2)}."
    target = "" if rate is None else f" to {rate_text(reading.peak / 4, 2)} or less"
    warm_up = (
        " and warm up over the first 5 to 10 % of the run"
        if step < 0.1 * reading.total_steps
        else ""
    )
    remedy = (
        f"Lower the peak rate{target}{warm_up}, and resume from a checkpoint before that step. A "
        "single bad batch has the same effect, so also check the data of that step."
        f"{accumulation_hint(reading)}"
    )
    if step == 0:
        remedy = (
            "No update was made before that loss, so the rate is not its cause. Check the data, the "
            "initial weights and the loss function."
        )
    return RULE.finding(
        step=step,
        message=message + rate_sentence,
        evidence=evidence | {"rate": rate},
        remedy=remedy,
    )


class _Diverged(Rule[DivergedOptions]):
    title = "the loss diverged"
    severity = Severity.ERROR
    early = True
    needs = ("loss",)
    rows = 1
    explains = frozenset(
        {"LR102", "LR103", "LR104", "LR105", "LR108", "LR109", "LR201", "LR202", "LR301", "LR302"}
        | {"LR304", "LR401", "LR402"}
    )

    def check(self, reading: Reading, options: DivergedOptions) -> Finding | None:
        loss = reading.loss
        finite_rows = np.flatnonzero(np.isfinite(loss.value))
        first_bad = int(finite_rows[-1]) + 1 if finite_rows.size else 0
        bad_rows = loss.value.size - first_bad
        if bad_rows >= (1 if reading.finished or not reading.live else options.rows):
            last_finite = float(loss.value[first_bad - 1]) if first_bad else None
            step = int(loss.step[first_bad])
            before = "" if last_finite is None else f". Before that it was {last_finite:.3g}"
            return _finding(
                reading,
                step,
                f"The loss is NaN or infinite from step {step:,} on{before}.",
                {"not_finite_rows": bad_rows, "last_finite": last_finite},
            )
        if finite_rows.size < _LEAST_ROWS or not reading.is_descent or not reading.varies:
            return None
        if reading.live and finite_rows.size < _LEAST_LIVE_ROWS:
            return _exploded(reading, options)
        return (
            _exploded(reading, options)
            or _jumped_back(reading, options)
            or _rose_with_the_rate(reading, options)
            or _burst(reading, options)
            or _validation_exploded(reading, options)
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(loss=np.where(run.step < 350, run.loss, 2.6 + 0.1 * run.noise))


RULE = _Diverged()
