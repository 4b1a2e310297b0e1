"""LR109: the first updates overshoot: the gradient and the loss grow sharply."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import accumulation_hint
from learnrate.watch._path import times_text
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import neighbour_std

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "OvershootOptions"]

_LEAST_UPDATES = 20
_SHARE = 0.1  # of the run: later, gradients grow for other reasons
_COUNTED_GRADIENT = 3  # the third largest gradient counts, so that two hard batches do not
_LARGEST = 1e30  # stands for a norm that is not finite


class OvershootOptions(RuleOptions):
    """Thresholds of LR109. The start is the first loss, before any update.

    Attributes:
        growth: the third largest gradient norm at losses above the start must be at least this many
            times the largest gradient norm at the other losses. Only the first updates count.
        noise: the growth must also exceed this many standard deviations of the logarithm of the
            norm around its trend, because single examples have gradients of very different sizes.
        correlation: losses and gradient norms must have at least this rank correlation. When
            weights leave a saddle point, the gradient grows but the loss does not rise.
    """

    growth: float = 30.0
    noise: float = 2.0
    correlation: float = 0.5


class _FirstUpdates(NamedTuple):
    """The first updates that have a loss and a gradient norm."""

    step: np.ndarray
    loss: np.ndarray
    norm: np.ndarray


def _first_updates(reading: Reading) -> _FirstUpdates:
    observations = reading.observations
    loss, norm = observations.column("loss"), observations.column("gradient_norm")
    end = observations.step[0] + max(_LEAST_UPDATES, _SHARE * reading.total_steps)
    known = ~np.isnan(loss) & ~np.isnan(norm) & (observations.step < end)
    return _FirstUpdates(
        observations.step[known],
        np.where(np.isfinite(loss[known]), loss[known], np.inf),
        np.where(np.isfinite(norm[known]), norm[known], _LARGEST),
    )


def _rank_correlation(left: np.ndarray, right: np.ndarray) -> float:
    ranks = np.array([np.argsort(np.argsort(values)) for values in (left, right)], dtype=float)
    return float(np.corrcoef(ranks)[0, 1])


class _Overshoot(Rule[OvershootOptions]):
    title = "the first updates overshoot: the gradient and the loss grow sharply"
    severity = Severity.ADVICE
    early = True
    at_once = True
    needs = ("loss", "gradient_norm")
    rows = 8
    spacing = 1.0
    shows = ("loss", "gradient_norm")
    explains = frozenset({"LR102", "LR103", "LR108", "LR201", "LR301", "LR302", "LR304"})

    def check(self, reading: Reading, options: OvershootOptions) -> Finding | None:
        step, loss, norm = _first_updates(reading)
        is_above = loss > loss[0] if loss.size else np.zeros(0, dtype=bool)
        if is_above.sum() < _COUNTED_GRADIENT or step[0] > 1:
            return None
        usual, high = (
            float(norm[~is_above].max()),
            float(np.sort(norm[is_above])[-_COUNTED_GRADIENT]),
        )
        if not 0.0 < usual < _LARGEST:
            return None
        growth, noise = high / usual, neighbour_std(np.log(norm[norm > 0]))
        if growth < options.growth * np.exp(options.noise * noise):
            return None
        if _rank_correlation(loss, norm) < options.correlation:
            return None
        first = int(step[is_above & (norm >= high)][0])
        peak = reading.peak_or_none
        tenth = (
            "a tenth of the peak rate" if not peak else f"a peak rate of {rate_text(peak / 10, 2)}"
        )
        growth_text = (
            "overflows"
            if high == _LARGEST
            else f"grows to {times_text(growth)} times its initial value"
        )
        return self.finding(
            step=first,
            message=(
                f"The first updates likely overshoot: from step {first:,} on, the gradient norm "
                f"{growth_text}, and the loss rises from {loss[0]:.4g} to as much as {loss.max():.4g}."
            ),
            evidence={"growth": growth, "start": float(loss[0]), "highest": float(loss.max())},
            remedy=(
                f"Try {tenth}, or warm up, for example over 5 % of the run. learnrate find shows the rates "
                "at which the loss starts to rise."
                f"{accumulation_hint(reading)}"
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        return None if reading.is_descent else reading.why_not_judged

    def example(self, run: ExampleRun) -> Observations:
        burst = np.where(run.step > 0, 40.0 * np.exp(-run.step / 8), 0.0)
        norm = (1.0 + 0.1 * burst**2) * np.exp(-run.step / 200 + 0.05 * run.noise)
        return run.observed(loss=run.loss + burst, gradient_norm=norm)


RULE = _Overshoot()
