"""LR307: the scheduler is stepped per epoch instead of per batch, or the reverse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rate_course import SWINGS
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._unit import unit_of

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "WrongClockOptions"]

_FLOOR = 0.015  # of the peak: a constant rate at or below it means that the schedule has ended


class WrongClockOptions(RuleOptions):
    """Thresholds of LR307.

    Attributes:
        early: if a schedule ended within this first share of the run, its lengths are in epochs.
        plateau: a rate that changes at regular intervals is stepped once per epoch if it stays
            constant for at least this many updates each time.
        decayed: a rate that has fallen by at most this share of its peak has barely started its
            decay.
    """

    early: float = 0.1
    plateau: float = 5
    decayed: float = 0.2


def _updates_per_change(reading: Reading, options: WrongClockOptions) -> int | None:
    """The updates between the changes of a rate that changes once per epoch and hardly decays."""
    rate, scheduled = reading.rate, reading.scheduled
    changes = rate.step[1:][np.abs(np.diff(rate.value)) > 1e-12 * reading.peak]
    gaps = np.diff(changes)
    row_spacing = float(np.median(np.diff(rate.step))) if rate.step.size > 1 else 1.0
    # If the schedule is known its values decide, and few changes are enough.
    if gaps.size < (3 if scheduled is None else 2) or gaps.min() < max(
        options.plateau, 3.0 * row_spacing
    ):
        return None
    gap = float(np.median(gaps))
    if np.mean(np.abs(gaps - gap) <= max(1.0, row_spacing, 0.02 * gap)) < 0.9:
        return None
    if scheduled is not None:
        schedule = reading.observations.schedule
        assert schedule is not None  # noqa: S101 - it gave the scheduled rates
        bound = schedule if schedule.ready else schedule.over(reading.total_steps)
        per_epoch = np.abs(bound((rate.step // round(gap)).astype(np.int64)))
        is_slow = (
            reading.rate_equals(per_epoch).mean() > 0.9
            and reading.rate_equals(scheduled).mean() < 0.9
        )
        return round(gap) if is_slow else None
    only_rises = bool((np.diff(rate.value) >= 0).all())
    lowest = float(rate.value[int(np.argmax(rate.value)) :].min())
    hardly_decays = lowest >= (1.0 - options.decayed) * reading.peak
    return round(gap) if only_rises or hardly_decays else None


def _early_end(reading: Reading, options: WrongClockOptions) -> int | None:
    """The early step at which a schedule ended or first rose again."""
    limit = max(options.early * reading.total_steps, 10.0)
    rate, scheduled = reading.rate, reading.scheduled
    well_past = reading.steps_done >= 3 * limit
    must_not_end = scheduled is not None and scheduled[-1] > 0.05 * scheduled.max()
    if not well_past and not must_not_end:
        return None
    step = reading.decay_end(_FLOOR)
    if step is None:
        above = np.flatnonzero(rate.value > 1e-3 * reading.peak)
        after = int(above[-1]) + 1
        step = int(rate.step[after]) if after < rate.step.size else None
    if step is not None:
        is_certain = well_past or reading.steps_done >= 1.5 * step
        return step if 0 < step <= limit and is_certain else None
    if not well_past:
        return None
    swing = reading.course.swing
    return None if swing is None or swing.half_periods < SWINGS else round(swing.trough)


class _WrongClock(Rule[WrongClockOptions]):
    title = "the scheduler is stepped per epoch instead of per batch, or the reverse"
    severity = Severity.ERROR
    needs = ("lr",)
    rows = 10
    explains = frozenset(
        {"LR201", "LR202", "LR301", "LR302", "LR303", "LR304", "LR305", "LR306", "LR308"}
    )
    shows = ("lr",)

    def check(self, reading: Reading, options: WrongClockOptions) -> Finding | None:
        if reading.peak == 0 or unit_of(reading.facts) == "epoch":
            return None
        decidable = reading.finished or reading.scheduled is not None
        spacing = _updates_per_change(reading, options) if decidable else None
        if spacing is not None:
            last = float(reading.rate.value[-1])
            return self.finding(
                step=int(reading.rate.step[0]),
                message=(
                    f"The schedule counts updates but was stepped once every {spacing:,} updates, "
                    f"apparently once per epoch. After {reading.steps_done:,} updates it is only at "
                    f"step {reading.steps_done // spacing:,}, with a rate of {rate_text(last)}."
                ),
                evidence={"updates_per_change": spacing, "last": last, "peak": reading.peak},
                remedy="Step the scheduler after every update, or give the schedule its lengths in epochs.",
            )
        step = _early_end(reading, options)
        if step is None:
            return None
        fact = reading.facts.get("steps_per_epoch")
        steps_per_epoch = int(fact) if isinstance(fact, int | float) and fact >= 1 else None
        return self.finding(
            step=step,
            message=(
                f"The schedule ended after {step:,} of {reading.total_steps:,} updates, as if its "
                "lengths were in epochs but it was stepped at every update."
            ),
            evidence={
                "ended": step,
                "length": reading.total_steps,
                "steps_per_epoch": steps_per_epoch,
            },
            remedy="Step the scheduler once per epoch, or give the schedule its lengths in updates.",
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(
            lr=run.schedule(run.step // 20), schedule=run.schedule, total_steps=run.total_steps
        )


RULE = _WrongClock()
