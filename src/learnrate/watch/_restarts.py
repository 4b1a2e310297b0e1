"""Which breaks in the course of a rate belong to its schedule, and which come from an interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from learnrate.watch._cosine import FittedCosine
    from learnrate.watch._rate_course import Gap, RateCourse

__all__ = ["is_half_cosine", "unintended_gap"]

_LEAST_POINTS = 5  # points that a piece needs, so that its course is known
_END_SHARE = 0.01  # a decay has ended if it reached this share of its highest rate
_END_SLACK = 0.03  # how far the end of a cosine may be from the break, as a share of the piece
_WARMUP_SHARE = 0.1  # a constant warm-up ends within this share of the run
_LOWEST_STEP_SHARE = 0.005  # no schedule falls below this share in one step and continues
_STEEP_DROP = 2.5  # ratio of a drop to the largest step before it; stairs between rows give 2
_RISE_ABOVE_HIGHEST = 1.5  # ratio to the highest rate so far
_STILL_SHARE = 0.05  # a decay has ended if the rate is constant for this share of it
_NEW_WARMUP_SHARE = 0.5  # of the rate before: a new warm-up begins below it, and passes it later
_MOST_BREAKS = 4  # more unintended breaks are noise, or a rate computed from data
_LEAST_CYCLES = 3  # breaks at regular distances that make a cycle


def unintended_gap(
    course: RateCourse, *, resumed_at: Iterable[int], edits: set[int], is_live: bool = False
) -> Gap | None:
    """The first break that no schedule explains; None if there is none, or too many.

    Args:
        course: the course of the rate.
        resumed_at: the steps at which the run is known to have been resumed.
        edits: the steps at which a person or a controller changed the rate.
        is_live: whether the run is still running; a first stair of a warm-up is then left open until the
            rate has stood still for longer than before it.
    """
    step, value = course.points
    resumed = sorted(resumed_at)
    unintended: list[Gap] = []
    first = 0
    for gap in course.gaps:
        low, high = step[gap.point], step[gap.point + 1]
        is_edited = any(low - 1 <= edit <= high + 1 for edit in edits)
        is_resumed = any(low < resume <= high + 1 for resume in resumed)
        is_open = is_live and not is_resumed and _may_be_stair(course, gap, first)
        if not (is_edited or is_open) and _is_unintended(
            course, gap, first, is_resumed=is_resumed
        ):
            unintended.append(gap)
        elif not gap.rises and value[gap.point] < value[max(first, gap.point - 1)]:
            continue  # a steep step of a fall that continues
        first = gap.point + 1
    if not unintended or len(unintended) > _MOST_BREAKS:
        return None
    if not resumed and _is_irregular(course):
        return None
    rises = [gap for gap in course.gaps if gap.rises]
    if _are_regular(step, rises) and not resumed:
        return next((gap for gap in unintended if not gap.rises), None)
    return unintended[0]


def _is_unintended(course: RateCourse, gap: Gap, first: int, *, is_resumed: bool) -> bool:
    """Whether the piece from a point to a break does not explain it.

    Args:
        course: the course of the rate.
        gap: the break.
        first: the index of the first point of the piece before it.
        is_resumed: whether the run is known to have been resumed there.
    """
    value = course.points.value
    piece = value[first : gap.point + 1]
    if not gap.rises:
        return is_resumed or _drops(course, gap, first)
    if _exceeds_all(course, gap):
        return True
    # A short piece may begin at a fall that was mistaken for a break; a known resume does not need the piece.
    fall = _fall(value[: gap.point + 1] if is_resumed and piece.size < 2 else piece)
    if fall > 1 and value[gap.point] < 0.995 * value[gap.point + 1 - fall]:
        if fall < (2 if is_resumed else _LEAST_POINTS):
            return False
        return not _has_ended(course, gap, gap.point + 1 - fall, is_resumed=is_resumed)
    if gap.is_corner or is_resumed:
        return is_resumed and not gap.is_corner
    is_constant = bool(np.ptp(piece) <= 1e-6 * course.peak)
    if not is_constant:
        fewest = _LEAST_POINTS
    elif first == 0:
        fewest = 3
    else:  # one stage of a step decay shows that it is one
        fewest = 1 if first > 1 and value[first - 1] == value[first - 2] else 2
    return piece.size >= fewest and not _is_warmup(course, gap, first, is_constant=is_constant)


def _may_be_stair(course: RateCourse, gap: Gap, first: int) -> bool:
    """Whether a rise between constant stretches may be a stair: the second is not the longer one."""
    value = course.points.value
    before, after = value[first : gap.point + 1], value[gap.point + 1 :]
    stands = np.ptp(before) == 0.0 and np.ptp(after) == 0.0
    return bool(stands and gap.rises and after.size <= before.size + 1)


def _fall(piece: np.ndarray) -> int:
    """The number of points from the start of the last fall of a piece to its end."""
    rises = np.flatnonzero(np.diff(piece) > 1e-6 * piece.max())
    tail = piece[rises[-1] + 1 if rises.size else 0 :]
    top = int(np.flatnonzero(tail >= 0.999 * tail.max())[-1])
    return int(tail.size - top)


def _exceeds_all(course: RateCourse, gap: Gap) -> bool:
    """Whether a rise leads far above all rates before: a restart leads to the peak at most."""
    before = course.points.value[: gap.point + 1]
    has_fallen = bool((np.diff(before) < 0).any())
    return (
        has_fallen
        and not gap.is_corner
        and before.size >= _LEAST_POINTS
        and gap.after > _RISE_ABOVE_HIGHEST * float(before.max())
    )


def _drops(course: RateCourse, gap: Gap, first: int) -> bool:
    """Whether a drop is neither a step decay nor the end of the schedule."""
    value = course.points.value
    piece, after = value[first : gap.point + 1], value[gap.point + 1 :]
    stands = np.ptp(after) <= 1e-6 * course.peak
    if gap.after > 0 and after.size >= 3 and after.max() < _LOWEST_STEP_SHARE * gap.before:
        return not stands
    warms_again = (
        gap.after < _NEW_WARMUP_SHARE * gap.before
        and after.size > 2
        and after[1] > after[0]
        and after.max() >= _NEW_WARMUP_SHARE * gap.before
    )
    if np.ptp(piece) <= 1e-6 * course.peak:
        return bool(warms_again and piece.size >= 3)
    fall = _fall(piece)
    if fall < _LEAST_POINTS or piece[-1] >= 0.995 * piece[-fall]:
        return bool(warms_again and piece.size >= _LEAST_POINTS)
    nearby = np.abs(np.diff(piece[-_LEAST_POINTS:]))
    is_steep = gap.before - gap.after > _STEEP_DROP * float(nearby.max())
    still_falls = np.ptp(piece[-3:]) > 0.0
    return bool(after.size >= 3 and is_steep and still_falls and (warms_again or not stands))


def _has_ended(course: RateCourse, gap: Gap, top: int, *, is_resumed: bool) -> bool:
    """Whether the fall from a point on had come to its end at a break.

    Args:
        course: the course of the rate.
        gap: the break.
        top: the index of the first point of the fall.
        is_resumed: whether the run is known to have been resumed there.
    """
    step, value = course.points
    end = gap.point + 1
    fall_value, fall_step = value[top:end], step[top:end]
    still = max(3, int(_STILL_SHARE * fall_value.size))
    stood = fall_value.size > still and np.ptp(fall_value[-still:]) <= 1e-6 * course.peak
    if stood and fall_value[-1] < 0.9 * fall_value[0]:
        return True
    cosine = course.cosine(top, end)
    if cosine is None:  # the last point may lie on a new warm-up already
        cosine = course.cosine(top, end - 1)
    if cosine is not None and is_half_cosine(cosine, fall_step):
        slack = max(1.5, _END_SLACK * float(fall_step[-1] - fall_step[0]))
        trough = cosine.trough_after(float(fall_step[0]))
        return bool(step[gap.point] - slack <= trough <= step[gap.point + 1] + slack)
    steps = -np.diff(fall_value)
    if steps.size >= _LEAST_POINTS and steps[-1] > _STEEP_DROP * steps[-_LEAST_POINTS:-1].max():
        return False  # it dropped before it rose
    if gap.is_corner and not is_resumed:
        return True
    lowest = float(value[:top].min()) if top else 0.0
    base = lowest if lowest < 0.5 * fall_value[0] else 0.0  # where it began to rise, in a cycle
    if gap.before <= max(_END_SHARE * float(fall_value[0]), base):
        return True
    slack = _END_SLACK * float(fall_step[-1] - fall_step[0])
    back = max(2, fall_value.size // 10)  # far enough for the rounding of the log not to matter
    slope = (fall_value[-1] - fall_value[-back]) / (fall_step[-1] - fall_step[-back])
    return bool(gap.before + slope * (step[end] - step[end - 1] + slack) <= base)


def is_half_cosine(cosine: FittedCosine, step: np.ndarray) -> bool:
    """Whether a fit is the fall of a cosine and not a straight line taken for a long one."""
    share = (float(step[-1]) - cosine.crest) / cosine.half_period
    begins_at_crest = abs(step[0] - cosine.crest) <= 0.1 * cosine.half_period + step[1] - step[0]
    return bool(0.2 < share < 1.1 and begins_at_crest)


def _is_warmup(course: RateCourse, gap: Gap, first: int, *, is_constant: bool) -> bool:
    """Whether a rise from a piece that never fell ends a constant warm-up, or is one of its stairs.

    Stairs are of one length, or of one height from 0 on.
    """
    step, value = course.points
    if first == 0 and is_constant and step[gap.point] <= _WARMUP_SHARE * step[-1]:
        return True
    before = value[: gap.point + 1]
    if (np.diff(before) < 0).any():
        return False
    levels = np.unique(np.append(before, gap.after))
    if levels.size >= 2:
        heights = np.diff(levels)
        from_zero = np.append(heights, levels[0])
        if np.ptp(from_zero) <= 0.02 * from_zero.max():
            return True
        if heights.size > 1 and np.ptp(heights) <= 0.02 * heights.max():
            return True
    starts = [0, *(int(row) + 1 for row in np.flatnonzero(np.diff(value[: gap.point + 2])))]
    lengths = np.diff(starts)
    later = value[gap.point + 1 :]
    stand = int(np.argmax(np.append(later != later[0], True)))
    lengths = np.append(lengths, stand)
    return bool(lengths.size >= 3 and lengths[-3:].min() > 1 and np.ptp(lengths[-3:]) <= 2)


def _is_irregular(course: RateCourse) -> bool:
    """Whether the rate rises again and again after falls too short to have a course."""
    value = course.points.value
    falls = [
        _fall(value[max(0, gap.point + 1 - 2 * _LEAST_POINTS) : gap.point + 1])
        for gap in course.gaps
        if gap.rises
    ]
    return sum(1 < fall < _LEAST_POINTS for fall in falls) > _MOST_BREAKS


def _are_regular(step: np.ndarray, gaps: list[Gap]) -> bool:
    """Whether breaks come at equal distances, or at distances that grow by a whole factor."""
    if len(gaps) < _LEAST_CYCLES:
        return False
    last = np.array([step[gap.point] for gap in gaps])
    after = np.array([step[gap.point + 1] for gap in gaps])
    distances = np.diff(after)
    slack = float((after - last).max()) + 1.0
    factors = np.round(distances[1:] / distances[:-1])
    if (factors < 1).any() or np.ptp(factors) > 0:
        return False
    return bool((np.abs(distances[1:] - factors * distances[:-1]) <= (1 + factors) * slack).all())
