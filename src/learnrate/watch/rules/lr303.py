"""LR303: the schedule ended before the run did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text
from learnrate.watch._unit import unit_of

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "EndedEarlyOptions"]


class EndedEarlyOptions(RuleOptions):
    """Thresholds of LR303.

    Attributes:
        share: at least this share of the run must have been trained after the end of the schedule.
        floor: a constant rate counts as the end of the schedule if it is at most this share of the
            peak.
        early: the schedule must have ended after this first share of the run. If it ended earlier,
            its lengths are in epochs, LR307.
    """

    share: float = 0.1
    floor: float = 0.015
    early: float = 0.1


def _scheduled_end(reading: Reading) -> int | None:
    """The step at which a known schedule that the rate follows ended at a floor, or None."""
    schedule = reading.observations.schedule
    if schedule is None or not schedule.bound:
        return None
    scheduled = reading.scheduled
    if scheduled is None or reading.rate_equals(scheduled).mean() <= 0.95:
        return None
    total_steps = int(schedule.total_steps or 0)
    tail = reading.rate.since(total_steps).value
    stands = (
        tail.size > 1 and tail.max() <= 0.5 * reading.peak and np.ptp(tail) < 1e-6 * reading.peak
    )
    return total_steps if stands else None


class _EndedEarly(Rule[EndedEarlyOptions]):
    title = "the schedule ended before the run did"
    severity = Severity.WARNING
    needs = ("lr",)
    rows = 10
    explains = frozenset({"LR201", "LR202", "LR301"})
    shows = ("lr",)

    def check(self, reading: Reading, options: EndedEarlyOptions) -> Finding | None:
        if reading.peak == 0:
            return None
        step = reading.decay_end(options.floor)
        if step is None:
            step = _scheduled_end(reading)
        if step is None:
            return None
        trained = reading.steps_done - step
        shortest = 0.0 if unit_of(reading.facts) == "epoch" else options.early
        if trained < options.share * reading.total_steps or step < shortest * reading.total_steps:
            return None
        last = float(reading.rate.value[-1])
        return self.finding(
            step=step,
            message=(
                f"The schedule ended at step {step:,} of {reading.total_steps:,}: the last "
                f"{trained:,} updates ({share_text(trained / reading.total_steps)} of the run) were "
                f"made at a rate of {rate_text(last, 2)}."
            ),
            evidence={
                "ended": step,
                "updates_after": trained,
                "rate_after": last,
                "peak": reading.peak,
            },
            remedy=(
                f"Give the schedule the real length of the run, {reading.total_steps:,} updates: count "
                "optimizer updates over all epochs, not micro-batches of one process."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(lr=run.cosine(400) * (run.step < 400))


RULE = _EndedEarly()
