"""LR307 and LR308: the schedule runs on the wrong clock, or does not reach the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.watch._course import agrees
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._reading import Track, levels_of, share_text
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._schedule import ended_at

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["NOT_APPLIED", "WRONG_CLOCK", "NotAppliedOptions", "WrongClockOptions"]


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
    decided = reading.finished or reading.meant is not None
    found = _stair(reading, options) if decided else None
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
    # Where the schedule is known its values decide, and a look at few steps is enough.
    if gaps.size < (3 if reading.meant is None else 2) or gaps.min() < max(
        options.held, 3.0 * rows
    ):
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
        slower = agrees(reading, slow).mean() > 0.9 and agrees(reading, meant).mean() < 0.9
        return (round(held), last) if slower else None
    rises = bool((np.diff(rate.value) >= 0).all())
    begun = last >= (1.0 - options.begun) * reading.peak
    return (round(held), last) if rises or begun else None


def _too_soon(reading: Reading, options: WrongClockOptions) -> int | None:
    """The step at which a schedule ended that much before the run, or first turned."""
    limit = max(options.early * reading.length, 10.0)
    rate, meant = reading.rate, reading.meant
    waited = reading.seen >= 3 * limit
    far_from_its_end = meant is not None and meant[-1] > 0.05 * meant.max()
    if not waited and not far_from_its_end:
        return None
    step = ended_at(reading, 0.015)
    if step is None:
        small = np.flatnonzero(rate.value > 1e-3 * reading.peak)
        after = int(small[-1]) + 1
        step = int(rate.step[after]) if after < rate.step.size else None
    if step is not None:
        stands = waited or reading.seen >= 1.5 * step
        return step if 0 < step <= limit and stands else None
    if not waited:
        return None
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
        vanished: rows whose gradient is below this share of the largest count for nothing: Adam's
            updates shrink with gradients that come near its epsilon, whatever the rate.
    """

    share: float = 0.7
    still: float = 0.1
    range: float = 5.0
    follows: float = 0.7
    vanished: float = 1e-4


def _not_applied(reading: Reading, options: NotAppliedOptions) -> Finding | None:
    meant = reading.meant
    if meant is not None and meant.max() > 0:
        off = 1.0 - float(agrees(reading, meant).mean())
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
    is_ = (
        f"stayed at {rate_text(reading.peak)}" if still else f"peaked at {rate_text(reading.peak)}"
    )
    return Finding(
        code=NOT_APPLIED.code,
        severity=NOT_APPLIED.severity,
        step=int(reading.rate.step[int(np.argmin(agrees(reading, meant)))]),
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
    if np.isfinite(norm).any():
        there &= ~(norm < options.vanished * np.max(norm[np.isfinite(norm)]))
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


def _slope(lr: np.ndarray, size: np.ndarray, step: np.ndarray, least: float) -> float | None:
    """The slope of log size over log rate, in medians; None where the rate hardly varies."""
    if lr.size < 20:
        return None
    x = np.log(levels_of(Track(step, lr), 40).value)
    y = np.log(levels_of(Track(step, size), 40).value)
    if np.ptp(x) < np.log(least):
        return None
    return float(np.polyfit(x, y, 1)[0])


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
