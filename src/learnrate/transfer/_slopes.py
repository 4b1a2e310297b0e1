"""How a quantity changes with the width: powers with intervals, and the verdict on them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

__all__ = ["BOUND", "Power", "Verdict", "fitted_power", "judged"]

BOUND = 0.25
"""Half of a half: the powers of the theory are multiples of 1/2, and 0 is the right one."""


class Verdict(StrEnum):
    """The verdict of the measurements on the parametrization."""

    HOLDS = "holds"
    BREAKS = "breaks"
    OPEN = "cannot be judged"


@dataclass(frozen=True)
class Power:
    """A quantity grows as this power of the width.

    Attributes:
        value: the power.
        low: the lower end of its interval.
        high: the upper end.
    """

    value: float
    low: float
    high: float

    @property
    def excess(self) -> float:
        """How far the whole interval is beyond the bound, on either side; negative if a part is within."""
        return max(self.low - BOUND, -BOUND - self.high)

    def overlaps(self, other: Power) -> bool:
        """Whether the two intervals have a power in common."""
        return self.low <= other.high and other.low <= self.high

    @property
    def is_flat(self) -> bool:
        """Whether it is certainly within the bound."""
        return self.low >= -BOUND and self.high <= BOUND


def fitted_power(widths: np.ndarray, values: np.ndarray, confidence: float) -> Power | None:
    """The power of the width by least squares on logarithms, with the interval of the slope.

    Args:
        widths: the width of each measurement, shape (n,).
        values: the measurements, shape (n,).
        confidence: the confidence of the interval, above 0 and below 1.

    Returns:
        The power; None if fewer than three values, or fewer than two widths, are above 0.

    Examples:
        >>> widths = np.array([16.0, 32.0, 64.0, 128.0])
        >>> round(fitted_power(widths, 3.0 * np.sqrt(widths), 0.95).value, 6)
        0.5
    """
    from scipy.stats import t  # noqa: PLC0415 - slow to load

    usable = np.isfinite(values) & (values > 0)
    x, y = np.log(widths[usable]), np.log(values[usable])
    if len(x) < 3 or len(set(x)) < 2:
        return None
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    residuals = y - y.mean() - slope * x
    error = math.sqrt(float(residuals @ residuals) / (len(x) - 2) / float(x @ x))
    reach = float(t.ppf(0.5 + confidence / 2, len(x) - 2)) * error
    return Power(slope, slope - reach, slope + reach)


def judged(powers: list[Power]) -> Verdict:
    """The verdict of powers that should all be 0."""
    if any(power.excess > 0 for power in powers):
        return Verdict.BREAKS
    return Verdict.HOLDS if all(power.is_flat for power in powers) else Verdict.OPEN
