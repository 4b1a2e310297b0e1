"""LR201: the rate is likely too low, because the loss falls in a straight line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._path import moved_far
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "TooSlowOptions"]

_BEYOND_NOISE = 4.0  # standard deviations of a loss


class TooSlowOptions(RuleOptions):
    """Thresholds of LR201. Progress is the sum of the rates so far, as a share of the whole sum.

    Attributes:
        noise: the decrease must be at least this many standard errors of a level, so that its shape
            is visible.
        quarter_fall: in each quarter of the progress, the loss must have fallen by at least this
            share of its total decrease; on a straight line it is 0.25. If the loss falls more and
            more slowly, the run is past its beginning. If the loss stalls or rises in between, it
            is limited by noise, which means that the rate is too high.
        last_quarter_fall: in the last quarter of the progress, the loss may have fallen by at most
            this share of its total decrease. If it fell by more, it falls because the rate decays,
            and the rate is likely too high.
        first_fall: in the first twentieth of the progress, the loss may have fallen by at most this
            share of its total decrease; on a straight line it is 0.05.
        rise: the loss may have risen in between by at most this share of its total decrease.
        burst: the first losses may have risen above the start by at most this share of the
            decrease. If the loss first rises by more than it falls afterwards, the rate is not too
            low.
        share_done: at least this share of the run must be over.
    """

    noise: float = 20.0
    quarter_fall: float = 0.14
    last_quarter_fall: float = 0.36
    first_fall: float = 0.15
    rise: float = 0.1
    burst: float = 1.0
    share_done: float = 0.25


def _burst(reading: Reading) -> float:
    """How far the loss rose above its start in the first tenth of the updates, beyond noise."""
    early = reading.finite_loss.before(0.1 * reading.steps_done).value
    if not early.size:
        return 0.0
    return float(early.max()) - reading.start - _BEYOND_NOISE * reading.noise


class _TooSlow(Rule[TooSlowOptions]):
    title = "the rate is likely too low: the loss falls in a straight line"
    severity = Severity.ADVICE
    needs = ("loss", "lr")
    rows = 60
    judges = "a rate that is too low"
    spacing = 1
    explains = frozenset({"LR301", "LR302"})

    def check(self, reading: Reading, options: TooSlowOptions) -> Finding | None:
        """A loss that falls in proportion to the sum of the rates is still early in training."""
        if reading.steps_done < options.share_done * reading.total_steps or moved_far(reading):
            return None
        levels, progress = reading.levels, reading.progress
        if progress is None:
            return None
        marks = np.interp([0.05, 0.25, 0.5, 0.75], progress, levels.value)
        end = float(np.median(levels.value[-3:]))
        fall = reading.start - end
        if fall <= options.noise * reading.level_error:
            return None
        rose = reading.largest_rise[0] > options.rise * fall
        if rose or _burst(reading) > options.burst * fall:
            return None
        first = float(reading.start - marks[0]) / fall
        quarters = -np.diff([reading.start, *marks[1:], end]) / fall
        if (
            quarters.min() < options.quarter_fall
            or quarters[-1] > options.last_quarter_fall
            or first > options.first_fall
        ):
            return None
        half = float(quarters[2:].sum())
        return self.finding(
            step=int(levels.step[int(np.searchsorted(progress, 0.5))]),
            message=(
                f"The rate is likely too low: the loss falls from {reading.start:.3g} to {end:.3g} in "
                f"{reading.steps_done:,} updates, almost in a straight line. Measured by the sum of the "
                f"rates, {share_text(half)} of the decrease came in the second half of the run, so the "
                "run is still in its early phase."
            ),
            evidence={
                "start": reading.start,
                "end": end,
                "second_half_share": half,
                "first_twentieth_share": first,
                "last_quarter_share": float(quarters[-1]),
                "peak": reading.peak_or_none,
            },
            remedy=(
                "Try a peak rate three to ten times as high in a short run, or find it with learnrate "
                "plan."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(loss=2.3 - 0.4 * np.cumsum(run.lr) / run.lr.sum() + 0.02 * run.noise)


RULE = _TooSlow()
