"""LR202: the model learns nothing, because the rate is 0 or the weights do not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "NotLearningOptions"]


_ROWS = 20
_MEASURED = 3  # gradient norms, or update ratios: they may be measured at few of the rows


class NotLearningOptions(RuleOptions):
    """Thresholds of LR202.

    Attributes:
        ratio: the weights are frozen if the norm of the update divided by the norm of the weights
            is below this value. A ratio near 1e-3 is typical; an update with a ratio below 6e-8 is
            lost to rounding in float32.
        share: the rate must be 0, or the gradient 0, or the weights frozen, in at least this share
            of the rows.
    """

    ratio: float = 1e-8
    share: float = 0.9


def _share_below(values: np.ndarray, limit: float) -> float:
    """The share of values up to a limit; 0 if there are too few."""
    return float(np.mean(values <= limit)) if values.size >= _MEASURED else 0.0


class _NotLearning(Rule[NotLearningOptions]):
    title = "the model learns nothing: the rate is 0, or the weights do not change"
    severity = Severity.ERROR
    early = True
    explains = frozenset({"LR201", "LR301", "LR302", "LR402", "LR103", "LR502"})

    def check(self, reading: Reading, options: NotLearningOptions) -> Finding | None:
        if reading.falls:  # so values that the log shows as 0 were rounded
            return None
        rate = reading.rate.value
        norm, ratio = reading.track("gradient_norm").value, reading.track("update_ratio").value
        zero_share = _share_below(rate, 0.0)
        no_gradient_share = _share_below(norm, 0.0)
        frozen_share = _share_below(ratio, options.ratio)
        if zero_share >= options.share:
            reason = f"the rate is 0 in {share_text(zero_share)} of the rows"
            remedy = "Set the rate. If the schedule starts at 0, step it before every update."
        elif no_gradient_share >= options.share:
            reason = f"the gradient is 0 in {share_text(no_gradient_share)} of the rows"
            remedy = (
                "Check that the loss depends on the parameters: no tensor in between may be detached or "
                "computed under no_grad, and zero_grad must come before backward."
            )
        elif frozen_share >= options.share:
            reason = f"the updates change the weights by less than {options.ratio:g} of their norm"
            remedy = (
                "Check that the optimizer holds the parameters of the model that is trained, that they "
                "require gradients, and that the rate is not extremely small."
            )
        else:
            return None
        return self.finding(
            step=None,
            message=f"The model learns nothing in {reading.steps_done:,} updates: {reason}.",
            evidence={
                "share_of_rows_at_rate_0": zero_share,
                "share_of_rows_without_gradient": no_gradient_share,
                "share_of_rows_without_update": frozen_share,
                "peak": reading.peak_or_none,
            },
            remedy=remedy,
        )

    def lacks(self, reading: Reading) -> str | None:
        recorded = ("lr", "gradient_norm", "update_ratio")
        rows = max(reading.track(name).value.size for name in recorded)
        if rows == 0:
            return "no lr, no gradient_norm and no update_ratio was recorded"
        return None if rows >= _ROWS else f"only {rows} rows; at least {_ROWS} are needed"

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(loss=2.3 + 0.03 * run.noise, lr=0.0 * run.lr)


RULE = _NotLearning()
