"""LR305 and LR306: the rate left its course."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["CLIMBED", "JUMPED", "ClimbedOptions", "JumpedOptions", "agrees"]

_ALIKE = 0.02  # of the peak: rates nearer than that are the same to a log's rounding


def agrees(reading: Reading, meant: np.ndarray) -> np.ndarray:
    """Where the rate is what was meant, to a fiftieth of the peak."""
    room = _ALIKE * max(reading.peak, float(meant.max()))
    return np.asarray(np.abs(reading.rate.value - meant) <= room)


@dataclass(frozen=True, kw_only=True)
class JumpedOptions(RuleOptions):
    """Thresholds of LR305.

    Attributes:
        factor: by how much the rate must change from one row to the next where the log does not
            say that the run was resumed there.
        resumed: the same where it does, or where the schedule that was meant is known.
        floor: a rate at or below this share of its peak may start anew: that is a warm restart.
    """

    factor: float = 1.4
    resumed: float = 1.1
    floor: float = 0.15


def _jumped(reading: Reading, options: JumpedOptions) -> Finding | None:
    rate = reading.rate
    at = _left_the_schedule(reading, options) if reading.meant is not None else None
    known = at is not None
    if at is None and (reading.meant is None or not agrees(reading, reading.meant).all()):
        at = _at_resume(reading, options)
        known = at is not None
        at = _unexplained(reading, options) if at is None else at
    if at is None:
        return None
    before, after = float(rate.value[at - 1]), float(rate.value[at])
    step = int(rate.step[at])
    should = None if reading.meant is None else float(reading.meant[at])
    instead = "" if should is None else f" where the schedule says {rate_text(should)}"
    how = (
        f"by a factor of {max(after, before) / min(after, before):.2g}"
        if min(after, before) > 0
        else "to or from 0"
    )
    return Finding(
        code=JUMPED.code,
        severity=Severity.ERROR if known else Severity.WARNING,
        step=step,
        message=(
            f"The rate jumped at step {step:,} {how}, from {rate_text(before)} to "
            f"{rate_text(after)}{instead}: after an interruption it did not go on where it was."
        ),
        evidence={"before": before, "after": after, "meant": should, "resume_known": known},
        remedy=(
            "Resume the scheduler's state with the optimizer's, or set the rate from the step "
            "number; a rate changed in a config does not reach a scheduler that was restored."
        ),
    )


def _left_the_schedule(reading: Reading, options: JumpedOptions) -> int | None:
    """The row from which the rate no longer is the schedule's, having been it before."""
    meant = reading.meant
    assert meant is not None  # noqa: S101 - asked by the caller
    same = agrees(reading, meant)
    if same.all() or not same[0]:
        return None
    at = int(np.argmin(same))
    if at < max(4, 0.03 * same.size) or same[at:].mean() > 0.5:
        return None
    schedule = reading.observations.schedule
    total_steps = (
        schedule.total_steps if schedule is not None and schedule.total_steps else reading.length
    )
    if reading.rate.step[at] >= total_steps:  # past its end: LR303's and LR306's
        return None
    rate = reading.rate.value
    before, after = float(rate[at - 1]), float(rate[at])
    jumps = max(before, after) >= options.resumed * max(min(before, after), 1e-300)
    return at if jumps and abs(after - before) > _ALIKE * reading.peak else None


def _at_resume(reading: Reading, options: JumpedOptions) -> int | None:
    """The row of a known resume at which the rate is not what its course until then leads to."""
    rate = reading.rate
    for step in reading.facts.get("resumed_at", ()):
        at = int(np.searchsorted(rate.step, step))
        if not 2 <= at < rate.step.size:
            continue
        slope = (rate.value[at - 1] - rate.value[at - 2]) / (rate.step[at - 1] - rate.step[at - 2])
        expected = rate.value[at - 1] + slope * (rate.step[at] - rate.step[at - 1])
        room = (options.resumed - 1.0) * max(expected, rate.value[at - 1])
        if abs(rate.value[at] - expected) > max(room, _ALIKE * reading.peak):
            return at
    return None


def _unexplained(reading: Reading, options: JumpedOptions) -> int | None:
    """A row where the rate leaps up from the middle of its decay, or falls and warms up again."""
    rate = reading.rate.value
    if rate.size < 20 or reading.peak == 0:
        return None
    edited = set(reading.facts.get("edits", ()))
    before, after = rate[:-1], rate[1:]
    falling = np.concatenate([[False], np.diff(before) <= 1e-9 * reading.peak])
    leaps = (after >= options.factor * before) & (before > options.floor * reading.peak) & falling
    drops = (after < 0.2 * before) & (before > options.floor * reading.peak)
    for at in np.flatnonzero(leaps | drops) + 1:
        if _is_stair(reading, int(at)):
            continue
        if edited & set(range(int(reading.rate.step[at - 1]), int(reading.rate.step[at]) + 1)):
            continue
        if leaps[at - 1] or rate[at:].max() >= 0.5 * rate[at - 1]:
            return int(at)
    return None


def _is_stair(reading: Reading, at: int) -> bool:
    """Whether a first rise goes up at a row by one of its even steps, as a warm-up by epochs does.

    While the run goes on that is open until the rate has stood for as long as before the leap.
    """
    rate = reading.rate.value
    if (np.diff(rate[: at + 1]) < 0).any():
        return False
    moved = np.flatnonzero(np.abs(np.diff(rate)) > 1e-9 * reading.peak) + 1
    held = np.diff(moved, prepend=0)
    place = int(np.searchsorted(moved, at))
    before = int(held[place])
    beside = held[[one for one in (place - 1, place + 1) if 0 <= one < held.size]]
    if before > 1 and (np.abs(beside - before) <= max(1.0, 0.02 * before)).any():
        return True
    return reading.live and place + 1 == moved.size and rate.size - at <= before + 1


@dataclass(frozen=True, kw_only=True)
class ClimbedOptions(RuleOptions):
    """Thresholds of LR306.

    Attributes:
        low: the share of its peak that the rate must have come down to.
        climb: the share of its peak by which it must have climbed again at the end.
        ramp: a first rise longer than this share of the fall after it is that of a cycle.
    """

    low: float = 0.05
    climb: float = 0.02
    ramp: float = 0.5


def _climbed(reading: Reading, options: ClimbedOptions) -> Finding | None:
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
    height = float(climb[crest] - climb[0])
    step, fall = int(rate.step[bottom]), int(rate.step[bottom] - rate.step[top])
    first = int(rate.step[top] - rate.step[0])
    if height < options.climb * reading.peak or first > options.ramp * fall:
        return None
    mirrored = np.interp(
        climb[crest], rate.value[top : bottom + 1][::-1], np.arange(bottom - top + 1)
    )
    if crest < 3 or crest < 0.3 * mirrored:  # a restart, or a new warm-up: quicker than the decay
        return None
    if float(climb[-1]) < options.climb * reading.peak and crest == climb.size - 1:
        return None
    return Finding(
        code=CLIMBED.code,
        severity=CLIMBED.severity,
        step=step,
        message=(
            f"The rate climbed back after its end: lowest at step {step:,} "
            f"({rate_text(float(climb[0]), 2)}), then up to {rate_text(float(climb.max()))}; the "
            f"run ended at {rate_text(float(climb[-1]))}."
        ),
        evidence={
            "lowest_at": step,
            "lowest": float(climb[0]),
            "highest_after": float(climb.max()),
            "last": float(climb[-1]),
            "peak": reading.peak,
        },
        remedy=(
            "torch's CosineAnnealingLR rises again past T_max: set T_max to the updates of the "
            "whole run, or use a schedule that stays at its last value."
        ),
    )


JUMPED = Rule(
    code="LR305",
    title="the rate jumped on resume",
    severity=Severity.ERROR,
    needs=("lr",),
    options=JumpedOptions(),
    check=_jumped,
    explains=frozenset({"LR102", "LR103", "LR302", "LR303", "LR304", "LR306", "LR308"}),
    shows=("lr",),
)
CLIMBED = Rule(
    code="LR306",
    title="the rate climbed back after its end",
    severity=Severity.ERROR,
    needs=("lr",),
    options=ClimbedOptions(),
    check=_climbed,
    explains=frozenset({"LR102", "LR103", "LR302", "LR308"}),
    shows=("lr",),
)
