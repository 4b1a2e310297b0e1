"""LR304: the warm-up is missing or too short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import median_of_three, tail_std

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "NoWarmupOptions"]


class NoWarmupOptions(RuleOptions):
    """Thresholds of LR304.

    Attributes:
        early: this first share of the run counts as its beginning.
        rise: at the beginning, the loss must rise above its start by at least this share of its
            total decrease.
        noise: the rise must be at least this many standard deviations of neighbouring losses.
        latest_peak: the rate must have reached its peak within this first share of the run. If the
            peak came later, the warm-up is long enough.
        recovered: by a third of the run, the loss must have completed at least this share of its
            total decrease. Otherwise the rate is too high for the whole run, not only for its
            beginning.
    """

    early: float = 0.1
    rise: float = 0.15
    noise: float = 4.0
    latest_peak: float = 0.05
    recovered: float = 0.5


class _NoWarmup(Rule[NoWarmupOptions]):
    title = "the warm-up is missing or too short"
    severity = Severity.ADVICE
    needs = ("loss", "lr")
    judges = "a warm-up that is missing"
    explains = frozenset({"LR103"})

    def check(self, reading: Reading, options: NoWarmupOptions) -> Finding | None:
        early = reading.finite_loss.before(options.early * reading.steps_done)
        if early.value.size < 8:
            return None
        if reading.warmup_end > options.latest_peak * reading.total_steps:
            return None
        smooth = median_of_three(early.value)[1:-1]
        top = int(np.argmax(smooth))
        highest = float(smooth[top])
        start = min(reading.start, float(early.value[0]))  # the rise may be there by the third row
        rise, fall = highest - start, start - reading.best
        noise = max(tail_std(early.value), reading.noise)
        if rise < max(options.rise * fall, options.noise * noise):
            return None
        step = int(early.step[top + 1])
        at_a_third = float(
            np.interp(reading.steps_done / 3, reading.levels.step, reading.levels.value)
        )
        if reading.warmup_end > step or at_a_third > start - options.recovered * fall:
            return None
        warmup = reading.warmup_end - int(reading.rate.step[0])
        warmup_text = f"a warm-up of only {warmup:,} updates" if warmup > 1 else "no warm-up"
        return self.finding(
            step=step,
            message=(
                f"The run started with {warmup_text}, at a peak rate of {rate_text(reading.peak, 2)}, and "
                f"the loss rose from {start:.3g} to {highest:.3g} by step {step:,} before it fell."
            ),
            evidence={
                "start": start,
                "highest": highest,
                "warmup_updates": warmup,
                "peak": reading.peak,
            },
            remedy=(
                f"Warm up over {max(10, round(0.05 * reading.total_steps)):,} to "
                f"{max(20, round(0.1 * reading.total_steps)):,} updates (5 to 10 % of the run), or "
                "lower the peak rate."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(loss=run.raised_loss(3, 20, 2.0), lr=run.cosine(run.total_steps))


RULE = _NoWarmup()
