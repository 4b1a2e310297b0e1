"""A claim as a value: what is said, how it is tested, and what would bear it out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from learnrate._axes import rate_text
from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._bench import Bench
    from learnrate.task import Task

__all__ = ["TOPICS", "Case", "Claim", "Figure", "Line", "Measured", "Verdict"]

TOPICS = (
    "defaults",
    "extremes",
    "range test",
    "decay",
    "noise and patterns",
    "warm-up and cycles",
    "horizon",
    "batch size",
    "weight decay",
    "overfitting",
    "stability",
    "meta-learning",
    "tuning-free",
)
"""The order in which claims are listed."""


class Verdict(StrEnum):
    """What a test says of a claim: of all cases, of some, or of none is it true."""

    HOLDS = "holds"
    IN_PART = "holds in part"
    FAILS = "does not hold"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that a test measures, and the range in which the claim says it lies.

    A case bears the claim out where the whole 95 % interval of its figure lies in the range, and
    speaks against it where the whole interval lies outside; between, the case is open. A figure
    without a range is reported and decides nothing.

    Args:
        name: a word or two.
        says: what the number is, in a clause.
        low: the claim says that it is at least this.
        high: the claim says that it is at most this.
        unit: `"%"` for a share, which is printed times 100; `"x"` for a factor, whose mean and
            interval are those of its logarithm; empty for a plain number.

    Examples:
        >>> Figure(name="excess", says="loss over the best one's", high=0.05, unit="%").claimed
        'at most 5 %'
    """

    name: str
    says: str
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
        """Whether the claim says anything about it."""
        return math.isfinite(self.low) or math.isfinite(self.high)

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
        """A value of this figure for people."""
        if self.unit == "%":
            return f"{rate_text(100 * value, 2 if abs(value) < 1 else 3)} %"
        return rate_text(value) + ("x" if self.unit == "x" else "")


@dataclass(frozen=True)
class Case:
    """A figure measured somewhere.

    Attributes:
        figure: the name of the figure.
        where: what it was measured on: a task, an optimizer, a setting.
        values: one for each seed, all finite.
    """

    figure: str
    where: str
    values: Sequence[float]


@dataclass(frozen=True)
class Line:
    """A curve of a claim's picture."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Measured:
    """What a test measured: its cases, and the curves of its picture if it has one."""

    cases: Sequence[Case]
    lines: Sequence[Line] = ()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A published statement about learning rates, and the training that tests it.

    Args:
        name: its file's name, with hyphens.
        topic: one of `TOPICS`.
        statement: what is said, as it is said.
        source: who says it, and where.
        design: what is trained and compared, in a few sentences.
        figures: what is measured; those with a range decide.
        measure: measures them on a bench.
        seeds: trainings of each kind.
        full_seeds: the same with `--full`.
        tasks: what is trained, given whether the test is a full one; a person's own task can take
            their place. None where the design needs what it makes itself.
        remark: what the verdict leaves out: where else it is otherwise, what to beware of.
        axes: labels of the picture's curves, x and y.
        log: the axes of the picture that are logarithmic: any of "x" and "y".
    """

    name: str
    topic: str
    statement: str
    source: str
    design: str
    figures: tuple[Figure, ...]
    measure: Callable[[Bench], Measured]
    seeds: int = 5
    full_seeds: int = 10
    tasks: Callable[[bool], Sequence[Task]] | None = None
    remark: str = ""
    axes: tuple[str, str] = ("lr", "validation loss")
    log: str = "x"

    def __post_init__(self) -> None:
        if self.topic not in TOPICS:
            raise ArgumentError(
                f"Claim(topic=...) must be one of {', '.join(TOPICS)}; got {self.topic!r}."
            )
        if not any(figure.decides for figure in self.figures):
            raise ArgumentError(
                f"the claim {self.name!r} states no figure with a range, so nothing decides it."
            )
        if min(self.seeds, self.full_seeds) < 2:
            raise ArgumentError(
                f"the claim {self.name!r} needs at least 2 seeds, or there is no interval."
            )

    def figure(self, name: str) -> Figure:
        """The figure of this name."""
        return next(one for one in self.figures if one.name == name)

    @property
    def rule(self) -> str:
        """What bears the claim out, in words."""
        said = [
            f"{figure.name} ({figure.says}) is {figure.claimed}"
            for figure in self.figures
            if figure.decides
        ]
        return "; ".join(said)
