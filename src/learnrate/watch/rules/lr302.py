"""LR302: the rate never decayed, or its decay was cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._restarts import is_half_cosine
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "NeverDecayedOptions"]

_FEWEST = 6  # points of a fall, more than the parameters of a cosine


class NeverDecayedOptions(RuleOptions):
    """Thresholds of LR302.

    Attributes:
        share: after its peak, the rate must never have dropped below this share of the peak.
        latest_peak: the peak must be reached within this first share of the run. If it comes
            later, the rate is still rising.
        remaining: a cosine that was cut off must still have at least this share of its peak to
            fall. Other shapes that were cut off cannot be recognised.
    """

    share: float = 0.5
    latest_peak: float = 0.5
    remaining: float = 0.1


def _cut_off(reading: Reading, options: NeverDecayedOptions) -> Finding | None:
    """A fall from the peak along a cosine that is not complete when the log ends."""
    course = reading.course
    step, value = course.points
    top = int(np.flatnonzero(value >= 0.999 * course.peak)[-1])
    fall = value[top:]
    if fall.size < _FEWEST or (np.diff(fall) > course.tolerance.max()).any():
        return None
    cosine, last = course.cosine(top, value.size), float(value[-1])
    if cosine is None or not is_half_cosine(cosine, step[top:]):
        return None
    if last - (cosine.mean - cosine.amplitude) <= options.remaining * course.peak:
        return None
    end = round(cosine.crest + cosine.half_period)
    return RULE.finding(
        step=int(step[top]),
        message=(
            f"The rate was still falling when the log ended. It follows a cosine from step "
            f"{int(step[top]):,} that would end at step {end:,}. At step {reading.steps_done - 1:,} it "
            f"is {rate_text(last)}, {share_text(last / course.peak)} of its peak."
        ),
        evidence={"peak": course.peak, "last": last, "lowest_since_peak": last, "would_end": end},
        remedy=(
            f"If the run is over, give the schedule the real length of the run, {reading.steps_done:,} "
            "updates. A decay to 0 by the end likely reaches a lower loss."
        ),
    )


class _NeverDecayed(Rule[NeverDecayedOptions]):
    title = "the rate never decayed, or its decay was cut off"
    severity = Severity.ADVICE
    needs = ("lr",)
    rows = 10
    shows = ("lr",)

    def check(self, reading: Reading, options: NeverDecayedOptions) -> Finding | None:
        if not reading.finished or reading.peak == 0 or reading.facts.get("schedule_free"):
            return None
        reached = reading.warmup_end
        lowest = float(reading.rate.since(reached).value.min())
        if reached > options.latest_peak * reading.total_steps:
            return None
        if lowest < options.share * reading.peak:
            return _cut_off(reading, options)
        last = float(reading.rate.value[-1])
        return self.finding(
            step=reached,
            message=(
                f"The rate never decayed: it reached {rate_text(reading.peak)} at step {reached:,} and "
                f"was still {rate_text(last)} at the end (step {reading.steps_done - 1:,})."
            ),
            evidence={
                "peak": reading.peak,
                "last": last,
                "lowest_since_peak": lowest,
            },
            remedy=(
                "A linear or cosine decay to 0 by the end of the run likely reaches a lower loss. To improve "
                "this run, add a decay that takes a tenth to a fifth of the updates made so far."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(lr=np.minimum(0.1, 0.1 * (run.step + 1) / 60))


RULE = _NeverDecayed()
