"""Statistical tests on short series, for controllers and findings.

The distributions come from scipy.special, which is loaded when the first test is due. scipy.stats is not
used, because it takes three times as long to load, and that is in the middle of a training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "STD_OF_DEVIATION",
    "FittedLine",
    "fitted_line",
    "halves",
    "mean_half_width",
    "neighbour_noise",
    "normal_quantile",
    "rising_rank_p",
    "student_quantile",
    "student_tail",
]


@dataclass(frozen=True, slots=True)
class FittedLine:
    """A straight line through equally spaced values, by least squares.

    Attributes:
        slope: change from one value to the next.
        error: standard error of the slope.
        falling_p: probability of such a slope, or a lower one, if the true slope is 0.
    """

    slope: float
    error: float
    falling_p: float


def normal_quantile(tail: float) -> float:
    """The value that a standard normal exceeds with probability `tail`.

    Examples:
        >>> round(normal_quantile(0.1), 4)
        1.2816
    """
    return NormalDist().inv_cdf(1.0 - tail)


STD_OF_DEVIATION = 1.0 / normal_quantile(0.25)
"""The standard deviation of a normal distribution over its median absolute deviation, 1.4826."""


def student_tail(statistic: float, freedom: int) -> float:
    """P(T > statistic) of Student's t with `freedom` degrees of freedom."""
    from scipy.special import stdtr  # noqa: PLC0415 - slow to load

    return float(stdtr(freedom, -statistic))


def student_quantile(tail: float, freedom: int) -> float:
    """The value that Student's t exceeds with probability `tail`, which is below one half."""
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to load

    return -float(stdtrit(freedom, tail))


def fitted_line(values: Sequence[float]) -> FittedLine:
    """The least-squares line through equally spaced values with independent errors.

        t = slope / error,   falling_p = P(T < t),   T Student's t with n - 2 degrees of freedom

    If all values lie on the line, falling_p is 0 for a falling line, 1 for a rising one and 0.5 for
    a flat one.
    """
    n = len(values)
    centre, mean = (n - 1) / 2, fmean(values)
    squares = n * (n * n - 1) / 12
    slope = math.fsum((i - centre) * (y - mean) for i, y in enumerate(values)) / squares
    residual_squares = math.fsum(residual**2 for residual in _residuals(values, slope))
    error = math.sqrt(residual_squares / (n - 2) / squares)
    rounding = 1e-12 * max(map(abs, values)) / n
    if error <= rounding:
        exact = 0.5 if abs(slope) <= rounding else float(slope > 0)
        return FittedLine(slope, 0.0, exact)
    return FittedLine(slope, error, student_tail(-slope / error, n - 2))


def _residuals(values: Sequence[float], slope: float) -> list[float]:
    """The residuals of the values about their mean and a slope."""
    centre, mean = (len(values) - 1) / 2, fmean(values)
    return [y - mean - slope * (i - centre) for i, y in enumerate(values)]


def _lag_one(values: Sequence[float]) -> float:
    """Correlation of neighbours about a straight line, at least 0, corrected for its bias.

    Residuals of a line through n independent values have an expected lag-one correlation of about
    -2 / n, which is added back.
    """
    line = fitted_line(values)
    residuals = _residuals(values, line.slope)
    squares = math.fsum(residual * residual for residual in residuals)
    if line.error == 0.0 or squares == 0.0:
        return 0.0
    products = math.fsum(left * right for left, right in pairwise(residuals))
    return min(max(0.0, products / squares + 2.0 / len(values)), 0.95)


def rising_rank_p(values: Sequence[float], *, independent: bool = False) -> float:
    """One-sided p-value of the Mann-Kendall rank test: probability of such a rise without a trend.

        S = sum over i < j of sign(y_j - y_i),   z = (S - sign S) / sqrt(v c)
        v = n (n - 1) (2 n + 5) / 18, minus a part for ties,   c = (1 + r) / (1 - r)

    c is the factor by which correlated neighbours inflate the variance; r is the lag-one
    correlation about a straight line, or 0 if that is negative. Ranks limit the effect of an
    outlier: it takes part in n - 1 of n (n - 1) / 2 comparisons, however large it is.

    Args:
        values: The series, in order.
        independent: Take c as 1, for values whose errors are known to be independent, so that a
            curved course is not taken for correlated noise.

    Ref: Mann 1945, "Nonparametric tests against trend"; Kendall 1975, "Rank correlation methods";
    the correction by lag-one correlation: Yue and Wang 2004, "The Mann-Kendall test modified by
    effective sample size", and Santer et al. 2000 for trends by regression.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - slow to load

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
    corrected = score - math.copysign(1.0, score)  # for continuity
    return float(ndtr(-corrected / math.sqrt(variance * (1 + rho) / (1 - rho))))


def mean_half_width(values: Sequence[float], confidence: float) -> float:
    """Half the width of the interval of the mean of independent values, at a confidence level."""
    n, mean = len(values), fmean(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return student_quantile((1.0 - confidence) / 2.0, n - 1) * math.sqrt(variance / n)


def neighbour_noise(values: Sequence[float]) -> float:
    """The standard deviation of normal noise whose neighbours differ as much in nine of ten pairs.

    A slow course hardly counts, and neither do a few jumps. It is 0 for fewer than two values.
    """
    differences = sorted(abs(right - left) for left, right in pairwise(values))
    if not differences:
        return 0.0
    return differences[int(0.9 * (len(differences) - 1))] / (1.6449 * math.sqrt(2.0))


def halves(values: Sequence[float]) -> tuple[float, float]:
    """The means of the first and of the second half, which has the middle value of an odd number."""
    middle = len(values) // 2
    return fmean(values[:middle]), fmean(values[middle:])
