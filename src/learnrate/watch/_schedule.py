"""LR301 to LR304: when the rate decays, ends and warms up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate._statistics import rising_rank_p
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._reading import share_text
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = [
    "ENDED_EARLY",
    "NEVER_DECAYED",
    "NO_WARMUP",
    "PLATEAU",
    "EndedEarlyOptions",
    "NeverDecayedOptions",
    "NoWarmupOptions",
    "PlateauOptions",
    "ended_at",
]

_MEANS = 24  # batch means under a trend test, as many as controllers use


@dataclass(frozen=True, kw_only=True)
class PlateauOptions(RuleOptions):
    """Thresholds of LR301; the test is that of `learnrate.controllers.Plateau`.

    Attributes:
        window: the share of the rows seen that is looked at, the most recent ones.
        progress: the share of the whole fall, or of the loss where that is less, that the loss
            must have fallen by over the window; less must be shown. Runs at a constant rate that
            were still worth it fell by 0.2 or more, runs on a plateau by up to 0.1.
        significance: nominal chance of showing it where the progress is just that.
        left: the share of the run that must be left, for a decay to be of use.
        held: by what share the rate may vary within the window.
    """

    window: float = 0.6
    progress: float = 0.15
    significance: float = 0.02
    left: float = 0.1
    held: float = 0.02


def _plateau(reading: Reading, options: PlateauOptions) -> Finding | None:
    if reading.finished or reading.seen > (1.0 - options.left) * reading.length:
        return None
    rows = int(options.window * reading.finite.value.size)
    window = reading.finite.value[-rows:]
    since = int(reading.finite.step[-rows])
    rates = reading.rate.since(since).value
    if not rates.size or rates.max() == 0 or rates.min() < (1.0 - options.held) * rates.max():
        return None
    if rates.max() < 0.5 * reading.peak or _will_decay(reading):
        return None
    means = np.array([part.mean() for part in np.array_split(window, min(_MEANS, rows))])
    level = float(np.median(means))
    asked = options.progress * min(reading.fall, abs(level))
    p = rising_rank_p((means + asked * np.arange(means.size) / means.size).tolist())
    if asked <= 0 or p >= options.significance:
        return None
    rate = float(rates[-1])
    total_steps = reading.observations.total_steps
    rest = "" if total_steps is None else f", and {total_steps - reading.seen:,} updates are left"
    return Finding(
        code=PLATEAU.code,
        severity=PLATEAU.severity,
        step=since,
        message=(
            f"The loss stands near {level:.4g} since about step {since:,} at a rate of "
            f"{rate_text(rate, 2)}: it fell by less than {asked:.2g} in {reading.seen - since:,} "
            f"updates (p={p:.2g}){rest}."
        ),
        evidence={
            "since": since,
            "level": level,
            "rate": rate,
            "progress_refuted": asked,
            "p": p,
            "updates_left": None if total_steps is None else total_steps - reading.seen,
        },
        remedy="Begin the decay now: let the rate fall to 0 over what is left of the run.",
    )


def _will_decay(reading: Reading) -> bool:
    """Whether the schedule that was meant says that the rate will fall by half or more."""
    schedule, total_steps = reading.observations.schedule, reading.observations.total_steps
    if schedule is None or total_steps is None:
        return False
    bound = schedule if schedule.ready else schedule.over(total_steps)
    return abs(bound(total_steps - 1)) < 0.5 * abs(bound(reading.seen - 1))


@dataclass(frozen=True, kw_only=True)
class NeverDecayedOptions(RuleOptions):
    """Thresholds of LR302.

    Attributes:
        share: the share of its peak that the rate never falls below after reaching it.
        warm: the share of the run within which the peak must be reached, else it is a rising rate.
    """

    share: float = 0.5
    warm: float = 0.5


def _never_decayed(reading: Reading, options: NeverDecayedOptions) -> Finding | None:
    if not reading.finished or reading.peak == 0:
        return None
    lowest = float(reading.rate.since(reading.warm).value.min())
    if lowest < options.share * reading.peak or reading.warm > options.warm * reading.length:
        return None
    return Finding(
        code=NEVER_DECAYED.code,
        severity=NEVER_DECAYED.severity,
        step=reading.warm,
        message=(
            f"The rate never decayed: it reached {rate_text(reading.peak)} at step "
            f"{reading.warm:,} and still is {rate_text(float(reading.rate.value[-1]))} at the end, "
            f"step {reading.seen - 1:,}."
        ),
        evidence={
            "peak": reading.peak,
            "last": float(reading.rate.value[-1]),
            "lowest_since_peak": lowest,
            "loss_at_end": reading.end,
        },
        remedy=(
            "Let the rate fall to 0 by the end of the run, linearly or along a cosine; from here, "
            "a decay over a tenth to a fifth of the updates made so far is worth adding."
        ),
    )


@dataclass(frozen=True, kw_only=True)
class EndedEarlyOptions(RuleOptions):
    """Thresholds of LR303.

    Attributes:
        share: the share of the run that is trained after the end.
        floor: the share of its peak at or below which a rate that stands still has ended.
        epochs: an end within so early a share of the run is LR307's, a clock of epochs.
    """

    share: float = 0.1
    floor: float = 0.015
    epochs: float = 0.1


def ended_at(reading: Reading, floor: float) -> int | None:
    """The step at which a decaying rate came to its end and stood still; None if it did not.

    A rate that stands still after a jump, a stage of a step decay, has not ended; one of exactly 0
    has, however it came there.
    """
    rate = reading.rate
    last = float(rate.value[-1])
    if last > floor * reading.peak:
        return None
    moved = np.flatnonzero(np.abs(rate.value - last) > 1e-6 * reading.peak)
    if not moved.size or moved[-1] + 1 >= rate.value.size - 1:
        return None
    first = int(moved[-1]) + 1
    before = rate.value[max(0, first - 4) : first]
    jumped = (
        before[-1] > 3.0 * max(last, 0.02 * reading.peak) and np.ptp(before) < 0.01 * before[-1]
    )
    return None if jumped and last > 0 else int(rate.step[first])


def _ended_early(reading: Reading, options: EndedEarlyOptions) -> Finding | None:
    if reading.peak == 0:
        return None
    step = ended_at(reading, options.floor)
    schedule = reading.observations.schedule
    if step is None and schedule is not None and schedule.bound and _followed(reading):
        total_steps = int(schedule.total_steps or 0)
        tail = reading.rate.since(total_steps).value
        if (
            tail.size > 1
            and tail.max() <= 0.5 * reading.peak
            and np.ptp(tail) < 1e-6 * reading.peak
        ):
            step = total_steps
    if step is None:
        return None
    trained = reading.seen - step
    if trained < options.share * reading.length or step < options.epochs * reading.length:
        return None
    last = float(reading.rate.value[-1])
    return Finding(
        code=ENDED_EARLY.code,
        severity=ENDED_EARLY.severity,
        step=step,
        message=(
            f"The schedule ended at step {step:,} of {reading.length:,}: the last {trained:,} "
            f"updates ({share_text(trained / reading.length)} of the run) were made at a rate of "
            f"{rate_text(last, 2)}."
        ),
        evidence={
            "ended": step,
            "updates_after": trained,
            "rate_after": last,
            "peak": reading.peak,
        },
        remedy=(
            f"Give the schedule the real length of the run, {reading.length:,} updates: count "
            "optimizer updates over all epochs, not micro-batches of one process."
        ),
    )


def _followed(reading: Reading) -> bool:
    meant = reading.meant
    return meant is not None and bool(
        np.mean(np.abs(meant - reading.rate.value) <= 0.02 * max(reading.peak, meant.max())) > 0.95
    )


@dataclass(frozen=True, kw_only=True)
class NoWarmupOptions(RuleOptions):
    """Thresholds of LR304.

    Attributes:
        early: the share of the run that counts as its beginning.
        rise: how far the loss must rise above its start there, as a share of its whole fall.
        noise: and in units of the scatter of neighbouring losses.
        warm: a peak reached within this share of the run is early enough to be to blame.
        recovered: the share of its whole fall that the loss must have made at a third of the run;
            where it has not, the rate is too high for more than the beginning.
    """

    early: float = 0.1
    rise: float = 0.15
    noise: float = 4.0
    warm: float = 0.05
    recovered: float = 0.5


def _no_warmup(reading: Reading, options: NoWarmupOptions) -> Finding | None:
    early = reading.finite.before(options.early * reading.seen)
    if early.value.size < 8 or reading.fall <= 0 or reading.warm > options.warm * reading.length:
        return None
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(early.value, 3), axis=1)
    at = int(np.argmax(smooth))
    start = min(reading.start, float(early.value[0]))  # the rise may be there by the third row
    rise, fall = float(smooth[at]) - start, start - reading.best
    scatter = 1.4826 * float(np.median(np.abs(np.diff(early.value)))) / np.sqrt(2.0)
    if rise < options.rise * fall or rise < options.noise * scatter:
        return None
    step = int(early.step[at + 1])
    third = float(np.interp(reading.seen / 3, reading.levels.step, reading.levels.value))
    if reading.warm > step or third > start - options.recovered * fall:
        return None
    warmed = reading.warm - int(reading.rate.step[0])
    had = f"a warm-up of only {warmed:,} updates" if warmed > 1 else "no warm-up"
    return Finding(
        code=NO_WARMUP.code,
        severity=NO_WARMUP.severity,
        step=step,
        message=(
            f"The run began with {had} at {rate_text(reading.peak, 2)}, and the loss rose from "
            f"{start:.3g} to {float(smooth[at]):.3g} by step {step:,} before it fell."
        ),
        evidence={
            "start": start,
            "highest": float(smooth[at]),
            "warmup_updates": warmed,
            "peak": reading.peak,
        },
        remedy=(
            f"Warm up over {max(10, round(0.05 * reading.length)):,} to "
            f"{max(20, round(0.1 * reading.length)):,} updates (5 to 10 % of the run), or lower "
            "the peak."
        ),
    )


PLATEAU = Rule(
    code="LR301",
    title="a plateau: decay now",
    severity=Severity.WARNING,
    needs=("loss", "lr"),
    options=PlateauOptions(),
    check=_plateau,
    rows=60,
    explains=frozenset({"LR302"}),
)
NEVER_DECAYED = Rule(
    code="LR302",
    title="the rate never decayed",
    severity=Severity.WARNING,
    needs=("lr", "loss"),
    options=NeverDecayedOptions(),
    check=_never_decayed,
    shows=("lr",),
)
ENDED_EARLY = Rule(
    code="LR303",
    title="the schedule ended before the run did",
    severity=Severity.WARNING,
    needs=("lr",),
    options=EndedEarlyOptions(),
    check=_ended_early,
    explains=frozenset({"LR201", "LR202", "LR301"}),
    shows=("lr",),
)
NO_WARMUP = Rule(
    code="LR304",
    title="the warm-up is missing or too short",
    severity=Severity.WARNING,
    needs=("loss", "lr"),
    options=NoWarmupOptions(),
    check=_no_warmup,
    explains=frozenset({"LR103"}),
)
