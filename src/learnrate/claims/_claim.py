"""A claim as a value: the statement, how it is tested, and which results confirm it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.claims._measurement import ClaimMeasurement, Figure
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

__all__ = ["TOPICS", "Claim", "ClaimAxes", "ClaimText", "ClaimTextAndSeeds"]

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


@dataclass(frozen=True)
class ClaimAxes:
    """The axes of a claim's picture.

    Attributes:
        x: the label of the horizontal axis.
        y: the label of the vertical axis.
        log: which axes are logarithmic: any of "x" and "y".
    """

    x: str = "lr"
    y: str = "validation loss"
    log: str = "x"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A published statement about learning rates, and the training that tests it.

    White space in statement, source, design and remark is folded, so that they can have several
    lines.

    The name of its file is its name, with hyphens; the list of claims sets it.

    Args:
        topic: one of `TOPICS`.
        statement: the statement, in the words of its source.
        source: who states it, and where.
        design: what is trained and compared, in a few sentences.
        figures: what is measured; those with a range decide.
        measure: measures the figures.
        seeds: trainings of each kind, at least 2, in the quick test and in the full one.
        tasks: makes the tasks to train, given whether the test is a full one. A user's task can
            replace them. None if the design makes its own.
        quick_decides: False if the verdict depends on tasks or lengths that only the full test
            has. The quick test then measures its cases, and its verdict is open.
        remark: what the verdict leaves out: where the result differs, and what to be careful about.
        axes: the axes of the picture.
        name: set by the list of claims.

    Raises:
        ArgumentError: the topic is unknown, no figure has a range, or there are fewer than 2 seeds.
    """

    topic: str
    statement: str
    source: str
    design: str
    figures: tuple[Figure, ...]
    measure: Callable[[ClaimTrials], ClaimMeasurement]
    seeds: tuple[int, int] = (5, 10)
    tasks: Callable[[bool], Sequence[Task]] | None = None
    quick_decides: bool = True
    remark: str = ""
    axes: ClaimAxes = ClaimAxes()
    name: str = ""

    def __post_init__(self) -> None:
        for name in ("statement", "source", "design", "remark"):
            object.__setattr__(self, name, " ".join(getattr(self, name).split()))
        if self.topic not in TOPICS:
            raise ArgumentError(
                f"Claim(topic=...) must be one of {', '.join(TOPICS)}; got {self.topic!r}."
            )
        if not any(figure.decides for figure in self.figures):
            raise ArgumentError(
                "Claim(figures=...) has no figure with a range, so nothing decides the claim."
            )
        if min(self.seeds) < 2:
            raise ArgumentError(
                "Claim(seeds=...) must be at least 2 seeds, or there is no interval; got "
                f"{self.seeds!r}."
            )

    def figure(self, name: str) -> Figure:
        """The figure with this name, which must be one of `figures`."""
        return next(figure for figure in self.figures if figure.name == name)

    @property
    def rule(self) -> str:
        """The outcome that confirms the claim, in words."""
        return "; ".join(
            f"{figure.name} ({figure.meaning}) is {figure.claimed}"
            for figure in self.figures
            if figure.decides
        )


class ClaimText(TypedDict):
    """The arguments that functions which make claims of one design pass to `Claim` unchanged."""

    statement: str
    source: str
    remark: str
    quick_decides: NotRequired[bool]


class ClaimTextAndSeeds(ClaimText):
    """The same, with the numbers of seeds of a quick and of a full test."""

    seeds: NotRequired[tuple[int, int]]
