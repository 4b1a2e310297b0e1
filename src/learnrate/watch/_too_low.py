"""LR201 and LR202: the rate is so low that little or nothing is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate._statistics import rising_rank_p
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._reading import levels_of, share_text
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["NOT_LEARNING", "TOO_SLOW", "NotLearningOptions", "TooSlowOptions"]


_RAISE = "Raise the peak rate about tenfold, or let learnrate plan find it."


@dataclass(frozen=True, kw_only=True)
class TooSlowOptions(RuleOptions):
    """Thresholds of LR201.

    Attributes:
        second_half: the share of the fall that the second half of all learning (half of the sum of
            rates) must have brought; a straight fall has 0.5, one that slows down less.
        quarter: the same of each of its last three quarters, where a straight fall has 0.25; a
            loss that stands or rises in between is kept up by its noise, and the rate too high.
        first: the share that its first twentieth may have brought, where a straight fall has 0.05.
            Of runs at a hundredth of the rate it brought up to 0.16, of healthy runs and of those
            at a rate too high 0.24 or more.
        left: the share of its start that a loss above 0 must still have; one that fell to less
            was not slow, whatever its course.
        moved: a loss that does not fall visibly is a slow one's if all updates added up moved the
            weights by less than this share of their size; see LR402.
        seen: the share of the run that must be over.
    """

    second_half: float = 0.2
    quarter: float = 0.045
    first: float = 0.2
    left: float = 0.25
    moved: float = 0.25
    seen: float = 0.25


def _too_slow(reading: Reading, options: TooSlowOptions) -> Finding | None:
    if reading.seen < options.seen * reading.length:
        return None
    if reading.moved is not None and reading.moved < options.moved:
        level = float(np.median(reading.levels.value[-3:]))
        if abs(reading.start - level) <= 4.0 * reading.wobble:
            return _hardly_moved(reading, reading.moved)
    return _straight(reading, options)


def _hardly_moved(reading: Reading, moved: float) -> Finding:
    return Finding(
        code=TOO_SLOW.code,
        severity=TOO_SLOW.severity,
        step=None,
        message=(
            f"The loss stays near {reading.start:.3g}, and the weights where they are: "
            f"{reading.seen:,} updates moved them by {share_text(moved)} of their size at most."
        ),
        evidence={
            "start": reading.start,
            "end": reading.end,
            "moved": moved,
            "peak": reading.peak if reading.rate.step.size else None,
        },
        remedy=_RAISE,
    )


def _straight(reading: Reading, options: TooSlowOptions) -> Finding | None:
    """A loss that falls as the sum of the rates, which is to say that it has hardly begun."""
    levels, clock = reading.levels, _learning(reading)
    if clock is None or reading.fall <= 0:
        return None
    marks = np.interp([0.05, 0.25, 0.5, 0.75], clock, levels.value)
    end = float(np.median(levels.value[-3:]))
    fall = reading.start - end
    if fall <= 4.0 * reading.wobble or 0.0 < end < options.left * reading.start:
        return None
    first = float(reading.start - marks[0]) / fall
    quarters = -np.diff([*marks[1:], end]) / fall
    half = float(quarters[1:].sum())
    if half < options.second_half or quarters.min() < options.quarter or first > options.first:
        return None
    return Finding(
        code=TOO_SLOW.code,
        severity=TOO_SLOW.severity,
        step=int(levels.step[int(np.searchsorted(clock, 0.5))]),
        message=(
            f"The loss falls too slowly, from {reading.start:.3g} to {end:.3g} in "
            f"{reading.seen:,} updates, and almost in a straight line: {share_text(half)} of the "
            "fall came in the second half of the learning, so the run is still at its beginning."
        ),
        evidence={
            "start": reading.start,
            "end": end,
            "second_half_share": half,
            "first_twentieth_share": first,
            "last_quarter_share": float(quarters[-1]),
            "peak": reading.peak if reading.rate.step.size else None,
        },
        remedy=_RAISE,
    )


def _learning(reading: Reading) -> np.ndarray | None:
    """How much was learned up to a level, from 0 to 1: the sum of rates, or updates without them.

    In units of the summed rate a slow run falls straight whatever its schedule, since each update
    then moves the weights by the same small amount per unit of rate.
    """
    steps = reading.levels.step.astype(float)
    rate = reading.rate
    if rate.step.size > 1 and reading.peak > 0:
        spans = np.diff(rate.step, append=2 * rate.step[-1] - rate.step[-2])
        sums = np.concatenate([[0.0], np.cumsum(rate.value * spans)])
        clock = np.interp(steps, np.append(rate.step, rate.step[-1] + spans[-1]), sums)
        whole = sums[-1]
    else:
        clock, whole = steps - steps[0], float(reading.seen - steps[0])
    return None if whole <= 0 else clock / whole


@dataclass(frozen=True, kw_only=True)
class NotLearningOptions(RuleOptions):
    """Thresholds of LR202.

    Attributes:
        ratio: an update-to-weight ratio below which weights count as frozen. Updates of a share
            near 1e-3 are usual; float32 cannot even represent a share below 6e-8.
        share: of the rows in which the rate is 0, or the ratio below that.
        significance: of the rank test by which a loss still falls.
        fall: the share of its start by which a loss must have fallen to count as learning.
        moved: a flat loss is said to be the rate's only where all updates added up moved the
            weights by less than this share of their size, if that was recorded; see LR402.
        seen: the share of the run that must be over, where the loss alone speaks.
    """

    ratio: float = 1e-8
    share: float = 0.9
    significance: float = 0.01
    fall: float = 0.01
    moved: float = 0.25
    seen: float = 0.1


def _not_learning(reading: Reading, options: NotLearningOptions) -> Finding | None:
    rate, ratio = reading.rate, reading.track("update_ratio")
    zero = float(np.mean(rate.value == 0.0)) if rate.step.size else 0.0
    still = float(np.mean(ratio.value < options.ratio)) if ratio.step.size else 0.0
    evidence = {
        "start": reading.start,
        "end": reading.end,
        "share_of_rows_at_rate_0": zero,
        "share_of_rows_without_update": still,
        "peak": reading.peak if rate.step.size else None,
    }
    if zero >= options.share:
        why = f"the rate is 0 in {share_text(zero)} of the rows"
        remedy = "Set the rate: a schedule that starts at 0 must be stepped, before every update."
    elif still >= options.share:
        why = f"the updates change the weights by less than {options.ratio:g} of their size"
        remedy = (
            "Check that the optimizer holds the parameters of the model that is trained, and that "
            "they require gradients; then that the rate is not vanishingly small."
        )
    elif _flat(reading, options) and not _at_chance(reading):
        why = f"the loss never leaves {reading.start:.4g}"
        rate_is = f" of {rate_text(reading.peak, 2)}" if rate.step.size else ""
        remedy = (
            f"Raise the peak rate{rate_is} a hundredfold for a short test, or run learnrate find; "
            "if the loss stays, check that the optimizer holds the model's parameters."
        )
    else:
        return None
    return Finding(
        code=NOT_LEARNING.code,
        severity=NOT_LEARNING.severity,
        step=None,
        message=f"Nothing is learned in {reading.seen:,} updates: {why}.",
        evidence=evidence,
        remedy=remedy,
    )


def _at_chance(reading: Reading) -> bool:
    """Whether the loss lies where LR402 speaks."""
    return reading.chance is not None and abs(reading.end / reading.chance - 1.0) < 0.1


def _flat(reading: Reading, options: NotLearningOptions) -> bool:
    """Whether the loss shows neither a falling trend nor a fall, from its first row on."""
    if reading.seen < options.seen * reading.length:
        return False
    if reading.moved is not None and reading.moved >= options.moved:
        return False
    least = options.fall
    levels = levels_of(reading.finite, 24).value
    low, high = levels[-8:].mean(), max(reading.start, levels[:3].mean())
    if abs(high - low) > least * abs(high) + 4.0 * reading.wobble:
        return False
    spread = float(levels.max() - levels.min())
    if spread > 4.0 * least * abs(high) + 10.0 * reading.wobble:
        return False
    falls = rising_rank_p((-levels).tolist()) < options.significance
    return not (falls and high - low > 0.2 * least * abs(high))


TOO_SLOW = Rule(
    code="LR201",
    title="the rate is too low: the loss falls too slowly",
    severity=Severity.WARNING,
    needs=("loss",),
    options=TooSlowOptions(),
    check=_too_slow,
    explains=frozenset({"LR301", "LR302"}),
)
NOT_LEARNING = Rule(
    code="LR202",
    title="nothing is learned: the weights are frozen, or the rate is 0",
    severity=Severity.ERROR,
    needs=("loss",),
    options=NotLearningOptions(),
    check=_not_learning,
    explains=frozenset({"LR201", "LR301", "LR302", "LR402", "LR103"}),
)
