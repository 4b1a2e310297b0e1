"""LR305: the rate jumped on resume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "JumpedOptions"]

_SMALL = 0.02  # of the peak: a smaller difference is not a jump
_UNCHANGED = 1e-9  # of the peak: a smaller change is rounding


@dataclass(frozen=True, kw_only=True)
class JumpedOptions(RuleOptions):
    """Thresholds of LR305.

    Attributes:
        factor: the rate must rise by this factor from one row to the next if the log does not say
            that the run was resumed there.
        resumed: the rate must change by this factor if the log says so, or if the schedule is
            known.
        floor: a rate that rises from this share of its peak or less is a warm restart, not a jump.
    """

    factor: float = 1.4
    resumed: float = 1.1
    floor: float = 0.15


def _check(reading: Reading, options: JumpedOptions) -> Finding | None:
    rate, scheduled = reading.rate, reading.scheduled
    row = None if scheduled is None else _off_schedule(reading, scheduled, options)
    resume_known = row is not None
    if row is None and (scheduled is None or not reading.rate_equals(scheduled).all()):
        row = _at_resume(reading, options)
        resume_known = row is not None
        row = _unexplained(reading, options) if row is None else row
    if row is None:
        return None
    before, after = float(rate.value[row - 1]), float(rate.value[row])
    step = int(rate.step[row])
    prescribed = None if scheduled is None else float(scheduled[row])
    instead = "" if prescribed is None else f", where the schedule says {rate_text(prescribed)}"
    by = (
        f"by a factor of {max(after, before) / min(after, before):.2g}"
        if min(after, before) > 0
        else "to or from 0"
    )
    return RULE.finding(
        step=step,
        severity=Severity.ERROR if resume_known else Severity.WARNING,
        message=(
            f"The rate jumped at step {step:,} {by}, from {rate_text(before)} to "
            f"{rate_text(after)}{instead}: after an interruption it did not continue where it was."
        ),
        evidence={
            "before": before,
            "after": after,
            "meant": prescribed,
            "resume_known": resume_known,
        },
        remedy=(
            "Restore the state of the scheduler together with that of the optimizer, or set the "
            "rate from the step number; a rate changed in a config does not reach a scheduler that "
            "was restored."
        ),
    )


def _off_schedule(reading: Reading, scheduled: np.ndarray, options: JumpedOptions) -> int | None:
    """The row from which the rate no longer follows the schedule, if it did before."""
    follows = reading.rate_equals(scheduled)
    if follows.all() or not follows[0]:
        return None
    row = int(np.argmin(follows))
    if row < max(4, 0.03 * follows.size) or follows[row:].mean() > 0.5:
        return None
    schedule = reading.observations.schedule
    total_steps = (
        schedule.total_steps
        if schedule is not None and schedule.total_steps
        else reading.total_steps
    )
    if reading.rate.step[row] >= total_steps:  # past its end: LR303 and LR306
        return None
    before, after = float(reading.rate.value[row - 1]), float(reading.rate.value[row])
    jumps = max(before, after) >= options.resumed * max(min(before, after), 1e-300)
    return row if jumps and abs(after - before) > _SMALL * reading.peak else None


def _at_resume(reading: Reading, options: JumpedOptions) -> int | None:
    """The row of a known resume at which the rate is not what its course before leads to."""
    step, rate = reading.rate
    for resumed_at in reading.facts.get("resumed_at", ()):
        row = int(np.searchsorted(step, resumed_at))
        if not 2 <= row < step.size:
            continue
        slope = (rate[row - 1] - rate[row - 2]) / (step[row - 1] - step[row - 2])
        expected = rate[row - 1] + slope * (step[row] - step[row - 1])
        tolerance = (options.resumed - 1.0) * max(expected, rate[row - 1])
        if abs(rate[row] - expected) > max(tolerance, _SMALL * reading.peak):
            return row
    return None


def _unexplained(reading: Reading, options: JumpedOptions) -> int | None:
    """A row where the rate rises from the middle of its decay, or falls and warms up again."""
    step, rate = reading.rate
    if rate.size < 20 or reading.peak == 0:
        return None
    edited = set(reading.facts.get("edits", ()))
    before, after = rate[:-1], rate[1:]
    above_floor = before > options.floor * reading.peak
    falling = np.concatenate([[False], np.diff(before) <= _UNCHANGED * reading.peak])
    rises = (after >= options.factor * before) & above_floor & falling
    drops = (after < 0.2 * before) & above_floor
    for row in (np.flatnonzero(rises | drops) + 1).tolist():
        if _is_stair(reading, row):
            continue
        if edited & set(range(int(step[row - 1]), int(step[row]) + 1)):
            continue
        if rises[row - 1] or rate[row:].max() >= 0.5 * rate[row - 1]:
            return int(row)
    return None


def _is_stair(reading: Reading, row: int) -> bool:
    """Whether a row is one of the even steps of a warm-up by epochs.

    While the run goes on that is open until the rate has stood still for as long as before.
    """
    rate = reading.rate.value
    if (np.diff(rate[: row + 1]) < 0).any():
        return False
    changes = np.flatnonzero(np.abs(np.diff(rate)) > _UNCHANGED * reading.peak) + 1
    lengths = np.diff(changes, prepend=0)
    place = int(np.searchsorted(changes, row))
    before = int(lengths[place])
    neighbours = lengths[[i for i in (place - 1, place + 1) if 0 <= i < lengths.size]]
    if before > 1 and (np.abs(neighbours - before) <= max(1.0, 0.02 * before)).any():
        return True
    return reading.live and place + 1 == changes.size and rate.size - row <= before + 1


RULE = Rule(
    code="LR305",
    name="jumped",
    title="the rate jumped on resume",
    severity=Severity.ERROR,
    needs=("lr",),
    options=JumpedOptions(),
    check=_check,
    example=lambda run: run.observed(
        lr=np.where(run.step < 300, 1.0, 3.0) * run.cosine(run.total_steps)
    ),
    explains=frozenset({"LR102", "LR103", "LR302", "LR303", "LR304", "LR306", "LR308"}),
    shows=("lr",),
)
