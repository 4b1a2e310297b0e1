"""The recent part of a series of any length, in a few batch means."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from learnrate._record import Record, refuse

__all__ = ["BATCHES", "Series"]

BATCHES = 16  # at least this many batch means make a test; at most twice as many are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Series(Record):
    """The most recent part of a series as 16 to 32 means of neighbouring values.

    Neighbouring losses are correlated; means of long enough batches are nearly independent, so
    that textbook tests hold for them (Conway 1963; Schmeiser 1982, "Batch size effects in the
    analysis of simulation output": 10 to 30 batches lose little). When 32 are full, neighbours are
    merged and batches become twice as long: memory stays the same however long the run is, and
    batches outgrow any correlation time.

    Attributes:
        size: values in a batch.
        means: of the full batches, oldest first.
        partial: sum of the values of the batch being filled.
        filled: how many values that is.
        seen: values added since the series began, those already forgotten included.
    """

    size: int = 1
    means: tuple[float, ...] = ()
    partial: float = 0.0
    filled: int = 0
    seen: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.filled < self.size or self.seen < self.filled:
            counts = (self.size, self.filled, self.seen)
            refuse(
                "Series", "size, filled, seen", "at least 1, below size, at least filled", counts
            )

    @property
    def length(self) -> int:
        """How many values the batch means stand for."""
        return self.size * len(self.means)

    def added(self, value: float, *, keep: float, least: int) -> Series:
        """The series with one more value, forgetting what is older than needed.

        Args:
            value: a finite number.
            keep: the share of all values seen that is kept, the most recent ones.
            least: as many values are kept in any case.
        """
        partial, filled = self.partial + value, self.filled + 1
        if filled < self.size:
            return replace(self, partial=partial, filled=filled, seen=self.seen + 1)
        means = (*self.means, partial / self.size)
        wanted = max(least, math.ceil(keep * (self.seen + 1)))
        surplus = self.size * len(means) - wanted
        means = means[max(0, surplus // self.size) :]
        size = self.size
        if len(means) == 2 * BATCHES:
            pairs = zip(means[::2], means[1::2], strict=True)
            means, size = tuple((left + right) / 2 for left, right in pairs), 2 * size
        return Series(size=size, means=means, seen=self.seen + 1)
