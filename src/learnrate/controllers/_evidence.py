"""The evidence of a controller's test: batch means of recent values, and from when on values count."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

from learnrate._checks import check_finite, check_whole, refuse
from learnrate.controllers._controller import ControllerState

__all__ = [
    "BATCHES",
    "NOT_OPTIMAL",
    "BatchMeans",
    "Evidence",
    "EvidenceState",
    "check_factor",
    "check_waits",
    "read_state",
]

StateType = TypeVar("StateType", bound="EvidenceState")

BATCHES = 16  # the least number of batch means for a test; at most twice as many are kept

NOT_OPTIMAL = "this does not show that now is the best moment for the rest of the run"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMeans:
    """The most recent part of a series as 16 to 32 means of neighbouring values.

    Neighbouring losses are correlated. Means of long enough batches are nearly independent, so
    that textbook tests hold for them (Conway 1963; Schmeiser 1982, "Batch size effects in the
    analysis of simulation output": 10 to 30 batches lose little). When 32 batches are full,
    neighbours are merged and batches become twice as long. Memory stays the same however long the
    run is, and batches outgrow any correlation time.

    Attributes:
        size: values in a batch.
        means: the means of the full batches, oldest first.
        partial: sum of the values of the batch being filled.
        filled: number of values in `partial`.
        count: values added since the series began, including those already forgotten.
    """

    size: int = 1
    means: tuple[float, ...] = ()
    partial: float = 0.0
    filled: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.filled < self.size or self.count < self.filled:
            counts = (self.size, self.filled, self.count)
            rule = "at least 1, below size, at least filled"
            refuse("BatchMeans", "size, filled, count", rule, counts)

    @property
    def length(self) -> int:
        """The number of values that the batch means stand for."""
        return self.size * len(self.means)

    def added(self, value: float, *, keep: float, at_least: int) -> BatchMeans:
        """The series with one more value. Values that are no longer needed are forgotten.

        Args:
            value: a finite number.
            keep: the share of all values so far that is kept, the most recent ones.
            at_least: the number of values that are kept regardless of `keep`.
        """
        partial, filled = self.partial + value, self.filled + 1
        if filled < self.size:
            return replace(self, partial=partial, filled=filled, count=self.count + 1)
        means = (*self.means, partial / self.size)
        wanted = max(at_least, math.ceil(keep * (self.count + 1)))
        surplus = self.size * len(means) - wanted
        means = means[max(0, surplus // self.size) :]
        size = self.size
        if len(means) == 2 * BATCHES:
            pairs = zip(means[::2], means[1::2], strict=True)
            means, size = tuple((left + right) / 2 for left, right in pairs), 2 * size
        return BatchMeans(size=size, means=means, count=self.count + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The numbers that a test rests on.

    Attributes:
        wait: the first step whose number counts.
        ignored: numbers left out since then because they were not finite.
        series: the others.
    """

    wait: int = 0
    ignored: int = 0
    series: BatchMeans = field(default_factory=BatchMeans)

    def added(self, step: int, value: float | None, *, keep: float, at_least: int) -> Evidence:
        """The evidence with the number of one update.

        Args:
            step: the step of the update.
            value: its number; None if there is none. A number before `wait` does not count.
            keep: see `BatchMeans.added`.
            at_least: see `BatchMeans.added`.
        """
        if value is None or step < self.wait:
            return self
        if not math.isfinite(value):
            return replace(self, ignored=self.ignored + 1)
        return replace(self, series=self.series.added(value, keep=keep, at_least=at_least))

    def restarted(self, step: int, cooldown: int) -> Evidence:
        """No evidence, until `cooldown` steps after the first update at the new rate."""
        return Evidence(wait=step + 1 + cooldown)

    @property
    def note_on_ignored(self) -> str:
        """A note on the numbers that were left out, for a reason; empty if there are none."""
        if not self.ignored:
            return ""
        return f"; {self.ignored} left out because they are not finite"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceState(ControllerState):
    """The state of a controller that tests a series.

    Attributes:
        evidence: the numbers since the last change.
        actions: the number of changes so far.
    """

    evidence: Evidence = field(default_factory=Evidence)
    actions: int = 0

    def acted(self, factor: float, step: int, cooldown: int) -> Self:
        """The state after a change, with no evidence.

        Args:
            factor: what the rate is multiplied by.
            step: the last update at the old rate.
            cooldown: steps after the change before numbers count again.
        """
        return replace(
            self,
            factor=self.factor * factor,
            evidence=self.evidence.restarted(step, cooldown),
            actions=self.actions + 1,
        )


def read_state(state_type: type[StateType], document: object) -> StateType:
    """The state that `ControllerState.to_dict` wrote, also one that an older learnrate wrote.

    Args:
        state_type: the class of the state.
        document: a dictionary of JSON values.

    Raises:
        ArgumentError: the document is not such a state.
    """
    if isinstance(document, dict) and isinstance(document.get("evidence"), dict):
        evidence = document["evidence"]
        series = evidence.get("series")
        if isinstance(series, dict) and "seen" in series:  # what `count` was called
            series = {"count" if key == "seen" else key: series[key] for key in series}
            document = {**document, "evidence": {**evidence, "series": series}}
    return state_type.from_dict(document)


def check_factor(owner: str, argument: str, value: object) -> None:
    """Raise ArgumentError for a factor that leaves the rate as it is or changes its sign.

    Args:
        owner: name of the controller's class, for the error.
        argument: name of its argument, for the error.
        value: the factor that was given: a finite number above 0, and not 1.
    """
    check_finite(owner, argument, value)
    if value == 1 or value <= 0:  # type: ignore[operator]  # check_finite() let only numbers pass
        rule = "above 0 and not 1 (below 1 lowers the rate, above 1 raises it)"
        refuse(owner, argument, rule, value)


def check_waits(owner: str, warmup: object, cooldown: object) -> None:
    """Raise ArgumentError for waits that are not numbers of steps.

    Args:
        owner: name of the controller's class, for the error.
        warmup: steps before the first loss counts, a whole number of at least 0.
        cooldown: steps after a change before losses count again, a whole number of at least 0.
    """
    check_whole(owner, "warmup", warmup, 0)
    check_whole(owner, "cooldown", cooldown, 0)
