"""LR305 to LR308: the rate did not take the course it was meant to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._reading import levels_of, share_text
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._schedule import ended_at

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = [
    "CLIMBED",
    "JUMPED",
    "NOT_APPLIED",
    "WRONG_CLOCK",
    "ClimbedOptions",
    "JumpedOptions",
    "NotAppliedOptions",
    "WrongClockOptions",
]

_ALIKE = 0.02  # of the peak: rates nearer than that are the same to a log's rounding


def _agrees(reading: Reading, meant: np.ndarray) -> np.ndarray:
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
    if at is None and (reading.meant is None or not _agrees(reading, reading.meant).all()):
        at = _at_resume(reading, options)
        known = at is not None
        at = _unexplained(reading, options) if at is None else at
    if at is None:
        return None
    before, after = float(rate.value[at - 1]), float(rate.value[at])
    step = int(rate.step[at])
    should = None if reading.meant is None else float(reading.meant[at])
    instead = "" if should is None else f" where the schedule says {rate_text(should)}"
    how = f"by a factor of {max(after, before) / min(after, before):.2g}" if min(after, before) > 0 else "to or from 0"
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
    agrees = _agrees(reading, meant)
    if agrees.all() or not agrees[0]:
        return None
    at = int(np.argmin(agrees))
    if at < max(4, 0.03 * agrees.size) or agrees[at:].mean() > 0.5:
        return None
    schedule = reading.observations.schedule
    total = schedule.total if schedule is not None and schedule.total else reading.length
    if reading.rate.step[at] >= total:  # past its end: LR303's and LR306's
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
        if edited & set(range(int(reading.rate.step[at - 1]), int(reading.rate.step[at]) + 1)):
            continue
        if leaps[at - 1] or rate[at:].max() >= 0.5 * rate[at - 1]:
            return int(at)
    return None


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
    mirrored = np.interp(climb[crest], rate.value[top : bottom + 1][::-1], np.arange(bottom - top + 1))
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


@dataclass(frozen=True, kw_only=True)
class WrongClockOptions(RuleOptions):
    """Thresholds of LR307.

    Attributes:
        early: an end within this share of the run is that of a clock of epochs.
        held: rates that stand still for at least so many updates are stepped per epoch.
        begun: a rate that fell by less than this share of its peak has hardly begun its decay.
    """

    early: float = 0.1
    held: float = 5
    begun: float = 0.2


def _wrong_clock(reading: Reading, options: WrongClockOptions) -> Finding | None:
    if reading.peak == 0:
        return None
    found = _stair(reading, options) if reading.finished else None
    if found is not None:
        held, last = found
        return _clock_finding(
            int(reading.rate.step[0]),
            f"The schedule was stepped once every {held:,} updates, by the look of it once an "
            f"epoch, but counts updates: after {reading.seen:,} updates it stands where it should "
            f"have been after {reading.seen // held:,}, at a rate of {rate_text(last)}.",
            {"updates_per_change": held, "last": last, "peak": reading.peak},
            "Call the scheduler after every update, or give it its lengths in epochs.",
        )
    step = _too_soon(reading, options)
    if step is None:
        return None
    return _clock_finding(
        step,
        f"The schedule was through after {step:,} of {reading.length:,} updates, as one does whose "
        "lengths are meant in epochs and which is stepped at every update.",
        {"ended": step, "length": reading.length, "steps_per_epoch": _per_epoch(reading)},
        "Call the scheduler once an epoch, or give it its lengths in updates.",
    )


def _clock_finding(step: int, message: str, evidence: dict[str, object], remedy: str) -> Finding:
    return Finding(
        code=WRONG_CLOCK.code,
        severity=WRONG_CLOCK.severity,
        step=step,
        message=message,
        evidence=evidence,
        remedy=remedy,
    )


def _per_epoch(reading: Reading) -> int | None:
    held = reading.facts.get("steps_per_epoch")
    return int(held) if isinstance(held, int | float) and held >= 1 else None


def _stair(reading: Reading, options: WrongClockOptions) -> tuple[int, float] | None:
    """The updates between changes of a rate that moves once an epoch and gets nowhere."""
    rate = reading.rate
    changes = rate.step[1:][np.abs(np.diff(rate.value)) > 1e-12 * reading.peak]
    gaps = np.diff(changes)
    rows = float(np.median(np.diff(rate.step))) if rate.step.size > 1 else 1.0
    if gaps.size < 3 or gaps.min() < max(options.held, 3.0 * rows):
        return None
    held = float(np.median(gaps))
    if np.mean(np.abs(gaps - held) <= max(1.0, rows, 0.02 * held)) < 0.9:
        return None
    last = float(rate.value[-1])
    meant = reading.meant
    if meant is not None:
        schedule = reading.observations.schedule
        assert schedule is not None  # noqa: S101 - there is what it means
        bound = schedule if schedule.ready else schedule.over(reading.length)
        slow = np.abs(bound((rate.step // round(held)).astype(np.int64)))
        slower = _agrees(reading, slow).mean() > 0.9 and _agrees(reading, meant).mean() < 0.9
        return (round(held), last) if slower else None
    rises = bool((np.diff(rate.value) >= 0).all())
    begun = last >= (1.0 - options.begun) * reading.peak
    return (round(held), last) if rises or begun else None


def _too_soon(reading: Reading, options: WrongClockOptions) -> int | None:
    """The step at which a schedule ended that much before the run, or first turned."""
    limit = max(options.early * reading.length, 10.0)
    if reading.seen < 3 * limit:
        return None
    rate = reading.rate
    step = ended_at(reading, 0.015)
    if step is None:
        small = np.flatnonzero(rate.value > 1e-3 * reading.peak)
        after = int(small[-1]) + 1
        step = int(rate.step[after]) if after < rate.step.size else None
    if step is not None:
        return step if 0 < step <= limit else None
    top = int(np.argmax(rate.value))
    below = np.flatnonzero(rate.value[top:] <= 0.05 * reading.peak)
    if not below.size or rate.step[top] > limit / 2:
        return None
    bottom = top + int(below[0])
    back = np.flatnonzero(rate.value[bottom:] >= 0.95 * reading.peak)
    if not back.size or rate.step[bottom + int(back[0])] > 2 * limit:
        return None
    return int(rate.step[bottom])


@dataclass(frozen=True, kw_only=True)
class NotAppliedOptions(RuleOptions):
    """Thresholds of LR308.

    Attributes:
        share: the share of rows in which the rate differs from the schedule's.
        still: the same where the rate never moves, and the schedule does.
        range: by which factor the rate must vary, for updates to be compared with it.
        follows: the power of the rate with which updates must grow; it is near 1 where the rate
            is applied and near 0 where it is not.
    """

    share: float = 0.7
    still: float = 0.1
    range: float = 5.0
    follows: float = 0.7


def _not_applied(reading: Reading, options: NotAppliedOptions) -> Finding | None:
    meant = reading.meant
    if meant is not None and meant.max() > 0:
        off = 1.0 - float(_agrees(reading, meant).mean())
        still = np.ptp(reading.rate.value) < 1e-6 * reading.peak < 0.2 * np.ptp(meant)
        if off >= (options.still if still else options.share):
            return _not_followed(reading, meant, off)
    power = _power(reading, options)
    if power is None or power >= options.follows:
        return None
    low = float(reading.rate.value[reading.rate.value > 0].min())
    return Finding(
        code=NOT_APPLIED.code,
        severity=NOT_APPLIED.severity,
        step=int(reading.rate.step[0]),
        message=(
            f"The rate that was logged is not the one that was applied: it varies from "
            f"{rate_text(low, 2)} to {rate_text(reading.peak, 2)}, but the size of the updates "
            f"does not follow it (they grow as rate^{power:.2f} instead of rate^1)."
        ),
        evidence={"power": power, "lowest": low, "peak": reading.peak},
        remedy=(
            "Log the rate of the optimizer's own parameter groups, and check that the scheduler "
            "holds the optimizer that is stepped, not another one or one replaced on resume."
        ),
    )


def _not_followed(reading: Reading, meant: np.ndarray, off: float) -> Finding:
    held = reading.rate.value
    still = held.max() - held.min() < 1e-6 * reading.peak
    is_ = f"stayed at {rate_text(reading.peak)}" if still else f"peaked at {rate_text(reading.peak)}"
    return Finding(
        code=NOT_APPLIED.code,
        severity=NOT_APPLIED.severity,
        step=int(reading.rate.step[int(np.argmin(_agrees(reading, meant)))]),
        message=(
            f"The schedule was set and not applied: in {share_text(off)} of the rows the rate is "
            f"not what it says; it should peak at {rate_text(float(meant.max()))} and {is_}."
        ),
        evidence={
            "share_of_rows_off": off,
            "peak": reading.peak,
            "peak_meant": float(meant.max()),
            "last": float(held[-1]),
            "last_meant": float(meant[-1]),
        },
        remedy=(
            "Step the scheduler, build it for the optimizer that is used, and after a resume set "
            "the rate again: a restored optimizer brings its old one along."
        ),
    )


def _power(reading: Reading, options: NotAppliedOptions) -> float | None:
    """The power of the rate with which the size of updates grows, per gradient where SGD's do."""
    seen, rate = reading.observations, reading.rate
    if not seen.has("update_ratio") or rate.step.size < 40 or reading.peak == 0:
        return None
    ratio, norm = seen.column("update_ratio"), seen.column("gradient_norm")
    lr = np.abs(seen.column("lr"))
    late = seen.step >= max(reading.warm, int(0.1 * reading.seen))
    there = np.isfinite(ratio) & (ratio > 0) & np.isfinite(lr) & (lr > 1e-3 * reading.peak) & late
    limit = reading.facts.get("clip_norm")
    clipped = norm if limit is None else np.minimum(norm, float(limit))
    name = str(reading.facts.get("optimizer", "")).lower()
    with_norm = there & np.isfinite(norm) & (norm > 0)
    powers = []
    is_sgd = any(word in name for word in ("sgd", "momentum", "nesterov"))
    if not is_sgd:
        powers.append(_slope(lr[there], ratio[there], seen.step[there], options.range))
    if (is_sgd or not name) and with_norm.sum() > 40:
        scaled = ratio[with_norm] / clipped[with_norm]
        powers.append(_slope(lr[with_norm], scaled, seen.step[with_norm], options.range))
    known = [power for power in powers if power is not None]
    return max(known) if known and len(known) == len(powers) else None


def _slope(
    lr: np.ndarray, size: np.ndarray, step: np.ndarray, least: float
) -> float | None:
    """The slope of log size over log rate, in medians; None where the rate hardly varies."""
    from learnrate.watch._reading import Track  # noqa: PLC0415

    if lr.size < 20:
        return None
    x = np.log(levels_of(Track(step, lr), 40).value)
    y = np.log(levels_of(Track(step, size), 40).value)
    if np.ptp(x) < np.log(least):
        return None
    return float(np.polyfit(x, y, 1)[0])


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
WRONG_CLOCK = Rule(
    code="LR307",
    title="stepped per epoch instead of per batch, or the reverse",
    severity=Severity.ERROR,
    needs=("lr",),
    options=WrongClockOptions(),
    check=_wrong_clock,
    explains=frozenset(
        {"LR201", "LR202", "LR301", "LR302", "LR303", "LR304", "LR305", "LR306", "LR308"}
    ),
    shows=("lr",),
)
NOT_APPLIED = Rule(
    code="LR308",
    title="the rate was set and not applied",
    severity=Severity.ERROR,
    needs=("lr",),
    options=NotAppliedOptions(),
    check=_not_applied,
    lacks=lambda reading: (
        None
        if reading.meant is not None or reading.observations.has("update_ratio")
        else "neither the schedule that was meant nor update_ratio was recorded"
    ),
    explains=frozenset({"LR201", "LR301", "LR302"}),
    shows=("lr",),
)
