"""LR302: the rate never decayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "NeverDecayedOptions"]


@dataclass(frozen=True, kw_only=True)
class NeverDecayedOptions(RuleOptions):
    """Thresholds of LR302.

    Attributes:
        share: after its peak the rate must never have fallen below this share of it.
        warm: the peak must be reached within this first share of the run; a later peak is that of
            a rising rate.
    """

    share: float = 0.5
    warm: float = 0.5


def _check(reading: Reading, options: NeverDecayedOptions) -> Finding | None:
    if not reading.finished or reading.peak == 0 or reading.facts.get("schedule_free"):
        return None
    reached = reading.warmup_end
    lowest = float(reading.rate.since(reached).value.min())
    if lowest < options.share * reading.peak or reached > options.warm * reading.total_steps:
        return None
    last = float(reading.rate.value[-1])
    return RULE.finding(
        step=reached,
        message=(
            f"The rate never decayed: it reached {rate_text(reading.peak)} at step {reached:,} and "
            f"is still {rate_text(last)} at the end, step {reading.steps_done - 1:,}."
        ),
        evidence={
            "peak": reading.peak,
            "last": last,
            "lowest_since_peak": lowest,
        },
        remedy=(
            "A decay to 0 by the end of the run, linear or along a cosine, likely ends lower; for this "
            "run, add one over a tenth to a fifth of the updates made so far."
        ),
    )


RULE = Rule(
    code="LR302",
    name="never_decayed",
    title="the rate never decayed",
    severity=Severity.ADVICE,
    needs=("lr",),
    options=NeverDecayedOptions(),
    check=_check,
    example=lambda run: run.observed(lr=np.minimum(0.1, 0.1 * (run.step + 1) / 60)),
    shows=("lr",),
)
