"""LR404: the first loss is far above chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "FarAboveChanceOptions"]


@dataclass(frozen=True, kw_only=True)
class FarAboveChanceOptions(RuleOptions):
    """Thresholds of LR404. Chance is the cross-entropy of a model that has learned nothing.

    Attributes:
        times: the loss before the first update must be this many times chance.
    """

    times: float = 4.0


def _check(reading: Reading, options: FarAboveChanceOptions) -> Finding | None:
    classes, loss = reading.facts.get("classes"), reading.finite_loss
    if not isinstance(classes, int) or classes < 2 or not loss.step.size or loss.step[0] != 0:
        return None
    first, chance = float(loss.value[0]), math.log(classes)
    if first < options.times * chance:
        return None
    return RULE.finding(
        step=0,
        message=(
            f"Before the first update the loss was {first:.3g}, {first / chance:.2g} times the "
            f"{chance:.3g} of a model that knows nothing: the model starts out certain and wrong."
        ),
        evidence={"first": first, "chance": chance},
        remedy=(
            "Bring the inputs to mean 0 and standard deviation 1, start the last layer with small "
            "weights, and check that the loss is a mean and not a sum over the batch."
        ),
    )


def _lacks(reading: Reading) -> str | None:
    is_known = isinstance(reading.facts.get("classes"), int)
    return (
        None if is_known else "the number of classes is not known; attach(criterion=...) tells it"
    )


RULE = Rule(
    code="LR404",
    name="far_above_chance",
    title="the first loss is far above chance",
    severity=Severity.ADVICE,
    needs=("loss",),
    options=FarAboveChanceOptions(),
    check=_check,
    example=lambda run: run.observed(loss=run.raised_loss(0, 1, 15.0), facts={"classes": 10}),
    lacks=_lacks,
    rows=1,
)
