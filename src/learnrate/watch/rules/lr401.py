"""LR401: overfitting begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._statistics import rising_rank_p
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import neighbour_std, thinned

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "OverfittingOptions"]


class OverfittingOptions(RuleOptions):
    """Thresholds of LR401.

    Attributes:
        rise: the validation loss must have risen from its lowest value by at least this share of
            its fall from the first value to the lowest.
        noise: the rise must be at least this many standard deviations of a validation loss.
        significance: the p-value of a rank test for a rise since the lowest value must be below
            this value.
        falls: since the lowest validation loss, the training loss must have fallen by at least
            this many standard errors of a level.
        rows: there must be more than this many validations, counted from the lowest one.
    """

    rise: float = 0.1
    noise: float = 4.0
    significance: float = 0.01
    falls: float = 2.0
    rows: float = 5


class _Overfitting(Rule[OverfittingOptions]):
    title = "overfitting begins: decay the rate or stop"
    severity = Severity.WARNING
    needs = ("validation", "loss")
    rows = 8
    judges = "overfitting"
    explains = frozenset({"LR201", "LR301", "LR302"})
    shows = ("validation", "loss")

    def check(self, reading: Reading, options: OverfittingOptions) -> Finding | None:
        validation = reading.validation
        best_row = int(np.argmin(validation.value))
        lowest, since = float(validation.value[best_row]), validation.value[best_row:]
        last = float(np.median(validation.value[-3:]))
        fall = float(validation.value[0]) - lowest
        std = neighbour_std(validation.value)
        if since.size <= options.rows or last - lowest <= max(
            options.rise * fall, options.noise * std
        ):
            return None
        if rising_rank_p(thinned(since), independent=True) >= options.significance:
            return None
        step = int(validation.step[best_row])
        training = reading.finite_loss.before(step + 1).value[-20:]
        least_fall = options.falls * reading.level_error
        if not training.size or reading.end >= float(np.median(training)) - least_fall:
            return None
        return self.finding(
            step=step,
            message=(
                f"Overfitting begins near step {step:,}: since then the validation loss has risen from "
                f"{lowest:.4g} to {last:.4g}, while the training loss has kept falling."
            ),
            evidence={
                "first_validation": float(validation.value[0]),
                "lowest_validation": lowest,
                "last_validation": last,
                "training_loss_then": float(np.median(training)),
                "training_loss_now": reading.end,
            },
            remedy=(
                f"Keep the weights of step {step:,}. Next time, end the decay there or regularise more. A "
                "lower rate does not undo overfitting."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        validation = np.full(run.total_steps, np.nan)
        step = run.step[19::20]
        validation[19::20] = 0.6 + 1.7 * np.exp(-step / 60) + 0.0012 * step
        return run.observed(loss=run.loss - 0.0003 * run.step, validation=validation)


RULE = _Overfitting()
