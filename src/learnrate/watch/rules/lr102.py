"""LR102: the loss spikes repeatedly."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import median_of_three

if TYPE_CHECKING:
    from collections.abc import Iterator

    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "SpikesOptions"]

_PARTS = 2000  # of a long run; only the extremes of each part can be turning points


class SpikesOptions(RuleOptions):
    """Thresholds of LR102.

    Attributes:
        height: a spike must rise above the preceding low by at least this share of the total
            decrease of the loss.
        recovery: after a spike, the loss must drop by at least this share of the rise. Otherwise it
            has not recovered.
        noise: a spike must rise by at least this many standard deviations of neighbouring losses.
        count: there must be at least this many spikes.
        spread: the first and the last spike must be at least this share of the run apart.
        longest: a spike may last for at most this share of the run. A longer rise is an
            oscillation, LR103.
        early: spikes within this first share of the run are not counted; LR304 covers them.
        progress: in the median, the loss before a spike must have completed at least this share of
            its total decrease. A loss that spikes instead of decreasing is covered by LR103.
        swing_height: a loss is off course while it exceeds its lowest level so far by more than
            this share of its total decrease.
        swing_share: the loss may be off course for at most this share of the run. If it is off
            course for longer, it oscillates, LR103. Runs with bad batches were off course for up to
            0.31 of the run, runs at too high a rate for at least 0.43.
    """

    height: float = 0.15
    recovery: float = 0.6
    noise: float = 6.0
    count: float = 3
    spread: float = 0.2
    longest: float = 0.2
    early: float = 0.05
    progress: float = 0.6
    swing_height: float = 0.2
    swing_share: float = 0.35


class _Spike(NamedTuple):
    """A rise of the loss followed by a fall: the rows of its low, top and end, and its height."""

    low: int
    top: int
    end: int
    height: float


def _share_off(reading: Reading, options: SpikesOptions) -> float:
    """The share of the run, after its first tenth, in which the loss is off course."""
    levels = reading.levels.value
    above = levels - np.minimum.accumulate(levels)
    return float(np.mean(above[levels.size // 10 :] > options.swing_height * reading.fall))


def _extremes(values: np.ndarray, parts: int) -> np.ndarray:
    """The indices of the lowest and the highest value of each of `parts` parts, in order.

    Examples:
        >>> _extremes(np.array([3.0, 1.0, 2.0, 5.0, 4.0, 6.0]), 2).tolist()
        [0, 1, 4, 5]
    """
    n = values.size
    if n <= 2 * parts:
        return np.arange(n)
    width = n // parts
    table = values[: width * parts].reshape(parts, width)
    first = width * np.arange(parts)
    rest = np.arange(width * parts, n)
    return np.unique(
        np.concatenate([first + table.argmin(axis=1), first + table.argmax(axis=1), rest])
    )


def _rises(values: np.ndarray, rows: np.ndarray, least: float, back: float) -> Iterator[_Spike]:
    """Rises of at least `least`, each until the loss has dropped by the share `back` of the rise."""
    heights = values[rows].tolist()
    low = top = int(rows[0])
    lowest = highest = heights[0]
    risen = False
    for row, value in zip(rows.tolist(), heights, strict=True):
        if not risen:
            if value < lowest:
                low, lowest = row, value
            if value - lowest >= least:
                risen, top, highest = True, row, value
            continue
        if value > highest:
            top, highest = row, value
        if highest - value >= back * (highest - lowest):
            yield _Spike(low, top, row, highest - lowest)
            risen, low, lowest = False, row, value


class _Spikes(Rule[SpikesOptions]):
    title = "the loss spikes repeatedly"
    severity = Severity.WARNING
    needs = ("loss",)
    rows = 60
    judges = "spikes"
    explains = frozenset({"LR103", "LR201", "LR304"})

    def check(self, reading: Reading, options: SpikesOptions) -> Finding | None:
        loss = reading.finite_loss
        smooth = median_of_three(loss.value)  # so that a single hard batch is not a spike
        least = max(options.height * reading.fall, options.noise * reading.noise)
        spikes = [
            spike
            for spike in _rises(smooth, _extremes(smooth, _PARTS), least, options.recovery)
            if spike.end - spike.low <= options.longest * smooth.size
            and spike.top >= options.early * smooth.size
        ]
        if len(spikes) < options.count:
            return None
        progress = np.median([reading.start - float(smooth[spike.low]) for spike in spikes])
        if (
            progress < options.progress * reading.fall
            or _share_off(reading, options) > options.swing_share
        ):
            return None
        steps = [int(loss.step[spike.top]) for spike in spikes]
        if steps[-1] - steps[0] < options.spread * reading.steps_done:
            return None
        highest = max(spike.height for spike in spikes)
        return self.finding(
            step=steps[0],
            message=(
                f"The loss spiked {len(spikes)} times between step {steps[0]:,} and step "
                f"{steps[-1]:,}, by up to {highest:.3g}, and recovered each time."
            ),
            evidence={
                "count": len(spikes),
                "steps": steps[:20],
                "highest": highest,
                "rate_at_first": reading.rate_at(steps[0]),
            },
            remedy=(
                "Halve the peak rate, or clip gradients at their usual norm. If the spikes occur at the "
                "same batches in every run, check the data of these batches."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        step = run.step
        spikes = sum(
            1.2 * np.exp(-(step - first) / 6) * (first <= step) for first in (180, 300, 430)
        )
        return run.observed(loss=run.loss + spikes)


RULE = _Spikes()
