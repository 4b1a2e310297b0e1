"""LR201: the rate is so low that the loss falls too slowly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "TooSlowOptions"]

_REMEDY = "Raise the peak rate about tenfold, or let learnrate plan find it."


@dataclass(frozen=True, kw_only=True)
class TooSlowOptions(RuleOptions):
    """Thresholds of LR201. The progress of a run is the sum of its rates so far over the whole sum.

    Attributes:
        second_half: the second half of the progress must have brought this share of the fall; a
            straight fall has 0.5, one that slows down has less.
        quarter: each of the last three quarters of the progress must have brought this share of the
            fall, where a straight fall has 0.25. A loss that stands or rises in between is held up
            by its noise, and the rate is too high.
        first: the first twentieth of the progress may have brought this share of the fall, where a
            straight fall has 0.05. It brought up to 0.16 in runs at a hundredth of the rate, and
            0.24 or more in healthy runs and in those at too high a rate.
        left: a loss above 0 must still have this share of its start; a loss that fell further was
            not slow, whatever its course.
        moved: a loss that does not fall visibly is slow if the norms of all updates add up to less
            than this share of the norm of the weights; see LR402.
        share_done: this share of the run must be over.
    """

    second_half: float = 0.2
    quarter: float = 0.045
    first: float = 0.2
    left: float = 0.25
    moved: float = 0.25
    share_done: float = 0.25


def _check(reading: Reading, options: TooSlowOptions) -> Finding | None:
    if reading.steps_done < options.share_done * reading.total_steps:
        return None
    if reading.moved is not None and reading.moved < options.moved:
        level = float(np.median(reading.levels.value[-3:]))
        if abs(reading.start - level) <= 4.0 * reading.level_error:
            return _hardly_moved(reading, reading.moved)
    return _straight_fall(reading, options)


def _hardly_moved(reading: Reading, moved: float) -> Finding:
    return RULE.finding(
        step=None,
        message=(
            f"The loss stays near {reading.start:.3g}, and the weights hardly move: "
            f"{reading.steps_done:,} updates moved them by {share_text(moved)} of their norm at "
            "most."
        ),
        evidence={
            "start": reading.start,
            "end": reading.end,
            "moved": moved,
            "peak": reading.peak_or_none,
        },
        remedy=_REMEDY,
    )


def _straight_fall(reading: Reading, options: TooSlowOptions) -> Finding | None:
    """A loss that falls in proportion to the sum of the rates is still at its beginning."""
    levels, progress = reading.levels, _progress(reading)
    if progress is None or reading.fall <= 0:
        return None
    marks = np.interp([0.05, 0.25, 0.5, 0.75], progress, levels.value)
    end = float(np.median(levels.value[-3:]))
    fall = reading.start - end
    if fall <= 4.0 * reading.level_error or 0.0 < end < options.left * reading.start:
        return None
    first = float(reading.start - marks[0]) / fall
    quarters = -np.diff([*marks[1:], end]) / fall
    half = float(quarters[1:].sum())
    if half < options.second_half or quarters.min() < options.quarter or first > options.first:
        return None
    return RULE.finding(
        step=int(levels.step[int(np.searchsorted(progress, 0.5))]),
        message=(
            f"The loss falls too slowly, from {reading.start:.3g} to {end:.3g} in "
            f"{reading.steps_done:,} updates, and almost in a straight line: {share_text(half)} of "
            "the fall came in the second half of the summed rate, so the run is still at its "
            "beginning."
        ),
        evidence={
            "start": reading.start,
            "end": end,
            "second_half_share": half,
            "first_twentieth_share": first,
            "last_quarter_share": float(quarters[-1]),
            "peak": reading.peak_or_none,
        },
        remedy=_REMEDY,
    )


def _progress(reading: Reading) -> np.ndarray | None:
    """The sum of the rates up to each level over the whole sum, or of updates if none is recorded.

    In units of the summed rate a slow run falls straight under any schedule, because each update
    then moves the weights by the same small amount per unit of rate.
    """
    steps = reading.levels.step.astype(float)
    rate = reading.rate
    if rate.step.size > 1 and reading.peak > 0:
        spans = np.diff(rate.step, append=2 * rate.step[-1] - rate.step[-2])
        sums = np.concatenate([[0.0], np.cumsum(rate.value * spans)])
        progress = np.interp(steps, np.append(rate.step, rate.step[-1] + spans[-1]), sums)
        whole = sums[-1]
    else:
        progress, whole = steps - steps[0], float(reading.steps_done - steps[0])
    return None if whole <= 0 else progress / whole


RULE = Rule(
    code="LR201",
    name="too_slow",
    title="the rate is too low: the loss falls too slowly",
    severity=Severity.WARNING,
    needs=("loss",),
    options=TooSlowOptions(),
    check=_check,
    example=lambda run: run.observed(
        loss=2.3 - 0.4 * np.cumsum(run.lr) / run.lr.sum() + 0.02 * run.noise
    ),
    explains=frozenset({"LR301", "LR302"}),
)
