"""LR306: the rate climbed back after its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "ClimbedOptions"]


@dataclass(frozen=True, kw_only=True)
class ClimbedOptions(RuleOptions):
    """Thresholds of LR306.

    Attributes:
        low: the rate must have fallen to this share of its peak or less.
        climb: the rate must have climbed again by at least this share of its peak.
        ramp: the first rise may last for this share of the fall after it; a longer one is that of a
            cycle.
    """

    low: float = 0.05
    climb: float = 0.02
    ramp: float = 0.5


def _check(reading: Reading, options: ClimbedOptions) -> Finding | None:
    rate = reading.rate
    top = int(np.argmax(rate.value >= 0.999 * reading.peak))
    below = np.flatnonzero(rate.value[top:] <= options.low * reading.peak)
    if reading.peak == 0 or not below.size:
        return None
    bottom = top + int(below[0])
    rising = np.flatnonzero(np.diff(rate.value[bottom:]) > 1e-9 * reading.peak)
    if not rising.size:
        return None
    bottom += int(rising[0])
    climb = rate.value[bottom:]
    crest = int(np.argmax(np.append(np.diff(climb) < 0, True)))  # where it first turns down again
    climbed = float(climb[crest] - climb[0])
    step, fall_steps = int(rate.step[bottom]), int(rate.step[bottom] - rate.step[top])
    ramp_steps = int(rate.step[top] - rate.step[0])
    if climbed < options.climb * reading.peak or ramp_steps > options.ramp * fall_steps:
        return None
    mirrored = np.interp(
        climb[crest], rate.value[top : bottom + 1][::-1], np.arange(bottom - top + 1)
    )
    if crest < 3 or crest < 0.3 * mirrored:  # a restart or new warm-up: quicker than the decay
        return None
    if float(climb[-1]) < options.climb * reading.peak and crest == climb.size - 1:
        return None
    lowest, highest, last = float(climb[0]), float(climb.max()), float(climb[-1])
    return RULE.finding(
        step=step,
        message=(
            f"The rate climbed back after its end: it was lowest at step {step:,} "
            f"({rate_text(lowest, 2)}), then rose to {rate_text(highest)}; the run ended at "
            f"{rate_text(last)}."
        ),
        evidence={
            "lowest_at": step,
            "lowest": lowest,
            "highest_after": highest,
            "last": last,
            "peak": reading.peak,
        },
        remedy=(
            "torch's CosineAnnealingLR rises again past T_max: set T_max to the updates of the "
            "whole run, or use a schedule that stays at its last value."
        ),
    )


RULE = Rule(
    code="LR306",
    name="climbed",
    title="the rate climbed back after its end",
    severity=Severity.ERROR,
    needs=("lr",),
    options=ClimbedOptions(),
    check=_check,
    example=lambda run: run.observed(lr=run.cosine(420)),
    explains=frozenset({"LR102", "LR103", "LR302", "LR308"}),
    shows=("lr",),
)
