"""LR101 to LR103: the loss says that the rate is too high."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._reading import share_text
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

_TURNS = 2000  # parts of a long run whose extremes stand for it where turns are looked for

__all__ = [
    "DIVERGED",
    "OSCILLATING",
    "SPIKES",
    "DivergedOptions",
    "OscillatingOptions",
    "SpikesOptions",
    "drawn_up",
]


@dataclass(frozen=True, kw_only=True)
class DivergedOptions(RuleOptions):
    """Thresholds of LR101.

    Attributes:
        rise: the share of its fall that the loss must have lost again at the end.
        noise: and by how many times what levels are uncertain by.
        least: and as a share of its lowest level, so that a loss that never fell needs more.
        above: the share of its start by which the loss must lie above it in the median of the run,
            for a run that ends no better than it began.
        rows: losses in a row that are not finite, where the run goes on.
    """

    rise: float = 0.5
    noise: float = 8.0
    least: float = 0.1
    above: float = 0.25
    rows: float = 3


def _diverged(reading: Reading, options: DivergedOptions) -> Finding | None:
    loss = reading.loss
    finite = np.flatnonzero(np.isfinite(loss.value))
    first = int(finite[-1]) + 1 if finite.size else 0
    bad = loss.value.size - first
    if bad >= (1 if reading.finished or not reading.live else options.rows):
        last = float(loss.value[first - 1]) if first else None
        return _left(
            reading,
            int(loss.step[first]),
            "The loss is not finite from step {step:,} on"
            + ("." if last is None else f"; before it was {last:.3g}."),
            {"not_finite_rows": bad, "last_finite": last},
        )
    if finite.size < 20:
        return None
    levels = reading.levels
    best, end = reading.best, float(levels.value[-3:].min())
    rise = end - best
    usual = float(np.median(levels.value[levels.value.size // 10 :]))
    if usual - reading.start > options.above * abs(reading.start) and end >= 0.95 * reading.start:
        step = int(levels.step[int(np.argmax(levels.value > reading.start))])
        return _left(
            reading,
            step,
            f"The loss lay far above its start, {reading.start:.3g}, from about step {{step:,}} "
            f"on, at {usual:.3g} in the median, and ends at {end:.3g}.",
            {"start": reading.start, "median": usual, "end": end},
        )
    if rise <= max(
        options.rise * reading.fall, options.noise * reading.wobble, options.least * abs(best)
    ):
        return None
    middle = best + 0.5 * rise
    step = (
        int(levels.step[int(np.flatnonzero(levels.value < middle)[-1]) + 1])
        if (levels.value < middle).any()
        else int(levels.step[0])
    )
    return _left(
        reading,
        step,
        f"The loss left for good near step {{step:,}}: from {best:.3g} at best to {end:.3g} at "
        f"the end, having started at {reading.start:.3g}.",
        {"start": reading.start, "best": best, "end": end},
    )


def _left(reading: Reading, step: int, message: str, evidence: dict[str, object]) -> Finding:
    rate = reading.rate_at(step)
    at = "" if rate is None else f" The rate was {rate_text(rate, 2)}."
    early = step < 0.1 * reading.length
    lower = (
        "the peak rate" if rate is None else f"the peak rate to {rate_text(reading.peak / 4, 2)}"
    )
    return Finding(
        code=DIVERGED.code,
        severity=DIVERGED.severity,
        step=step,
        message=message.format(step=step) + at,
        evidence=evidence | {"rate": rate},
        remedy=(
            f"Lower {lower} or less"
            + (" and warm up over the first 5 to 10 % of the run" if early else "")
            + "; go on from a checkpoint before that step. A single bad batch does this too: look "
            "at the data of that step."
        ),
    )


@dataclass(frozen=True, kw_only=True)
class SpikesOptions(RuleOptions):
    """Thresholds of LR102.

    Attributes:
        height: how far the loss must rise from its last low, as a share of its whole fall.
        back: the share of such a rise that it must then fall, to have recovered.
        noise: and in units of the scatter of neighbouring losses.
        count: spikes that recur.
        apart: the share of the run that they must spread over.
        longest: the share of the run that a spike may last; a longer one is a swing, LR103.
        early: the share of the run at its beginning whose spikes are LR304's.
        progress: the share of its whole fall that the loss must have made when it spikes, in the
            median; a loss that spikes instead of falling swings, LR103.
        off: how far above its best so far a loss is off its course, as a share of its whole fall.
        away: the share of the run that it may be; a loss that is away for longer swings, LR103.
            Runs with bad batches were away for up to 0.31 of it, runs at a rate too high for at
            least 0.43.
    """

    height: float = 0.15
    back: float = 0.6
    noise: float = 6.0
    count: float = 3
    apart: float = 0.2
    longest: float = 0.2
    early: float = 0.05
    progress: float = 0.6
    off: float = 0.2
    away: float = 0.35


def _spikes(reading: Reading, options: SpikesOptions) -> Finding | None:
    found = spikes(reading, options)
    if len(found) < options.count:
        return None
    if np.median([made for _, _, made in found]) < options.progress * reading.fall:
        return None
    steps = [step for step, _, _ in found]
    if _away(reading, options) > options.away:
        return None
    if steps[-1] - steps[0] < options.apart * reading.seen:
        return None
    highest = max(height for _, height, _ in found)
    rate = reading.rate_at(steps[0])
    return Finding(
        code=SPIKES.code,
        severity=SPIKES.severity,
        step=steps[0],
        message=(
            f"The loss spikes again and again, {len(found)} times from step {steps[0]:,} to step "
            f"{steps[-1]:,}, by up to {highest:.3g}, and recovers each time."
        ),
        evidence={
            "count": len(found),
            "steps": steps[:20],
            "highest": highest,
            "rate_at_first": rate,
        },
        remedy=(
            "Lower the peak rate by half, or clip gradients at their usual norm; if spikes come at "
            "the same batches in every run, look at that data."
        ),
    )


def _away(reading: Reading, options: SpikesOptions) -> float:
    """The share of the run, after its first tenth, in which the loss is off its course."""
    levels = reading.levels.value
    above = levels - np.minimum.accumulate(levels)
    return float(np.mean(above[levels.size // 10 :] > options.off * reading.fall))


def spikes(reading: Reading, options: SpikesOptions) -> list[tuple[int, float, float]]:
    """Rises of the loss that are followed by a fall: step and height of each top, and the low.

    The low is given as what the loss had gained by then.

    The loss is smoothed by a median of three, so that a single hard batch, as every data set has,
    is no spike.
    """
    loss = reading.finite
    padded = np.pad(loss.value, 1, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)
    scatter = 1.4826 * float(np.median(np.abs(np.diff(loss.value)))) / math.sqrt(2.0)
    least = max(options.height * reading.fall, options.noise * scatter)
    n = smooth.size
    rows = extremes(smooth, _TURNS)
    return [
        (int(loss.step[top]), height, reading.start - float(smooth[low]))
        for low, top, end, height in _turns(smooth, rows, least, options.back)
        if end - low <= options.longest * n and top >= options.early * n
    ]


def extremes(values: np.ndarray, parts: int) -> np.ndarray:
    """The places of the lowest and the highest value of each of `parts` parts, in order.

    Examples:
        >>> extremes(np.array([3.0, 1.0, 2.0, 5.0, 4.0, 6.0]), 2).tolist()
        [0, 1, 4, 5]
    """
    n = values.size
    if n <= 2 * parts:
        return np.arange(n)
    width = n // parts
    held = values[: width * parts].reshape(parts, width)
    first = width * np.arange(parts)
    rest = np.arange(width * parts, n)
    return np.unique(
        np.concatenate([first + held.argmin(axis=1), first + held.argmax(axis=1), rest])
    )


def _turns(
    values: np.ndarray, rows: np.ndarray, least: float, back: float
) -> list[tuple[int, int, int, float]]:
    """Rises by `least` or more, each with its low, its top, and where a share of it is lost."""
    found: list[tuple[int, int, int, float]] = []
    low = top = int(rows[0])
    risen = False
    for row in rows.tolist():
        value = values[row]
        if not risen:
            if value < values[low]:
                low = row
            if value - values[low] >= least:
                risen, top = True, row
            continue
        if value > values[top]:
            top = row
        height = float(values[top] - values[low])
        if values[top] - value >= back * height:
            found.append((low, top, row, height))
            risen, low = False, row
    return found


@dataclass(frozen=True, kw_only=True)
class OscillatingOptions(RuleOptions):
    """Thresholds of LR103.

    Attributes:
        back: the share of its whole fall that the loss must have lost again on the way.
        noise: and by how many times what levels are uncertain by. Healthy runs that swung by so
            much did by up to 3 times, runs at a rate too high by 4.5 or more.
        turns: the correlation of neighbouring losses, negative, from which they bounce.
        size: the scatter of losses that bounce, as a share of the whole fall.
        seen: the share of the run that must be over; how a burst at the beginning ends, LR304, is
            not known before.
    """

    back: float = 0.25
    noise: float = 4.0
    turns: float = 0.6
    size: float = 0.05
    seen: float = 0.25


def _oscillating(reading: Reading, options: OscillatingOptions) -> Finding | None:
    levels, fall = reading.levels, reading.fall
    if fall <= 0 or reading.seen < options.seen * reading.length:
        return None
    back, low, high = drawn_up(reading)
    if back > max(options.back * fall, options.noise * reading.wobble):
        step = int(levels.step[low])
        bottom, top = (float(levels.value[at]) for at in (low, high))
        message = (
            f"The loss swings: from {bottom:.3g} near step {step:,} it went back up to {top:.3g} "
            f"near step {int(levels.step[high]):,}, {share_text(back / fall)} of all that the run "
            "gained."
        )
        return _swing(reading, step, message, {"low": bottom, "high": top})
    late = reading.finite.value[reading.finite.value.size // 2 :]
    change = np.diff(late) - np.diff(late).mean()
    scatter = float(np.std(change)) / 2.0
    if scatter < options.size * fall or change.size < 20:
        return None
    turns = float((change[1:] * change[:-1]).sum() / (change * change).sum())
    # Changes of independent values have -1/2, of a bounce between two values -1.
    if turns > -(0.5 + 0.5 * options.turns):
        return None
    step = int(reading.finite.step[reading.finite.value.size // 2])
    message = (
        f"The loss bounces from one update to the next by {2 * scatter:.2g}, "
        f"{share_text(2 * scatter / fall)} of all that the run gained, over the last half."
    )
    return _swing(reading, step, message, {"bounce": 2 * scatter, "correlation": turns})


def drawn_up(reading: Reading) -> tuple[float, int, int]:
    """The largest rise from a lower level to a later one, and which levels they are.

    Levels are smoothed by a median of three: what lasts a sixtieth of the run is a spike, no swing.
    """
    padded = np.pad(reading.levels.value, 1, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)
    back = smooth - np.minimum.accumulate(smooth)
    at = int(np.argmax(back))
    return float(back[at]), int(np.argmin(smooth[: at + 1])), at


def _swing(reading: Reading, step: int, message: str, evidence: dict[str, object]) -> Finding:
    rate = reading.rate_at(step)
    lower = (
        "the peak rate" if rate is None else f"the peak rate to {rate_text(reading.peak / 3, 2)}"
    )
    return Finding(
        code=OSCILLATING.code,
        severity=OSCILLATING.severity,
        step=step,
        message=message,
        evidence=evidence | {"fall": reading.fall, "rate": rate},
        remedy=f"Lower {lower}, a third; with Adam, a lower beta2 (0.95) or a longer warm-up helps.",
    )


DIVERGED = Rule(
    code="LR101",
    title="the loss diverged",
    severity=Severity.ERROR,
    needs=("loss",),
    options=DivergedOptions(),
    check=_diverged,
    rows=1,
    explains=frozenset(
        {"LR102", "LR103", "LR104", "LR105", "LR201", "LR202", "LR301", "LR302", "LR304"}
        | {"LR401", "LR402"}
    ),
)
SPIKES = Rule(
    code="LR102",
    title="the loss spikes again and again",
    severity=Severity.WARNING,
    needs=("loss",),
    options=SpikesOptions(),
    check=_spikes,
    rows=60,
    explains=frozenset({"LR103", "LR201", "LR304"}),
)
OSCILLATING = Rule(
    code="LR103",
    title="the loss swings back by a large part of what was gained",
    severity=Severity.WARNING,
    needs=("loss",),
    options=OscillatingOptions(),
    check=_oscillating,
    explains=frozenset({"LR301", "LR201", "LR302"}),
)
