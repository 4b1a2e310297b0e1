"""The time that a plan may take."""

from __future__ import annotations

import time
from dataclasses import dataclass

from learnrate.trials import ranks

__all__ = ["PlanClock"]


@dataclass
class PlanClock:
    """The time that a plan may take.

    Args:
        seconds: the seconds that it may take in all.
        begin: the time when it began.
        seconds_before: the seconds of its trials that the journal had already.
    """

    seconds: float
    begin: float
    seconds_before: float = 0.0

    def is_over(self, expected: float) -> bool:
        """Whether work that takes `expected` seconds would end after the time is over."""
        elapsed = self.seconds_before + time.perf_counter() - self.begin
        return bool(ranks().from_first(elapsed + expected > self.seconds))
