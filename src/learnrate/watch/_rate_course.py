"""The course of a rate: the rounding of its log, its stairs, and its breaks.

A rate is computed, not measured, so it is judged without statistics: a course is continuous if the
lines through the rows before and after a gap meet in the gap, or miss each other by no more than
its curvature and the rounding explain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from learnrate.watch._cosine import fit_cosine, fit_started_cosine
from learnrate.watch._tracks import Track

if TYPE_CHECKING:
    from learnrate.watch._cosine import FittedCosine

__all__ = ["SWINGS", "Gap", "RateCourse", "Swing"]

SWINGS = 5  # half periods of a cosine that is stepped past its end; more mean a wrong clock

_MOST_SAMPLED = 500  # values whose digits are counted, to learn how a log rounds
_LEAST_DISTINCT = 10  # different values that are needed for that
_PRECISION = 1e-6  # relative error of a rate in single precision, with some room
_LEAST_STAIRS = 8  # equal stairs that make a staircase
_LEAST_POINTS = 5  # points: two lines, and a point for the curvature of one
_PASSES = 3
_MOST_BREAKS = 300  # breaks that are looked for; more do not add to what is known of a rate
_REGULAR_SHARE = 0.8  # share of the stairs that have one length, or whole multiples of it
_LEAST_BREAK = 0.05  # smaller breaks, as shares of the rate, do not matter
_LEAST_COSINE_POINTS = 8  # points for the fit of a cosine: twice its parameters
_LEAST_DIFFERENT_RATES = 5  # its three parameters would fit any three rates
_LEAST_BREAK_OF_PEAK = 0.005  # smaller breaks, as shares of the highest rate, do not matter


@dataclass(frozen=True)
class Gap:
    """A break of the course between two neighbouring points.

    Attributes:
        point: the index of the last point before it.
        row: the index of the first row after it, among the rows of the rate.
        before: the rate before it.
        after: the rate after it.
        expected: what the course before it leads to.
        is_corner: whether the courses before and after meet in the gap, so that the rate turned and
            did not jump.
    """

    point: int
    row: int
    before: float
    after: float
    expected: float
    is_corner: bool = False

    @property
    def rises(self) -> bool:
        """Whether the rate is higher after it, and higher than its course leads to."""
        return self.after > max(self.before, self.expected)


class Swing(NamedTuple):
    """A cosine that fell to its lowest value and climbs again, as torch's does past its end.

    Attributes:
        trough: the step at which it was lowest for the first time.
        half_periods: how many of its half periods the rows span.
    """

    trough: float
    half_periods: float


class RateCourse:
    """The rows of a rate, with one point for each stair if it rises or falls in equal stairs.

    Args:
        rate: the absolute rates.
    """

    def __init__(self, rate: Track) -> None:
        self.rate = rate

    @cached_property
    def peak(self) -> float:
        """The highest rate that was recorded; 0 without any."""
        return float(self.rate.value.max()) if self.rate.value.size else 0.0

    @cached_property
    def tolerance(self) -> np.ndarray:
        """(rows,) how far each rate may be from the true one by the rounding of the log."""
        value = self.rate.value
        sampled = value[:: max(1, value.size // _MOST_SAMPLED)]
        decimals, digits = 0, 1
        positive = sampled[sampled > 0]
        exact = _PRECISION * float(positive.min(initial=math.inf))
        for number in positive.tolist():
            if 0.5 * 10.0 ** (1 - digits) <= _PRECISION and 0.5 * 10.0**-decimals <= exact:
                break  # further digits would not count beside the precision
            mantissa, _, exponent = f"{number!r}".partition("e")
            whole, _, fraction = mantissa.partition(".")
            fraction = fraction.rstrip("0")
            decimals = max(decimals, len(fraction) - int(exponent or 0))
            digits = max(digits, len((whole + fraction).strip("0")))
        if (
            np.unique(sampled).size < _LEAST_DISTINCT
        ):  # too few to tell short numbers from rounded ones
            return np.asarray(_PRECISION * value)
        relative = max(_PRECISION, 0.5 * 10.0 ** (1 - digits))
        return np.asarray(relative * value + 0.5 * 10.0**-decimals)

    @cached_property
    def rows(self) -> np.ndarray:
        """The row numbers of the points: the first of each stair, or all rows without equal stairs."""
        n = self.rate.value.size
        change = np.abs(np.diff(self.rate.value))
        changed = np.flatnonzero(change > 1.1 * (self.tolerance[1:] + self.tolerance[:-1])) + 1
        starts = np.concatenate([[0], changed])
        lengths = np.diff(np.append(starts, n))
        stairs = lengths[1:-1][lengths[1:-1] > 1]
        if stairs.size < _LEAST_STAIRS or stairs.sum() < 0.5 * lengths[1:-1].sum():
            return np.arange(n)
        length = float(np.median(stairs))
        multiples = np.maximum(1.0, np.round(stairs / length))
        is_regular = np.abs(stairs - multiples * length) <= np.maximum(1.0, 0.02 * stairs)
        if is_regular.mean() < _REGULAR_SHARE:
            return np.arange(n)
        return _spread(starts, lengths, length)

    @property
    def has_stairs(self) -> bool:
        """Whether the rate is constant for a number of rows, repeatedly."""
        return bool(self.rows.size < self.rate.value.size)

    @cached_property
    def points(self) -> Track:
        """One row for each stair, or all rows."""
        return Track(self.rate.step[self.rows].astype(float), self.rate.value[self.rows])

    @cached_property
    def gaps(self) -> list[Gap]:
        """The first places at which the course is broken, in order."""
        step, value = self.points
        if value.size < _LEAST_POINTS:
            return []
        tolerance = self.tolerance[self.rows]
        is_broken = np.zeros(value.size - 1, dtype=bool)
        for _ in range(_PASSES):  # a known break no longer counts as curvature beside it
            broken = is_broken | _broken(step, value, tolerance, is_broken)
            if (broken == is_broken).all():
                break
            is_broken = broken
        slope = np.diff(value) / np.diff(step)
        return [
            Gap(
                point=int(i),
                row=int(self.rows[i + 1]),
                before=float(value[i]),
                after=float(value[i + 1]),
                expected=float(value[i] + slope[i - 1] * (step[i + 1] - step[i])),
                is_corner=not is_broken[i],
            )
            for i in np.flatnonzero(is_broken | _turns(value, tolerance))[:_MOST_BREAKS]
        ]

    @cached_property
    def swing(self) -> Swing | None:
        """The cosine that the rate follows from its peak on, past its lowest value."""
        return self._seen_swing or self._fast_swing

    @cached_property
    def _fast_swing(self) -> Swing | None:
        """A cosine from step 0 to 0 and back, many times, whose rows are too far apart to see its course."""
        step, value = Track(self.rate.step[:_MOST_SAMPLED], self.rate.value[:_MOST_SAMPLED])
        if value.size < _LEAST_COSINE_POINTS or not 0 < float(value.min()) < 0.5 * self.peak:
            return None
        changes = np.sign(np.diff(value))
        changes = changes[changes != 0]
        if (
            changes[1:] != changes[:-1]
        ).sum() < SWINGS:  # a slow course is never taken for a fast one
            return None
        tolerance = _tolerated(self.tolerance, self.peak)
        cosine = fit_started_cosine(step, value, least_half_periods=SWINGS, tolerance=tolerance)
        if cosine is None or np.abs(self.rate.value - cosine.at(self.rate.step)).max() > tolerance:
            return None
        last = float(self.rate.step[-1])
        return Swing(cosine.crest + cosine.half_period, last / cosine.half_period)

    @cached_property
    def _seen_swing(self) -> Swing | None:
        step, value = self.points
        if value.size < _LEAST_COSINE_POINTS or self.peak <= 0:
            return None
        top = int(np.argmax(value >= 0.999 * self.peak))
        climbs = np.diff(value[top:]) > 0
        cosine = self.cosine(top, value.size) if climbs.any() else None
        if cosine is None:
            return None
        spread = np.round((value[top:] - value.min()) / (0.01 * self.peak))
        starts_at_crest = abs(cosine.crest - step[top]) <= max(
            0.05 * cosine.half_period, float(step[1] - step[0])
        )
        half_periods = float(step[-1] - step[top]) / cosine.half_period
        if (
            half_periods <= 1.0
            or not starts_at_crest
            or np.unique(spread).size < _LEAST_DIFFERENT_RATES
        ):
            return None
        return Swing(cosine.crest + cosine.half_period, half_periods)

    def cosine(self, first: int, end: int) -> FittedCosine | None:
        """The cosine through some points, if they lie on one; None if they do not.

        Args:
            first: the index of the first point.
            end: the index after the last point.
        """
        step, value = self.points
        fit = fit_cosine(step[first:end], value[first:end])
        if fit is None or fit.amplitude <= 0:
            return None
        tolerance = _tolerated(
            self.tolerance[self.rows[first:end]], float(np.ptp(value[first:end]))
        )
        return fit if fit.residual <= tolerance else None


def _tolerated(tolerance: np.ndarray, height: float) -> float:
    """How far a rate may be from a cosine of some height that it follows."""
    return 2.0 * float(tolerance.max()) + 1e-3 * height


def _broken(
    step: np.ndarray, value: np.ndarray, tolerance: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """(points - 1,) in which gaps the course before and the course after do not meet.

    Args:
        step: (points,) in rising order.
        value: (points,) the rates.
        tolerance: (points,) how far a rate may be from the true one by rounding.
        known: (points - 1,) the gaps that are known to be broken.
    """
    width = np.diff(step)
    ahead, slack_ahead = _extrapolated(step, value, tolerance, known)
    # Backwards in time: the same with both axes reversed.
    back, slack_back = _extrapolated(-step[::-1], value[::-1], tolerance[::-1], known[::-1])
    back, slack_back = back[::-1], slack_back[::-1]
    slope = np.diff(value) / width
    before = np.concatenate([[0.0], slope[:-1]]) * width  # the line before, over the gap
    after = np.concatenate([slope[1:], [0.0]]) * width
    change = np.diff(value)
    meets = (before - change) * (change - after) >= 0.0  # the lines cross within the gap
    missed_ahead, missed_back = np.abs(value[1:] - ahead), np.abs(value[:-1] - back)
    missed = np.minimum(
        np.minimum(missed_ahead, missed_back),
        np.minimum(np.abs(before - change), np.abs(change - after)),
    )
    largest = np.maximum(value[1:], value[:-1])
    broken = ~meets & (missed_ahead > slack_ahead) & (missed_back > slack_back)
    broken &= missed > np.maximum(_LEAST_BREAK * largest, _LEAST_BREAK_OF_PEAK * value.max())
    broken[0] = broken[-1] = False
    return np.asarray(broken)


def _turns(value: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """(points - 1,) whether the rate fell up to a point and rises noticeably after it.

    Args:
        value: (points,) the rates.
        tolerance: (points,) how far a rate may be from the true one by rounding.
    """
    change = np.diff(value)
    falls = np.concatenate([[False], change[:-1] < -tolerance[1:-1]])
    rises = (
        change
        > np.maximum(_LEAST_BREAK * value[1:], _LEAST_BREAK_OF_PEAK * value.max()) + tolerance[1:]
    )
    return np.asarray(falls & rises)


def _extrapolated(
    step: np.ndarray, value: np.ndarray, tolerance: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(points - 1,) the value after each gap, extrapolated from the points before it, and its error.

    The line through the last two points is continued with the curvature before them. Its error is half of
    this curvature plus the change of the curvature. If the curvature is not known, the error is as large as
    the rise of the line; a constant rate has no curvature.
    """
    width = np.diff(step)
    slope = np.diff(value) / width
    is_piece = ~known
    line = np.full(width.size, np.nan)
    line[1:] = np.where(is_piece[:-1], slope[:-1], np.nan) * width[1:]
    bend = np.full(width.size, np.nan)
    bend[2:] = np.where(is_piece[:-2] & is_piece[1:-1], np.diff(slope)[:-1], np.nan) * width[2:]
    change = np.full(width.size, np.nan)
    change[3:] = bend[3:] - bend[2:-1]
    rounding = 3.0 * np.concatenate([[tolerance[0]], tolerance[1:-1] + tolerance[:-2]])
    rounding = rounding + tolerance[1:]
    stands = np.abs(line) <= rounding
    unknown = np.where(stands, 0.0, np.abs(line))
    slack = np.where(
        np.isnan(bend),
        unknown,
        0.5 * np.abs(bend) + np.abs(np.where(np.isnan(change), bend, change)),
    )
    expected = value[:-1] + line + np.nan_to_num(bend) + np.nan_to_num(change)
    still = stands & ~np.isnan(line)
    expected = np.where(still, value[:-1], expected)
    slack = np.where(still, 0.0, slack) + rounding
    no_line = np.isnan(line)
    return np.where(no_line, value[:-1], expected), np.where(no_line, np.abs(value[:-1]), slack)


def _spread(starts: np.ndarray, lengths: np.ndarray, length: float) -> np.ndarray:
    """A row for each stair, and several for a run as long as several stairs."""
    counts = np.maximum(1, np.round(lengths / length)).astype(int)
    firsts = np.repeat(starts, counts)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(firsts + np.round(place * length).astype(int))
