"""Tests on short series, in plain Python: controllers and findings rest on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Line",
    "fitted_line",
    "halves",
    "mean_half_width",
    "normal_tail",
    "rising_rank_p",
    "student_quantile",
    "student_tail",
]


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line by least squares: its slope per item, the slope's error, and its p-value.

    Attributes:
        slope: change per item.
        error: standard error of the slope.
        falling_p: chance of so low a slope, or a lower one, if the true one is 0.
    """

    slope: float
    error: float
    falling_p: float


def normal_tail(z: float) -> float:
    """P(Z > z) of a standard normal."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def student_tail(t: float, freedom: int) -> float:
    """P(T > t) of Student's t with a whole number of degrees of freedom."""
    from scipy.special import stdtr  # noqa: PLC0415 - slow to load, and only for a test that is due

    return float(stdtr(freedom, -t))


def student_quantile(tail: float, freedom: int) -> float:
    """The t above which a share `tail` (below one half) of Student's t lies."""
    from scipy.special import stdtrit  # noqa: PLC0415 - as above

    return -float(stdtrit(freedom, tail))


def fitted_line(values: Sequence[float]) -> Line:
    """The least-squares line through equally spaced values, whose errors are independent.

        t = slope / error,   falling_p = P(T < t),   T Student's t with n - 2 degrees of freedom

    Without any residual the line is taken at its word: falling_p is 0, 1, or 0.5 for a flat one.
    """
    n = len(values)
    centre, mean = (n - 1) / 2, fmean(values)
    spread = n * (n * n - 1) / 12
    slope = math.fsum((i - centre) * (y - mean) for i, y in enumerate(values)) / spread
    rest = math.fsum((y - mean - slope * (i - centre)) ** 2 for i, y in enumerate(values))
    error = math.sqrt(rest / (n - 2) / spread)
    if error <= 1e-12 * max(map(abs, values)) / n:  # rounding is no noise
        exact = 0.5 if abs(slope) <= 1e-12 * max(map(abs, values)) / n else float(slope > 0)
        return Line(slope, 0.0, exact)
    return Line(slope, error, student_tail(-slope / error, n - 2))


def _lag_one(values: Sequence[float]) -> float:
    """Correlation of neighbours about a straight line, at least 0, corrected for its bias.

    Residuals of a line through n independent values have an expected lag-one correlation of about
    -2 / n, which is added back.
    """
    n = len(values)
    line = fitted_line(values)
    centre, mean = (n - 1) / 2, fmean(values)
    rests = [y - mean - line.slope * (i - centre) for i, y in enumerate(values)]
    power = math.fsum(rest * rest for rest in rests)
    if line.error == 0.0 or power == 0.0:
        return 0.0
    lagged = math.fsum(a * b for a, b in pairwise(rests))
    return min(max(0.0, lagged / power + 2.0 / n), 0.95)


def rising_rank_p(values: Sequence[float], *, independent: bool = False) -> float:
    """One-sided p-value of the Mann-Kendall rank test: chance of so much rise without a trend.

        S = sum over i < j of sign(y_j - y_i),   z = (S - sign S) / sqrt(v c)
        v = n (n - 1) (2 n + 5) / 18, less the ties' part,   c = (1 + r) / (1 - r)

    c is by how much correlated neighbours inflate the variance, r the lag-one correlation about a
    straight line, taken as 0 where it is negative. Ranks bound what one outlier can do: it takes
    part in n - 1 of n (n - 1) / 2 comparisons, wherever it lies and however large it is.

    Args:
        values: in their order.
        independent: take c as 1, for values whose errors are known to be independent: a curved
            course then does not pass for correlated noise.

    Ref: Mann 1945, "Nonparametric tests against trend"; Kendall 1975, "Rank correlation methods";
    the correction by lag-one correlation: Yue and Wang 2004, "The Mann-Kendall test modified by
    effective sample size", and Santer et al. 2000 for trends by regression.
    """
    n = len(values)
    score = sum(
        (after > before) - (after < before)
        for i, before in enumerate(values)
        for after in values[i + 1 :]
    )
    variance = n * (n - 1) * (2 * n + 5) / 18
    for value in set(values):
        ties = values.count(value)
        variance -= ties * (ties - 1) * (2 * ties + 5) / 18
    if variance <= 0 or score == 0:
        return 0.5
    rho = 0.0 if independent else _lag_one(values)
    continuous = score - math.copysign(1.0, score)
    return normal_tail(continuous / math.sqrt(variance * (1 + rho) / (1 - rho)))


def mean_half_width(values: Sequence[float], confidence: float) -> float:
    """Half the width of the t-interval of the mean of independent values."""
    n, mean = len(values), fmean(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return student_quantile((1.0 - confidence) / 2.0, n - 1) * math.sqrt(variance / n)


def halves(values: Sequence[float]) -> tuple[float, float]:
    """The means of the first and of the second half; an odd one in the middle counts later."""
    middle = len(values) // 2
    return fmean(values[:middle]), fmean(values[middle:])
