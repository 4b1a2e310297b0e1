"""The measurement of a claim: its figures, the value in every case, and the verdict."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

import numpy as np

from learnrate._errors import ArgumentError
from learnrate._numbers import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike

__all__ = [
    "ABOUT",
    "AS_GOOD",
    "EXPONENT",
    "GOOD",
    "MUCH",
    "Case",
    "ClaimLine",
    "ClaimMeasurement",
    "ClaimVerdict",
    "Figure",
    "factor",
    "share",
]


class ClaimVerdict(StrEnum):
    """Whether a test confirms a claim in all cases, in some or in none, or decides nothing."""

    HOLDS = "holds"
    IN_PART = "holds in part"
    FAILS = "does not hold"
    OPEN = "open"


# What a word of a statement demands, for all claims. "More", "less", "better", "slower" and the like
# demand a ratio beyond 1, or a difference beyond 0.
AS_GOOD = 1.05
"""As good as another, or the best: at most 5 % above the loss compared with."""
GOOD = 1.25
"""A good default: at most a quarter above the lowest loss."""
MUCH = 3.0
"""Much more: at least three times. To keep from something: at most a third of it."""
ABOUT = 2.0
"""About a number: within this factor of it."""
EXPONENT = 0.25
"""A law with an exponent, such as "proportional": within this of it, half of what separates it from a
square root."""


@dataclass(frozen=True)
class Figure:
    """A number that a test measures, and the range in which the claim says it lies.

    A case confirms the claim if the whole 95 % interval of its figure lies in the range, and contradicts
    it if the whole interval lies outside. Otherwise the case is open. A figure without a range is
    reported and decides nothing. The range follows from the wording of the statement, by the convention
    above: `AS_GOOD`, `GOOD`, `MUCH`, `ABOUT`, else 1 for a ratio and 0 for a difference.

    Args:
        name: a word or two.
        meaning: what the number is, in a clause.
        low: the claim says that the number is at least this.
        high: the claim says that the number is at most this.
        unit: `"%"` for a share, which is printed times 100; `"x"` for a factor, whose mean and interval
            are computed for its logarithm; empty for a plain number.

    Raises:
        ArgumentError: `low` is not below `high`.

    Examples:
        >>> Figure("excess", "loss relative to the best one", high=0.05, unit="%").claimed
        'at most 5 %'
    """

    name: str
    meaning: str
    _: KW_ONLY
    low: float = -math.inf
    high: float = math.inf
    unit: Literal["", "%", "x"] = ""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ArgumentError(
                f"Figure(low=..., high=...) must be a range; got {self.low!r} and {self.high!r}."
            )

    @property
    def decides(self) -> bool:
        """Whether the claim states a range for it."""
        return math.isfinite(self.low) or math.isfinite(self.high)

    def bears_out(self, low: float, high: float) -> bool | None:
        """Whether an interval of this figure confirms the claim.

        Args:
            low: the lower end.
            high: the upper end.

        Returns:
            None if the interval contains a bound of the range, or if there is no range.

        Examples:
            >>> ratio = Figure("ratio", "one loss over the other", high=1.0, unit="x")
            >>> ratio.bears_out(0.8, 0.9), ratio.bears_out(1.1, 1.2), ratio.bears_out(0.9, 1.1)
            (True, False, None)
        """
        inside = self.low <= low and high <= self.high
        outside = high < self.low or low > self.high
        return inside if self.decides and (inside or outside) else None

    @property
    def claimed(self) -> str:
        """The range in words; empty without one."""
        low, high = self.text(self.low), self.text(self.high)
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f"{low} to {high}"
        if math.isfinite(self.low):
            return f"at least {low}"
        return f"at most {high}" if math.isfinite(self.high) else ""

    def text(self, value: float) -> str:
        """A value of this figure as text, with its unit."""
        if self.unit == "%":
            return f"{rate_text(100 * value, 2 if abs(value) < 1 else 3)} %"
        return rate_text(value) + ("x" if self.unit == "x" else "")


def factor(name: str, meaning: str, *, low: float = -math.inf, high: float = math.inf) -> Figure:
    """A figure that is a ratio, as `Figure` with the unit "x".

    Args:
        name: a word or two.
        meaning: what the number is, in a clause.
        low: the claim says that the ratio is at least this.
        high: the claim says that the ratio is at most this.
    """
    return Figure(name, meaning, low=low, high=high, unit="x")


def share(name: str, meaning: str, *, low: float = -math.inf, high: float = math.inf) -> Figure:
    """A figure that is a share, as `Figure` with the unit "%".

    Args:
        name: a word or two.
        meaning: what the number is, in a clause.
        low: the claim says that the share is at least this; 1 is the whole.
        high: the claim says that the share is at most this.
    """
    return Figure(name, meaning, low=low, high=high, unit="%")


@dataclass(frozen=True)
class Case:
    """A figure, measured in one setting.

    Attributes:
        figure: the name of the figure.
        where: the setting: a task, an optimizer, an option.
        values: one for each seed, all finite.
        judged: False if the setting cannot test the claim, so that the case is open whatever its
            values are.
    """

    figure: str
    where: str
    values: Sequence[float]
    judged: bool = True


@dataclass(frozen=True)
class ClaimLine:
    """A line in a claim's picture."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    @classmethod
    def of(cls, label: str, x: ArrayLike, y: ArrayLike) -> ClaimLine:
        """A line through arrays.

        Args:
            label: the line's name in the legend.
            x: horizontal positions of the points, one-dimensional.
            y: heights of the points, as many as `x`.
        """
        return cls(label, tuple(np.asarray(x).tolist()), tuple(np.asarray(y).tolist()))

    @classmethod
    def of_means(cls, label: str, x: ArrayLike, losses: np.ndarray) -> ClaimLine:
        """The mean over seeds of losses of shape (points, seeds).

        Args:
            label: the line's name in the legend.
            x: horizontal positions of the points, one-dimensional.
            losses: one row for each point, one column for each seed.
        """
        return cls.of(label, x, losses.mean(axis=1))


@dataclass(frozen=True)
class ClaimMeasurement:
    """The measurement of a test: its cases, and the lines of its picture if it has one."""

    cases: Sequence[Case]
    lines: Sequence[ClaimLine] = ()

    @classmethod
    def of(
        cls, where: str, values: Mapping[str, ArrayLike], *lines: ClaimLine
    ) -> ClaimMeasurement:
        """The cases of one setting.

        Args:
            where: the setting.
            values: the values of each figure by name, one for each seed.
            lines: the lines of the picture.
        """
        return cls(
            [Case(name, where, np.asarray(row).tolist()) for name, row in values.items()], lines
        )

    @classmethod
    def joined(
        cls,
        parts: Iterable[ClaimMeasurement],
        *,
        by_figure: Sequence[str] = (),
        most_lines: int = 6,
    ) -> ClaimMeasurement:
        """Several measurements as one.

        Args:
            parts: the measurements, in the order of their cases.
            by_figure: the names of the figures, to order the cases by them; as they come by
                default.
            most_lines: lines to keep. A picture with more is hard to read.
        """
        parts = list(parts)
        cases = [case for part in parts for case in part.cases]
        if by_figure:
            cases.sort(key=lambda case: by_figure.index(case.figure))
        return cls(cases, [line for part in parts for line in part.lines][:most_lines])
