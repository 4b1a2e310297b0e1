"""Numbers for pictures: a rate as text, round numbers for an axis, and the edges of cells."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cell_edges", "even_ticks", "rate_text", "rate_ticks"]


def rate_text(rate: float, digits: int = 3) -> str:
    """A rate as text, with `digits` significant digits.

    Examples:
        >>> rate_text(0.0173), rate_text(1e-10), rate_text(2.345e-5, digits=2), rate_text(2e10)
        ('0.0173', '1e-10', '2.3e-5', '2e10')
    """
    return f"{rate:.{digits}g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def rate_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers from `low` to `high` for a logarithmic axis.

    Args:
        low: the lowest number shown, above 0.
        high: the highest number shown, above `low`.
        most: about how many ticks the axis has room for; there are at least three.

    Examples:
        >>> rate_ticks(0.008, 0.06)
        [0.01, 0.02, 0.05]
        >>> rate_ticks(0.17, 0.24)
        [0.18, 0.2, 0.22, 0.24]
        >>> rate_ticks(1e-10, 1.0, most=6)
        [1e-10, 1e-08, 1e-06, 0.0001, 0.01, 1.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
    ticks = [rate for rate in fine if low <= rate <= high]
    if len(ticks) < 3:
        return even_ticks(low, high)
    if len(ticks) <= most:
        return ticks
    powers = [float(f"1e{decade}") for decade in decades]
    ticks = [rate for rate in powers if low <= rate <= high]
    return ticks[:: max(1, math.ceil(len(ticks) / most))]


def even_ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers, equally far apart, from `low` to a higher `high`.

    If nothing lies between the two, `low` alone.

    Examples:
        >>> even_ticks(0.0, 0.001)
        [0.0, 0.0002, 0.0004, 0.0006, 0.0008, 0.001]
    """
    third = high / 3 - low / 3  # the difference itself may overflow
    power = 10.0 ** math.floor(math.log10(third)) if third > 0 else 0.0
    if power == 0 or low + power == low:
        return [low]
    step = power * max(n for n in (1, 2, 5) if n * power <= third)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.6g}") for number in range(first, last + 1)]


def cell_edges(centres: Sequence[float]) -> list[float]:
    """The edges of the cells around increasing values; a single cell has width 1.

    Examples:
        >>> cell_edges([1.0, 2.0, 4.0]), cell_edges([1.0])
        ([0.5, 1.5, 3.0, 5.0], [0.5, 1.5])
    """
    middles = [(left + right) / 2 for left, right in pairwise(centres)]
    if not middles:
        return [centres[0] - 0.5, centres[0] + 0.5]
    return [2 * centres[0] - middles[0], *middles, 2 * centres[-1] - middles[-1]]
