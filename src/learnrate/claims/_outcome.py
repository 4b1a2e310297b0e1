"""What a test of a claim found: figures with intervals, and the verdict they give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._statistics import mean_half_width
from learnrate.claims._claim import Case, Claim, Figure, Line, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure as Picture

__all__ = ["Judged", "Outcome", "judged", "verdict_of"]

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Judged:
    """A case with its mean, its 95 % interval, and what that says of the claim.

    Attributes:
        figure: the figure's name.
        where: what it was measured on.
        value: the mean over seeds; of factors the geometric one.
        low: the interval's lower end, by Student's t over the seeds.
        high: its upper end.
        bears_out: whether the interval lies in the claimed range; None where it lies on both
            sides of a bound, or where nothing is claimed.
    """

    figure: str
    where: str
    value: float
    low: float
    high: float
    bears_out: bool | None


def judged(case: Case, figure: Figure) -> Judged:
    """A case with its interval, held against the range of its figure."""
    values = [math.log(value) for value in case.values] if figure.unit == "x" else case.values
    mean, half = fmean(values), mean_half_width(values, _CONFIDENCE)
    ends = [mean, mean - half, mean + half]
    value, low, high = (math.exp(end) for end in ends) if figure.unit == "x" else ends
    inside = figure.low <= low and high <= figure.high
    outside = high < figure.low or low > figure.high
    bears_out = None if not figure.decides or not (inside or outside) else inside
    return Judged(case.figure, case.where, value, low, high, bears_out)


def verdict_of(cases: Sequence[Judged], figures: Sequence[Figure]) -> Verdict:
    """Holds if every deciding case bears it out, does not if none does, else in part."""
    deciding = {figure.name for figure in figures if figure.decides}
    borne = [case.bears_out is True for case in cases if case.figure in deciding]
    if all(borne):
        return Verdict.HOLDS
    return Verdict.IN_PART if any(borne) else Verdict.FAILS


@dataclass(frozen=True)
class Outcome:
    """A claim's test.

    Attributes:
        claim: what was tested.
        cases: every case, with its interval.
        verdict: what they say.
        seeds: trainings of each kind.
        seconds: how long the test took.
        processor_seconds: how much of the machine it took, all processes together.
        full: whether it was the full one.
        own_task: the name of the person's own task, None on ours.
        lines: the curves of the picture.
        made: code version, torch's version, machine and date.
    """

    claim: Claim
    cases: tuple[Judged, ...]
    verdict: Verdict
    seeds: int
    seconds: float
    processor_seconds: float
    full: bool
    own_task: str | None
    lines: tuple[Line, ...]
    made: Mapping[str, str]

    @property
    def leading(self) -> Judged:
        """The first case that decides: the figure by which the claim is known."""
        return next(one for one in self.cases if self.claim.figure(one.figure).decides)

    @property
    def is_open(self) -> bool:
        """Whether no case decides either way: every interval has a bound inside."""
        return all(
            one.bears_out is None for one in self.cases if self.claim.figure(one.figure).decides
        )

    @property
    def how(self) -> str:
        """With what, on what and when it was made, in a clause."""
        made = self.made
        kind = "full test" if self.full else "quick test"
        return (
            f"{kind}, {self.seeds} seeds, {self.processor_seconds:.0f} s of processor time; learnrate {made['learnrate']}, "
            f"torch {made['torch']}, {made['machine']}, {made['date']}"
        )

    def plot(self) -> Picture:
        """Draw the cases with the claimed range, and the curves beside them; needs `plot`."""
        from learnrate.claims._picture import draw  # noqa: PLC0415 - matplotlib is optional

        return draw(self)

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate claims run --json` prints."""
        leading = self.leading
        return {
            "name": self.claim.name,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "verdict": str(self.verdict),
            "figure": leading.value,
            "interval": [leading.low, leading.high],
            "seeds": self.seeds,
            "seconds": round(self.seconds, 2),
            "processor_seconds": round(self.processor_seconds, 2),
            "full": self.full,
            "task": self.own_task,
            "cases": [vars(case) for case in self.cases],
            "lines": [
                {"label": line.label, "x": list(line.x), "y": list(line.y)} for line in self.lines
            ],
            "made": dict(self.made),
        }

    @classmethod
    def from_dict(cls, claim: Claim, kept: Mapping[str, Any]) -> Outcome:
        """What `to_dict` gave.

        Raises:
            FileError: it is no such thing.
        """
        try:
            return cls(
                claim=claim,
                cases=tuple(Judged(**case) for case in kept["cases"]),
                verdict=Verdict(kept["verdict"]),
                seeds=kept["seeds"],
                seconds=kept["seconds"],
                processor_seconds=kept["processor_seconds"],
                full=kept["full"],
                own_task=kept["task"],
                lines=tuple(Line(**line) for line in kept["lines"]),
                made=kept["made"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(
                f"the kept result of the claim {claim.name!r} is not one: {error}."
            ) from error
