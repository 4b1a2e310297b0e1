"""When a test on the recent share of a series is due: common to SasaPlus and LossSlope."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from learnrate._record import refuse, share, whole
from learnrate.controllers._evidence import check_factor, check_waits
from learnrate.controllers._series import BATCHES

if TYPE_CHECKING:
    from learnrate.controllers._evidence import EvidenceState

__all__ = ["Sampling", "check_sampling", "sampled"]


class Sampling(Protocol):
    """The options of a test that runs every so often on the most recent share of a series."""

    @property
    def factor(self) -> float: ...
    @property
    def confidence(self) -> float: ...
    @property
    def keep(self) -> float: ...
    @property
    def min_samples(self) -> int: ...
    @property
    def test_every(self) -> int: ...
    @property
    def warmup(self) -> int: ...
    @property
    def cooldown(self) -> int: ...


def check_sampling(owner: str, options: Sampling) -> None:
    """Refuse options outside their rules."""
    check_factor(owner, "factor", options.factor)
    share(owner, "confidence", options.confidence)
    if options.confidence <= 0.5:
        refuse(owner, "confidence", "above 0.5", options.confidence, "0.95 is usual.")
    share(owner, "keep", options.keep, "0.5 keeps the more recent half.")
    whole(owner, "min_samples", options.min_samples, 2 * BATCHES)
    whole(owner, "test_every", options.test_every, 1)
    check_waits(owner, options.warmup, options.cooldown)


def sampled(
    options: Sampling, state: EvidenceState, step: int, value: float | None
) -> tuple[EvidenceState, bool]:
    """The state with one more number, and whether a test is due with it."""
    before = state.evidence
    evidence = before.taken(step, value, keep=options.keep, least=2 * BATCHES)
    if evidence is before:
        return state, False
    series = evidence.series
    grown = series.seen > before.series.seen
    enough = series.length + series.filled >= options.min_samples
    due = grown and enough and series.seen % options.test_every == 0
    return replace(state, evidence=evidence), due
