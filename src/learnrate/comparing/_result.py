"""The result of a comparison: every run, the paired differences, and who ends lower."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from learnrate._axes import draw_panel
from learnrate._chart import describe
from learnrate._errors import ArgumentError
from learnrate._numbers import rate_text
from learnrate._records import from_dict, to_dict
from learnrate._statistics import mean_half_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = ["ComparedMethod", "ComparedRun", "Comparison", "Difference", "Standing"]

_FORMAT = "learnrate.comparison"
_VERSION = 1


class Standing(StrEnum):
    """Whether an optimizer ends lower or higher than the planned rate."""

    LOWER = "lower"
    HIGHER = "higher"
    UNDECIDED = "cannot be told apart"
    UNFINISHED = "not every run finished"


@dataclass(frozen=True)
class ComparedRun:
    """One whole run of a compared method.

    Attributes:
        seed: the seed of the weights, the batches and every draw.
        updates: all that were made, including those of the plan.
        loss: the final loss; None unless the run finished.
        status: how it ended: finished, diverged or failed.
        seconds: how long the run took, without the plan.
        peak: the planned rate; None for an optimizer that needs none.
        error: what a failed run raised; empty otherwise.
        run: its id in the store; None if it was not recorded, or was read from the journal.
    """

    seed: int
    updates: int
    loss: float | None
    status: str
    seconds: float
    peak: float | None = None
    error: str = ""
    run: str | None = None


@dataclass(frozen=True)
class ComparedMethod:
    """A method that is compared, and its run with each seed.

    Attributes:
        name: the name of the method.
        optimizer: the class of the optimizer.
        package: the distribution that has it, with its version.
        shape: the shape of the schedule, with peak 1.
        runs: one for each seed, in the same order for every method.
    """

    name: str
    optimizer: str
    package: str
    shape: str
    runs: tuple[ComparedRun, ...]

    @property
    def unfinished(self) -> int:
        """How many runs did not finish."""
        return sum(run.loss is None for run in self.runs)

    @property
    def mean_loss(self) -> float | None:
        """The mean final loss; None unless every run finished."""
        losses = [run.loss for run in self.runs if run.loss is not None]
        return None if self.unfinished else fmean(losses)


@dataclass(frozen=True)
class Difference:
    """The final loss of an optimizer minus that of the planned rate with the same seed.

    Attributes:
        name: the name of the optimizer.
        mean: over the seeds; None unless every run of both finished.
        low: the lower end of the interval of the mean.
        high: the upper end.
        share: the mean as a share of the loss of the planned rate; None unless all losses are above 0.
        standing: who ends lower.
        reason: who ends lower, in a sentence.
        values: the difference with each seed; empty unless every run of both finished.
    """

    name: str
    mean: float | None
    low: float | None
    high: float | None
    share: float | None
    standing: Standing
    reason: str
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Optimizers that need no rate, compared with the planned rate at the same number of updates.

    Attributes:
        task: the task's name.
        total_steps: the updates of the run that was planned.
        planned: the runs at the planned rate; their updates count the plan's.
        others: the optimizers that need no rate.
        left_out: what was not compared, and why, by name.
        confidence: the confidence level of all intervals together.
        validated: whether the final losses are those of the task's validation.
        version: the version of learnrate.
    """

    task: str
    total_steps: int
    planned: ComparedMethod
    others: tuple[ComparedMethod, ...]
    left_out: dict[str, str]
    confidence: float
    validated: bool
    version: str

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """The paired difference of each optimizer, the lowest mean first; unfinished ones last."""
        judged = sum(not (other.unfinished or self.planned.unfinished) for other in self.others)
        confidence = 1.0 - (1.0 - self.confidence) / max(judged, 1)
        differences = [paired_difference(self.planned, other, confidence) for other in self.others]
        return tuple(
            sorted(
                differences,
                key=lambda difference: math.inf if difference.mean is None else difference.mean,
            )
        )

    @property
    def advice(self) -> tuple[str, ...]:
        """Sentences that explain the figures."""
        seeds = len(self.planned.runs)
        sentences = [
            f"Equal cost: {self._updates}.",
            f"Each difference is paired over {seeds} seeds.",
            f"The {self.confidence:.0%} intervals in parentheses are simultaneous (Bonferroni).",
        ]
        if not self.validated:
            sentences.append(
                "The task has no validation, so these are training losses; they are not measured at "
                "the averaged weights by which DoG and schedule-free are meant to be judged."
            )
        return tuple(sentences)

    @property
    def _updates(self) -> str:
        peaks = _range_text([rate_text(run.peak) for run in self._planned_runs if run.peak])
        updates = _range_text([f"{run.updates:,}" for run in self._planned_runs])
        return (
            f"each method makes {updates} updates for each seed; for the planned rate, "
            f"{self.total_steps:,} of them are a run at the peak {peaks}, and the others were spent on the plan"
        )

    @property
    def _planned_runs(self) -> list[ComparedRun]:
        return sorted(self.planned.runs, key=lambda run: (run.peak or 0.0, run.updates))

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the differences on matplotlib axes; needs the extra `plot`."""
        return draw_panel(describe(self).panels[0], axes)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `learnrate compare --json`, with its format and version."""
        return {
            "format": _FORMAT,
            "format_version": _VERSION,
            **to_dict(self),
            "differences": [to_dict(difference) for difference in self.differences],
        }

    @classmethod
    def from_dict(cls, document: object) -> Comparison:
        """The comparison that `to_dict` wrote.

        Raises:
            ArgumentError: the document is not such a comparison; the message names the key.
        """
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise ArgumentError(f"a comparison must have the format {_FORMAT!r}.")
        if document.get("format_version") != _VERSION:
            raise ArgumentError(
                f"the comparison has format version {document.get('format_version')!r}; this "
                f"learnrate reads {_VERSION}. Update learnrate, or compare again."
            )
        derived = {"format", "format_version", "differences"}
        plain = {name: value for name, value in document.items() if name not in derived}
        return from_dict(cls, plain)


def _range_text(texts: Sequence[str]) -> str:
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def paired_difference(
    planned: ComparedMethod, other: ComparedMethod, confidence: float
) -> Difference:
    """The final losses of an optimizer minus those of the planned rate, seed by seed.

        mean d +- t s / sqrt(n),   t the quantile of Student's t with n - 1 degrees of freedom

    Args:
        planned: the runs at the planned rate.
        other: the runs of the optimizer, with the same seeds in the same order.
        confidence: the confidence of the interval.
    """
    pairs = [(run.loss, base.loss) for run, base in zip(other.runs, planned.runs, strict=True)]
    finished = [(loss, base) for loss, base in pairs if loss is not None and base is not None]
    if len(finished) < len(pairs):
        return _unfinished(planned, other)
    values = [loss - base for loss, base in finished]
    mean, width = fmean(values), mean_half_width(values, confidence)
    low, high = mean - width, mean + width
    standing = Standing.UNDECIDED
    if low > 0 or high < 0:
        standing = Standing.HIGHER if low > 0 else Standing.LOWER
    base = fmean(base for _, base in finished)
    above_0 = all(min(pair) > 0 for pair in finished)
    share = mean / base if above_0 else None
    return Difference(
        name=other.name,
        mean=mean,
        low=low,
        high=high,
        share=share,
        standing=standing,
        reason=_sentence(other.name, standing, (mean, low, high), share),
        values=tuple(values),
    )


def _sentence(
    name: str, standing: Standing, interval: tuple[float, float, float], share: float | None
) -> str:
    mean, low, high = interval
    ends = f"{_signed(low)} to {_signed(high)}"
    if standing is Standing.UNDECIDED:
        return f"{name} and the planned rate cannot be told apart: {_signed(mean)} ({ends})."
    relative = "" if share is None else f", {abs(share):.1%}"
    return f"{name} ends {standing} than the planned rate: by {rate_text(abs(mean))}{relative} ({ends})."


def _unfinished(planned: ComparedMethod, other: ComparedMethod) -> Difference:
    parts = [
        f"{method.unfinished} of {len(method.runs)} runs of {method.name} "
        f"{_how_they_ended(method.runs)}"
        for method in (other, planned)
        if method.unfinished
    ]
    return Difference(
        name=other.name,
        mean=None,
        low=None,
        high=None,
        share=None,
        standing=Standing.UNFINISHED,
        reason=f"{' and '.join(parts)}; no difference is computed.",
    )


def _how_they_ended(runs: Sequence[ComparedRun]) -> str:
    unfinished = [run for run in runs if run.loss is None]
    errors = [run.error for run in unfinished if run.error]
    words = " or ".join(sorted({run.status for run in unfinished}))
    return f"{words} ({errors[0]})" if errors else words


def _signed(number: float) -> str:
    return f"{'+' if number >= 0 else '-'}{rate_text(abs(number))}" if number else "0"
