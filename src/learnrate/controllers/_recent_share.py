"""The base of SasaPlus and LossSlope: a test of the recent values, made every so often."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from learnrate._checks import check_share, check_whole, refuse
from learnrate.controllers._controller import Controller, Decision, Observation
from learnrate.controllers._evidence import (
    BATCHES,
    Evidence,
    EvidenceState,
    check_factor,
    check_waits,
    read_state,
)

if TYPE_CHECKING:
    from learnrate.controllers._evidence import BatchMeans

__all__ = ["RecentShareTest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentShareTest(Controller[EvidenceState]):
    """A controller that changes the rate when a test on the most recent share of a series says so."""

    factor: float = 0.1
    confidence: float = 0.95
    keep: float = 0.5
    min_samples: int = 1000
    test_every: int = 100
    warmup: int = 0
    cooldown: int = 0

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_factor(owner, "factor", self.factor)
        check_share(owner, "confidence", self.confidence)
        if self.confidence <= 0.5:
            refuse(owner, "confidence", "above 0.5", self.confidence, "0.95 is usual.")
        check_share(owner, "keep", self.keep, "0.5 keeps the more recent half.")
        check_whole(owner, "min_samples", self.min_samples, 2 * BATCHES)
        check_whole(owner, "test_every", self.test_every, 1)
        check_waits(owner, self.warmup, self.cooldown)

    def start(self) -> EvidenceState:
        """The state before the first update: factor 1, no samples collected."""
        return EvidenceState(evidence=Evidence(wait=self.warmup))

    def read(self, document: object) -> EvidenceState:
        """The state from the dictionary of its `to_dict`."""
        return read_state(EvidenceState, document)

    def decide(
        self, state: EvidenceState, observation: Observation
    ) -> tuple[EvidenceState, Decision]:
        """Add the number of one update; change the rate if a test is due and says so."""
        before, step = state.evidence, observation.step
        number = self._number_of(observation)
        evidence = before.added(step, number, keep=self.keep, at_least=2 * BATCHES)
        if evidence is before:
            return state, Decision(state.factor)
        state = replace(state, evidence=evidence)
        if not self._is_due(before.series, evidence.series):
            return state, Decision(state.factor)
        reason = self._reason_to_change(state)
        if reason is None:
            return state, Decision(state.factor)
        after = state.acted(self.factor, step, self.cooldown)
        return after, Decision(after.factor, reason)

    def _is_due(self, before: BatchMeans, after: BatchMeans) -> bool:
        is_counted = after.count > before.count
        enough = after.length + after.filled >= self.min_samples
        return is_counted and enough and after.count % self.test_every == 0

    @abstractmethod
    def _number_of(self, observation: Observation) -> float | None:
        """The number that an update adds to the series; None if it has none."""

    @abstractmethod
    def _reason_to_change(self, state: EvidenceState) -> str | None:
        """Why the rate should change according to the test; None if it should not."""
