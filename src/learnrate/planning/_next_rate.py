"""Which rate of a length comes next, from the losses of those tried. Pure arithmetic."""

from __future__ import annotations

import math

__all__ = ["SPACING", "lowest_at", "middle_of_gap", "next_on_climb", "rate_beyond"]

SPACING = 0.5 * math.log(10.0)  # between the rates of a rung: half a decade
_MIN_GAP = 0.8 * SPACING  # a wider gap beside the best rate is halved
_FINEST_GAP = 0.2 * SPACING  # a gap wider than this is halved if its ends differ in loss
_MAX_TRIALS = 9  # on one rung: four decades at half a decade apart


def next_on_climb(losses: dict[float, float], margin: float = 0.0) -> tuple[float, str] | None:
    """The next log rate on the way to a bracket, and why; None once there is one.

    Args:
        losses: the log loss at each log rate tried.
        margin: how much higher than the best one a rate on each side must end.

    Examples:
        >>> next_on_climb({0.0: 1.0, 1.0: 0.5})[1], next_on_climb({0.0: 1.0, 1.0: 0.5, 2.0: math.inf})
        ('the highest rate tried was the best', None)
    """
    lowest, highest, best = min(losses), max(losses), lowest_at(losses)
    if len(losses) >= _MAX_TRIALS:
        return None
    if math.isinf(losses[best]):
        return lowest - SPACING, "every higher rate diverged"
    if len(losses) == 1:
        return best + SPACING, "it is just above the best rate expected here"
    if best == lowest:
        return lowest - SPACING, "the lowest rate tried was the best"
    if best == highest:
        return highest + SPACING, "the highest rate tried was the best"
    return _enclosed(losses, margin)


def _enclosed(losses: dict[float, float], margin: float) -> tuple[float, str] | None:
    """The log rate beyond a side on which none ends clearly higher, and why; None if both have one."""
    best = lowest_at(losses)
    clearly_worse = [rate for rate in losses if losses[rate] > losses[best] + margin]
    if all(rate < best for rate in clearly_worse):
        return max(losses) + SPACING, "no higher rate ended clearly higher"
    if all(rate > best for rate in clearly_worse):
        return min(losses) - SPACING, "no lower rate ended clearly higher"
    return None


def rate_beyond(losses: dict[float, float], far: float) -> float | None:
    """The next log rate beyond the end closer to the best one; None if both ends are far above it.

    Args:
        losses: the log loss at each log rate tried.
        far: how much higher than the best an end must be.

    Examples:
        >>> rate_beyond({0.0: 3.0, 1.0: 1.0, 2.0: 1.2}, 0.5) > 2.0
        True
        >>> rate_beyond({0.0: 3.0, 1.0: 1.0, 2.0: math.inf}, 0.5)
    """
    best = lowest_at(losses)
    ends = ((min(losses), -SPACING), (max(losses), SPACING))
    near = [
        (abs(end - best), end + step) for end, step in ends if losses[end] - losses[best] <= far
    ]
    return min(near)[1] if near else None


def middle_of_gap(
    losses: dict[float, float], *, clear: float = math.inf, close: float = math.inf
) -> float | None:
    """The middle of a wide gap beside the best log rate, on the better side first.

    If the loss falls clearly up to the best rate, and the next one diverged, the loss may fall
    further between the two, so this gap comes first.

    Args:
        losses: the log loss at each log rate tried.
        clear: a difference that is not chance.
        close: narrower gaps are halved too, if the losses of their ends differ by more than this.

    Examples:
        >>> middle_of_gap({0.0: 2.0, 1.0: 1.0, 2.0: math.inf}, clear=0.1)
        1.5
        >>> middle_of_gap({0.0: 1.05, 1.0: 1.0, 2.0: math.inf}, clear=0.1)
        0.5
    """
    rates = sorted(losses)
    place = rates.index(lowest_at(losses))
    best = rates[place]
    falling = place > 0 and losses[rates[place - 1]] - losses[best] > clear
    gaps = [
        (-math.inf if falling and math.isinf(losses[other]) else losses[other], (best + other) / 2)
        for other in rates[max(0, place - 1) : place] + rates[place + 1 : place + 2]
        if abs(other - best) > _MIN_GAP
        or (abs(other - best) > _FINEST_GAP and losses[other] - losses[best] > close)
    ]
    return min(gaps)[1] if gaps else None


def lowest_at(losses: dict[float, float]) -> float:
    """The log rate with the lowest log loss; the lower one of two that are equal."""
    return min(sorted(losses), key=losses.__getitem__)
