"""LR308: the rate was set but not applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import known_momenta
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import Track, levels_of, share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "NotAppliedOptions"]

_FEWEST = 2  # rows that must differ: a single row may have the rate of another update


class NotAppliedOptions(RuleOptions):
    """Thresholds of LR308.

    Attributes:
        share: the rate must differ from the schedule in at least this share of the rows.
        edited_share: if a person or a controller changed the rate, the rate must differ from the
            schedule in at least this share of the rows.
        range: the updates are compared with the rate only if the rate varies by at least this
            factor.
        power: the updates grow with a power of the rate, and its exponent must be below this value.
            The exponent is near 1 if the rate is applied and near 0 if it is not.
        vanished: a row does not count if its gradient norm is below this share of the largest
            gradient norm, because Adam's updates shrink for gradients near its epsilon, whatever
            the rate.
    """

    share: float = 0.02
    edited_share: float = 0.7
    range: float = 5.0
    power: float = 0.7
    vanished: float = 1e-4


def _off_schedule(reading: Reading, scheduled: np.ndarray, follows: np.ndarray) -> Finding:
    rate, rows = reading.rate, np.flatnonzero(~follows)
    differing = rows.size / follows.size
    row = int(rows[0])
    # The difference, as a share of the higher of the two rates.
    apart = np.abs(rate.value - scheduled) / np.maximum(np.maximum(rate.value, scheduled), 1e-300)
    worst = int(rows[np.argmax(apart[rows])])
    where = f"between step {int(rate.step[row]):,} and step {int(rate.step[rows[-1]]):,}"
    if np.ptp(rate.value) < 1e-6 * reading.peak:
        detail = f"The rate stayed at {rate_text(reading.peak)} all the time"
    else:
        detail = (
            f"At step {int(rate.step[worst]):,} it was {rate_text(float(rate.value[worst]))} "
            f"instead of {rate_text(float(scheduled[worst]))}"
        )
    return RULE.finding(
        step=int(rate.step[row]),
        message=(
            f"The schedule was set but not applied: the rate differs from it in "
            f"{share_text(differing)} of the rows, {where}. {detail}."
        ),
        evidence={
            "share_of_rows_off": differing,
            "last_row_off": int(rate.step[rows[-1]]),
            "peak": reading.peak,
            "peak_meant": float(scheduled.max()),
            "last": float(rate.value[-1]),
            "last_meant": float(scheduled[-1]),
        },
        remedy=(
            "Step the scheduler, and create it for the optimizer that is used. After a resume, set the "
            "rate again, because a restored optimizer keeps its old rate."
        ),
    )


def _power(reading: Reading, options: NotAppliedOptions) -> float | None:
    """The power of the rate with which the updates grow; None if it is not known.

    For SGD, updates are divided by the gradient norm.
    """
    observations = reading.observations
    if not observations.has("update_ratio") or reading.rate.step.size < 40 or reading.peak == 0:
        return None
    step = observations.step
    ratio, norm = observations.column("update_ratio"), observations.column("gradient_norm")
    lr = np.abs(observations.column("lr"))
    counts = np.isfinite(ratio) & (ratio > 0) & np.isfinite(lr) & (lr > 1e-3 * reading.peak)
    counts &= step >= max(reading.warmup_end, int(0.1 * reading.steps_done))
    if np.isfinite(norm).any():
        counts &= ~(norm < options.vanished * np.max(norm[np.isfinite(norm)]))
    limit = reading.facts.get("clip_norm")
    clipped_norm = norm if limit is None else np.minimum(norm, float(limit))
    name = str(reading.facts.get("optimizer", "")).lower()
    has_norm = counts & np.isfinite(norm) & (norm > 0)
    powers = []
    is_sgd = any(word in name for word in ("sgd", "momentum", "nesterov"))
    if not is_sgd:
        powers.append(_log_slope(lr[counts], ratio[counts], step[counts], options.range))
    if (is_sgd or not name) and has_norm.sum() > 40:
        per_gradient = ratio[has_norm] / clipped_norm[has_norm]
        initial = float(reading.facts.get("momentum") or 0.0)
        momentum = min(0.999, np.abs(known_momenta(reading, step, initial)).max())
        spread = (1.0 + momentum) / (1.0 - momentum)
        powers.append(
            _log_slope(lr[has_norm], per_gradient, step[has_norm], options.range, spread)
        )
    known = [power for power in powers if power is not None]
    return max(known) if known and len(known) == len(powers) else None


def _log_slope(
    lr: np.ndarray, size: np.ndarray, step: np.ndarray, least_range: float, spread: float = 1.0
) -> float | None:
    """The slope of log size over log rate, in medians; None if the rate hardly varies.

    Momentum m multiplies a gradient by 1 / (1 - m) if successive gradients agree and by 1 / (1 + m)
    if they alternate. Which of the two it is may change with the rate, so the slope is the highest
    that a `spread` of the sizes by that much allows.
    """
    if lr.size < 20:
        return None
    log_lr = np.log(levels_of(Track(step, lr), 40).value)
    log_size = np.log(levels_of(Track(step, size), 40).value)
    if np.ptp(log_lr) < np.log(least_range):
        return None
    return float(np.polyfit(log_lr, log_size, 1)[0] + np.log(spread) / np.ptp(log_lr))


class _NotApplied(Rule[NotAppliedOptions]):
    title = "the rate was set but not applied"
    severity = Severity.ERROR
    needs = ("lr",)
    rows = 10
    explains = frozenset({"LR201", "LR301", "LR302"})
    shows = ("lr",)

    def check(self, reading: Reading, options: NotAppliedOptions) -> Finding | None:
        scheduled, follows = reading.scheduled, reading.follows_schedule
        if scheduled is not None and follows is not None and scheduled.max() > 0:
            least = options.edited_share if reading.facts.get("edits") else options.share
            if (~follows).sum() >= _FEWEST and 1.0 - follows.mean() >= least:
                return _off_schedule(reading, scheduled, follows)
        power = _power(reading, options)
        if power is None or power >= options.power:
            return None
        lowest = float(reading.rate.value[reading.rate.value > 0].min())
        return self.finding(
            step=int(reading.rate.step[0]),
            message=(
                f"The rate in the log is not the rate that was applied: it varies from "
                f"{rate_text(lowest, 2)} to {rate_text(reading.peak, 2)}, but the size of the updates "
                f"does not follow it (it grows as rate^{power:.2f} instead of rate^1)."
            ),
            evidence={"power": power, "lowest": lowest, "peak": reading.peak},
            remedy=(
                "Log the rate of the optimizer's own parameter groups. Check that the scheduler holds "
                "the optimizer that is stepped, and not another one or one that was replaced on resume."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        if reading.scheduled is not None or reading.observations.has("update_ratio"):
            return None
        return "the schedule is not known, and update_ratio was not recorded"

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(
            lr=np.full(run.total_steps, 0.1), schedule=run.schedule, total_steps=run.total_steps
        )


RULE = _NotApplied()
