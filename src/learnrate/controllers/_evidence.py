"""What controllers have in common: when evidence counts, and what is left out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from learnrate._record import Record, finite, refuse, whole
from learnrate.controllers._controller import ControllerState
from learnrate.controllers._series import Series

__all__ = ["NOT_OPTIMAL", "Evidence", "EvidenceState", "check_factor", "check_waits"]

NOT_OPTIMAL = "which is not to say that now is the best moment for what is left of the run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Record):
    """The numbers a test rests on.

    Attributes:
        wait: the first step whose number counts.
        ignored: numbers left out since then because they were not finite.
        series: the others.
    """

    wait: int = 0
    ignored: int = 0
    series: Series = field(default_factory=Series)

    def taken(self, step: int, value: float | None, *, keep: float, least: int) -> Evidence:
        """The evidence with the number of one update, if there is one and it counts."""
        if value is None or step < self.wait:
            return self
        if not math.isfinite(value):
            return replace(self, ignored=self.ignored + 1)
        return replace(self, series=self.series.added(value, keep=keep, least=least))

    def afresh(self, step: int, cooldown: int) -> Evidence:
        """No evidence, from `cooldown` steps after the first update at the new rate on."""
        return Evidence(wait=step + 1 + cooldown)

    @property
    def left_out(self) -> str:
        """What a reason must say about numbers that were left out, if any were."""
        if not self.ignored:
            return ""
        return f"; {self.ignored} not finite left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceState(ControllerState):
    """The state of a test on a series.

    Attributes:
        evidence: the numbers since the last change.
        actions: how many changes were made.
    """

    evidence: Evidence = field(default_factory=Evidence)
    actions: int = 0

    def acted(self, factor: float, step: int, cooldown: int) -> EvidenceState:
        """The state after a change by `factor`, with fresh evidence."""
        return replace(
            self,
            factor=self.factor * factor,
            evidence=self.evidence.afresh(step, cooldown),
            actions=self.actions + 1,
        )


def check_factor(owner: str, argument: str, value: object) -> None:
    """Refuse what does not change a rate, or turns its sign."""
    finite(owner, argument, value)
    if value == 1 or value <= 0:  # type: ignore[operator]  # finite() let only numbers pass
        rule = "above 0 and not 1 (below 1 lowers the rate, above 1 raises it)"
        refuse(owner, argument, rule, value)


def check_waits(owner: str, warmup: object, cooldown: object) -> None:
    """Refuse waits that are no numbers of steps."""
    whole(owner, "warmup", warmup, 0)
    whole(owner, "cooldown", cooldown, 0)
