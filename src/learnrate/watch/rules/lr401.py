"""LR401: overfitting begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._statistics import rising_rank_p
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text, thinned

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "OverfittingOptions"]


@dataclass(frozen=True, kw_only=True)
class OverfittingOptions(RuleOptions):
    """Thresholds of LR401.

    Attributes:
        rise: the validation loss must lie above its lowest value by this share of it. That is the
            generalisation loss GL of Prechelt, whose usual criterion is 5 %.
        lost: the rise must undo this share of all that was gained, from the first training loss to
            the lowest validation loss, because a validation loss near 0 doubles easily.
        significance: the p-value of a rank test for a rise since then must be below this.
        rows: there must be more than this many validations, the lowest one included.
    """

    rise: float = 0.05
    lost: float = 0.03
    significance: float = 0.01
    rows: float = 5


def _check(reading: Reading, options: OverfittingOptions) -> Finding | None:
    validation = reading.validation
    best_row = int(np.argmin(validation.value))
    lowest, since = float(validation.value[best_row]), validation.value[best_row:]
    last = float(np.median(validation.value[-3:]))
    if since.size <= options.rows or lowest <= 0 or last < (1.0 + options.rise) * lowest:
        return None
    if last - lowest < options.lost * (reading.start - lowest):
        return None
    if rising_rank_p(thinned(since), independent=True) >= options.significance:
        return None
    step = int(validation.step[best_row])
    training = reading.finite_loss.before(step + 1).value[-20:]
    if not training.size or reading.end >= float(np.median(training)):
        return None
    return RULE.finding(
        step=step,
        message=(
            f"Overfitting begins near step {step:,}: since then the validation loss has risen by "
            f"{share_text(last / lowest - 1.0)}, from {lowest:.3g} to {last:.3g}, while the "
            "training loss kept falling."
        ),
        evidence={
            "lowest_validation": lowest,
            "last_validation": last,
            "rise": last / lowest - 1.0,
            "training_loss_then": float(np.median(training)),
            "training_loss_now": reading.end,
        },
        remedy=(
            f"Keep the weights of step {step:,}; next time let the decay end there, or regularise "
            "more: a lower rate does not bring back what was memorised."
        ),
    )


def _example(run: ExampleRun) -> Observations:
    validation = np.full(run.total_steps, np.nan)
    step = run.step[19::20]
    validation[19::20] = 0.6 + 1.7 * np.exp(-step / 60) + 0.0012 * step
    return run.observed(loss=run.loss - 0.0003 * run.step, validation=validation)


RULE = Rule(
    code="LR401",
    name="overfitting",
    title="overfitting begins: decay or stop",
    severity=Severity.WARNING,
    needs=("validation", "loss"),
    options=OverfittingOptions(),
    check=_check,
    example=_example,
    rows=8,
    explains=frozenset({"LR201", "LR301", "LR302"}),
    shows=("validation", "loss"),
)
