"""LR306: the rate rose again after the end of the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rate_course import SWINGS
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "ClimbedOptions"]


class ClimbedOptions(RuleOptions):
    """Thresholds of LR306.

    Attributes:
        climb: the rate must have risen again by at least this share of its decrease.
    """

    climb: float = 0.02


class _Climbed(Rule[ClimbedOptions]):
    title = "the rate rose again after the end of the schedule"
    severity = Severity.ERROR
    needs = ("lr",)
    rows = 10
    explains = frozenset({"LR102", "LR103", "LR108", "LR302", "LR308"})
    shows = ("lr",)

    def check(self, reading: Reading, options: ClimbedOptions) -> Finding | None:
        swing = reading.course.swing
        if swing is None or swing.half_periods >= SWINGS:
            return None
        rate = reading.rate
        first = int(np.searchsorted(rate.step, swing.trough))
        climb = rate.value[max(0, first - 1) :]
        fall = reading.peak - float(climb[0])
        if float(climb.max()) - float(climb.min()) < options.climb * fall:
            return None
        step = round(swing.trough)
        lowest, highest, last = float(climb.min()), float(climb.max()), float(climb[-1])
        return self.finding(
            step=step,
            message=(
                f"The rate rose again after the end of the schedule: it was lowest at step {step:,} "
                f"({rate_text(lowest, 2)}) and then rose to {rate_text(highest)}. The run ended at a rate "
                f"of {rate_text(last)}."
            ),
            evidence={
                "lowest_at": step,
                "lowest": lowest,
                "highest_after": highest,
                "last": last,
                "peak": reading.peak,
            },
            remedy=(
                "torch's CosineAnnealingLR rises again past T_max. Set T_max to the number of updates in "
                "the whole run, or use a schedule that stays at its last value."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(lr=run.cosine(420))


RULE = _Climbed()
