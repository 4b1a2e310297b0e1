"""The result of testing a claim: figures with intervals, the verdict, and the file it is kept in."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from learnrate._axes import draw_chart
from learnrate._chart import describe
from learnrate._errors import ArgumentError, FileError
from learnrate._files import folder_for, read_json, write_json
from learnrate._records import from_dict, to_dict
from learnrate._statistics import mean_half_width
from learnrate.claims._measurement import Case, ClaimLine, ClaimVerdict, Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure as Picture

    from learnrate.claims._claim import Claim

__all__ = [
    "SHIPPED",
    "CaseResult",
    "Outcome",
    "judge",
    "overall_verdict",
    "quick_and_full",
    "read_result",
    "verdict_of",
    "write_result",
]

SHIPPED = Path(__file__).parent / "results"
"""The results that come with the package: one JSON file a claim, its quick and its full test."""

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class CaseResult:
    """A case with its mean, its 95 % interval, and whether these confirm the claim.

    Attributes:
        figure: the name of the figure.
        where: the setting it was measured in.
        value: the mean over seeds; the geometric mean for factors.
        low: the lower end of the interval, by Student's t over the seeds.
        high: the upper end of the interval.
        bears_out: whether the interval lies in the claimed range; None if it contains a bound of
            the range, if the claim states no range, or if the case is not judged.
        judged: False if the setting cannot test the claim.
    """

    figure: str
    where: str
    value: float
    low: float
    high: float
    bears_out: bool | None
    judged: bool = True


def judge(case: Case, figure: Figure) -> CaseResult:
    """A case with its interval, compared with the range of its figure."""
    values = [math.log(value) for value in case.values] if figure.unit == "x" else case.values
    mean, half = fmean(values), mean_half_width(values, _CONFIDENCE)
    ends = [mean, mean - half, mean + half]
    value, low, high = (math.exp(end) for end in ends) if figure.unit == "x" else ends
    measured = CaseResult(case.figure, case.where, value, low, high, None, case.judged)
    return _compared(measured, figure)


def verdict_of(
    cases: Sequence[CaseResult], figures: Sequence[Figure], *, quick: bool = False
) -> ClaimVerdict:
    """Holds if every deciding case confirms the claim, holds in part if some do.

    If none does, the claim does not hold if a case contradicts it, and is open otherwise, also
    without a case that decides. A quick test is open as well while its open cases, measured with
    more seeds, could change its verdict.

    Args:
        cases: every case that was measured.
        figures: the figures of the claim.
        quick: whether the test was a quick one.
    """
    deciding = {figure.name for figure in figures if figure.decides}
    answers = [case.bears_out for case in cases if case.figure in deciding]
    if quick and None in answers and not {True, False} <= set(answers):
        return ClaimVerdict.OPEN
    if answers and all(answers):
        return ClaimVerdict.HOLDS
    if any(answers):
        return ClaimVerdict.IN_PART
    return ClaimVerdict.FAILS if False in answers else ClaimVerdict.OPEN


def overall_verdict(
    claim: Claim, cases: Sequence[CaseResult], *, full: bool, own_task: bool
) -> ClaimVerdict:
    """The verdict of a whole test.

    A quick test on the claim's own tasks is open if the verdict depends on what only the full test
    trains.

    Args:
        claim: what was tested.
        cases: every case that was measured.
        full: whether the test was the full one.
        own_task: whether a user's task was trained instead of the claim's own.
    """
    if not (full or own_task or claim.quick_decides):
        return ClaimVerdict.OPEN
    return verdict_of(cases, claim.figures, quick=not full)


@dataclass(frozen=True)
class Outcome:
    """The result of a claim's test.

    Attributes:
        claim: what was tested.
        cases: every case, with its interval.
        verdict: whether the cases confirm the claim.
        seeds: trainings of each kind.
        seconds: duration of the test.
        processor_seconds: processor time of all processes together.
        full: whether it was the full test.
        own_task: the name of the user's task; None for the claim's own tasks.
        lines: the lines of the picture.
        environment: versions of learnrate and torch, machine and date.
    """

    claim: Claim
    cases: tuple[CaseResult, ...]
    verdict: ClaimVerdict
    seeds: int
    seconds: float
    processor_seconds: float
    full: bool
    own_task: str | None
    lines: tuple[ClaimLine, ...]
    environment: Mapping[str, str]

    @property
    def deciding(self) -> list[CaseResult]:
        """The cases of figures with a range."""
        return [case for case in self.cases if self.claim.figure(case.figure).decides]

    @property
    def leading(self) -> CaseResult:
        """The first case that decides; lists show it for the claim."""
        return self.deciding[0]

    @property
    def conditions(self) -> str:
        """The kind of test, its cost, and the versions, machine and date, in a clause."""
        kind = "full test" if self.full else "quick test"
        return (
            f"{kind}, {self.seeds} seeds, {self.processor_seconds:.0f} s of processor time; "
            "learnrate {learnrate}, torch {torch}, {machine}, {date}".format(**self.environment)
        )

    def plot(self) -> Picture:
        """Draw the cases with the claimed range, and the lines beside them.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_chart(describe(self))

    def to_dict(self) -> dict[str, Any]:
        """The document of `learnrate claims run --json`."""
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
            "cases": [to_dict(case) for case in self.cases],
            "lines": [to_dict(line) for line in self.lines],
            "made": dict(self.environment),
        }

    @classmethod
    def from_dict(cls, claim: Claim, document: Mapping[str, Any]) -> Outcome:
        """The outcome that `to_dict` turned into a dictionary.

        The verdict follows from the stored intervals and the present ranges of the claim.

        Raises:
            FileError: the document is not a result.
        """
        try:
            stored = [from_dict(CaseResult, case) for case in document["cases"]]
            cases = tuple(_compared(case, claim.figure(case.figure)) for case in stored)
            verdict = overall_verdict(
                claim, cases, full=document["full"], own_task=document["task"] is not None
            )
            return cls(
                claim=claim,
                cases=cases,
                verdict=verdict,
                seeds=document["seeds"],
                seconds=document["seconds"],
                processor_seconds=document["processor_seconds"],
                full=document["full"],
                own_task=document["task"],
                lines=tuple(from_dict(ClaimLine, line) for line in document["lines"]),
                environment=document["made"],
            )
        except (ArgumentError, KeyError, TypeError, ValueError) as error:
            raise FileError(
                f"the stored result of the claim {claim.name!r} is not valid: {error}."
            ) from error


def _compared(case: CaseResult, figure: Figure) -> CaseResult:
    """The case, compared with the present range of its figure."""
    return replace(case, bears_out=figure.bears_out(case.low, case.high) if case.judged else None)


def quick_and_full(quick: Outcome | None, full: Outcome | None) -> str:
    """The result of the quick test of a claim beside the full one, in a few words.

    Args:
        quick: the outcome of the quick test; None if it is not stored.
        full: the outcome of the full test; None if it is not stored.

    Returns:
        "agree", "differ", "quick test open", "no full test", "no quick test" or "not tested".
    """
    if quick is None or full is None:
        tested = quick is not None or full is not None
        return ("no full test" if full is None else "no quick test") if tested else "not tested"
    if quick.verdict is full.verdict:
        return "agree"
    return "quick test open" if quick.verdict is ClaimVerdict.OPEN else "differ"


def read_result(
    claim: Claim, folder: Path = SHIPPED, *, full: bool | None = None
) -> Outcome | None:
    """The stored result of a claim's test; None if there is none.

    Args:
        claim: the claim that was tested.
        folder: where results are stored; by default those that come with the package.
        full: whether to read the full test or the quick one. By default it is the full test if it
            is stored, and the quick one otherwise.

    Raises:
        FileError: the stored result cannot be read.
    """
    path = folder / f"{claim.name}.json"
    if not path.exists():
        return None
    stored = read_json(path)
    for kind in ("full", "quick") if full is None else (("full",) if full else ("quick",)):
        if kind in stored:
            return Outcome.from_dict(claim, stored[kind])
    return None


def write_result(tested: Outcome, folder: Path) -> Path:
    """Store a result in `folder`, beside the other kind of test of the claim; the file's path.

    Raises:
        FileError: the file cannot be written, or the existing one cannot be read.
    """
    path = folder_for(folder) / f"{tested.claim.name}.json"
    stored = read_json(path) if path.exists() else {}
    stored["full" if tested.full else "quick"] = tested.to_dict()
    write_json(path, stored)
    return path
