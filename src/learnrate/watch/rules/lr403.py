"""LR403: every epoch has the same batches in the same order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate._statistics import STD_OF_DEVIATION
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "RepeatsOptions"]

_ROWS = 20_000  # the last ones: enough for any correlation that matters
_SHORTEST = 8  # rows in an epoch: a shorter period comes from alternating tasks
_RANK_LIMIT = 3.0  # standard deviations beyond which a larger loss has no more effect


class RepeatsOptions(RuleOptions):
    """Thresholds of LR403.

    Attributes:
        correlation: the changes from one loss to the next must have at least this correlation with
            those one epoch earlier.
        noise: the correlation must be at least this many standard errors above 0. The limit
            accounts for the many distances that are tested.
        other_distances: the correlation at other distances, except multiples of the epoch, must not
            exceed this share of the correlation after one epoch.
    """

    correlation: float = 0.3
    noise: float = 7.0
    other_distances: float = 0.8


def _autocorrelation(loss: np.ndarray) -> np.ndarray:
    """The autocorrelation of a loss's short fluctuations, by distance in rows.

    The mean of its two neighbours is subtracted from each loss, so that neither the trend of the loss nor
    jumps between epochs matter. Single large losses are clipped.
    """
    rough = loss[1:-1] - 0.5 * (loss[2:] + loss[:-2])
    rough = rough - np.median(rough)
    scale = STD_OF_DEVIATION * float(np.median(np.abs(rough)))
    if scale == 0.0:
        return np.zeros(rough.size)
    rough = np.clip(rough / scale, -_RANK_LIMIT, _RANK_LIMIT)
    size = 2 ** math.ceil(math.log2(2 * rough.size))
    power = np.abs(np.fft.rfft(rough, size)) ** 2
    products = np.fft.irfft(power, size)[: rough.size]
    pairs = np.arange(rough.size, 0, -1)
    return np.asarray((products / pairs) / (products[0] / rough.size))


class _Repeats(Rule[RepeatsOptions]):
    title = "every epoch has the same batches in the same order"
    severity = Severity.ADVICE
    needs = ("loss",)
    rows = 100

    def check(self, reading: Reading, options: RepeatsOptions) -> Finding | None:
        step, loss = reading.finite_loss
        spacing = np.diff(step)
        if not spacing.size or np.ptp(spacing) > 0:
            return None
        correlation = _autocorrelation(loss[-_ROWS:])
        rows = min(loss.size, _ROWS) - 2
        distances = np.arange(_SHORTEST, rows // 2)
        if distances.size < 2:
            return None
        highest = float(correlation[distances].max())
        # The shortest of those that correlate as much: an epoch, not several.
        best = int(
            distances[int(np.argmax(correlation[distances] >= options.other_distances * highest))]
        )
        highest = float(correlation[best])
        if highest < max(options.correlation, options.noise / math.sqrt(rows - best)):
            return None
        others = np.arange(2, rows // 2)
        apart = np.abs(others - best * np.round(others / best)) > 1
        if float(correlation[others[apart]].max(initial=0.0)) > options.other_distances * highest:
            return None
        period = best * int(spacing[0])
        return self.finding(
            step=int(step[0]) + period,
            message=(
                f"The loss repeats itself every {period:,} updates: the changes from batch to batch have "
                f"a correlation of {highest:.2f} with those {period:,} updates earlier. So every epoch "
                "has the same batches in the same order."
            ),
            evidence={"period": period, "correlation": highest, "rows": rows},
            remedy=(
                "Shuffle the data in each epoch: use DataLoader(shuffle=True), or call set_epoch(...) on "
                "the DistributedSampler. If the order is intended, as in a sequence, nothing is wrong."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        batch = np.random.default_rng(1).standard_normal(40)[run.step % 40]
        return run.observed(loss=run.loss + 0.05 * batch)


RULE = _Repeats()
