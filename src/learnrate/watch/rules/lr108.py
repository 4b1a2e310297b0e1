"""LR108: the loss stays above its initial value for a large part of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import accumulation_hint
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import Track, fall_signal, levels_of, neighbour_std, share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "AboveStartOptions"]

_LEVELS = 60
_NOISE_PART = 4  # the noise is taken from the last quarter of the rows, where the rate has decayed
_LEAST_ROWS = 10
_TOP_ROWS = 3  # rows for which the loss must stay high; shorter spikes do not count


class AboveStartOptions(RuleOptions):
    """Thresholds of LR108. The start is the first loss, before any update.

    Attributes:
        share: the loss must be above its start for at least this share of the run. In a run of few
            updates, the loss may rise sharply and recover in time even at the best rate.
        stretch: only stretches of at least this share of the rows, and of at least eight rows,
            count. A stretch is a series of rows whose losses are all above the start.
        noise: the loss must have risen above its start by at least this many standard deviations
            of the losses in the last quarter of the rows.
        recovery: the loss must have dropped again by at least this share of the rise. A loss that
            stays high may be one that is meant to rise, such as an adversarial loss.
        tolerated: nothing is reported if the loss drops below its start for good while the rate is
            still above this share of its peak. Such a run tolerates the rate after its first
            updates, which also happens at the best rate of a short run.
    """

    share: float = 0.35
    stretch: float = 0.05
    noise: float = 8.0
    recovery: float = 0.8
    tolerated: float = 0.5


def _remedy(reading: Reading) -> str:
    peak = reading.peak_or_none
    rates = (
        "a third of the peak rate, and then a ninth"
        if not peak
        else f"a peak rate of {rate_text(peak / 3, 2)}, and then of {rate_text(peak / 9, 2)}"
    )
    return (
        f"Try {rates}, in short runs, until the loss falls from the first update on, or find the rate "
        "with learnrate plan. If the loss rises at each of these rates, check the scale of the inputs. If "
        "two networks are trained against each other, the loss may rise at any rate: declare "
        "objective='adversarial'."
        f"{accumulation_hint(reading)}"
    )


def _in_stretches(is_above: np.ndarray, least: int) -> np.ndarray:
    """Which rows lie in a stretch of at least `least` rows that are all above.

    Examples:
        >>> _in_stretches(np.array([True, False, True, True]), 2).tolist()
        [False, False, True, True]
    """
    edges = np.flatnonzero(np.diff(np.r_[False, is_above, False].astype(int)))
    is_long = np.zeros(is_above.size, dtype=bool)
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        is_long[first:end] = end - first >= least
    return is_long


def _falls_since(reading: Reading, row: int) -> bool:
    """Whether the loss falls clearly beyond its own variation after a row."""
    track = reading.finite_loss
    levels = levels_of(Track(track.step[row:], track.value[row:]), _LEVELS).value
    return fall_signal(levels) >= reading.needed_signal


def _recovers_at_high_rate(reading: Reading, is_above: np.ndarray, share: float) -> bool:
    """Whether the loss dropped below its start for good while the rate was above a share of its peak."""
    last = int(np.flatnonzero(is_above)[-1])
    if last == is_above.size - 1:
        return False
    rate = reading.rate_at(float(reading.finite_loss.step[last + 1]))
    return rate is not None and rate > share * reading.peak


class _AboveStart(Rule[AboveStartOptions]):
    title = "the loss stays above its initial value for a large part of the run"
    severity = Severity.ADVICE
    needs = ("loss",)
    explains = frozenset({"LR102", "LR103", "LR201", "LR301", "LR302", "LR304"})

    def check(self, reading: Reading, options: AboveStartOptions) -> Finding | None:
        steps, losses = reading.finite_loss
        start = float(losses[0])
        is_above = _in_stretches(losses > start, max(8, int(options.stretch * losses.size)))
        updates = np.diff(steps, append=reading.steps_done)
        share = float(updates[is_above].sum()) / reading.total_steps
        if share < options.share or _recovers_at_high_rate(reading, is_above, options.tolerated):
            return None
        lasting = np.lib.stride_tricks.sliding_window_view(losses, _TOP_ROWS).min(axis=1)
        top = int(np.argmax(lasting))
        rise = float(lasting[top]) - start
        last = losses[-max(_LEAST_ROWS, losses.size // _NOISE_PART) :]
        if rise < options.noise * neighbour_std(last) or not _falls_since(reading, top):
            return None
        end = float(np.median(losses[-max(5, losses.size // 20) :]))
        if lasting[top] - end < options.recovery * rise:
            return None
        first = int(np.argmax(is_above))
        return self.finding(
            step=int(steps[first]),
            message=(
                f"The loss was above {start:.3g}, its value before the first update, for "
                f"{share_text(share)} of the run. It rose to {float(lasting[top]):.3g} from step "
                f"{int(steps[first]):,} on and recovered slowly. The rate is likely several times too high."
            ),
            evidence={
                "start": start,
                "highest": float(lasting[top]),
                "end": end,
                "share": share,
                "rate": reading.rate_at(float(steps[first])),
            },
            remedy=_remedy(reading),
        )

    def lacks(self, reading: Reading) -> str | None:
        if not reading.is_descent:
            return reading.why_not_judged
        if reading.finite_loss.step[0] > reading.spacing:
            return "the start of the run is not recorded, so the initial loss is not known"
        return None

    def example(self, run: ExampleRun) -> Observations:
        step = run.step
        return run.observed(loss=run.loss + 40.0 * (1 - np.exp(-step / 4)) * np.exp(-step / 120))


RULE = _AboveStart()
