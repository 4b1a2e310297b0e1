"""LR404: the first loss is far above chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "FarAboveChanceOptions"]


class FarAboveChanceOptions(RuleOptions):
    """Thresholds of LR404. Chance is the cross-entropy of a model that has learned nothing.

    Attributes:
        factor: the loss before the first update must be at least this many times the loss at
            chance.
    """

    factor: float = 4.0


class _FarAboveChance(Rule[FarAboveChanceOptions]):
    title = "the first loss is far above chance"
    severity = Severity.ADVICE
    early = True
    needs = ("loss",)
    rows = 1

    def check(self, reading: Reading, options: FarAboveChanceOptions) -> Finding | None:
        classes, loss = reading.facts.get("classes"), reading.finite_loss
        if not isinstance(classes, int) or classes < 2 or not loss.step.size or loss.step[0] != 0:
            return None
        first, chance = float(loss.value[0]), math.log(classes)
        if first < options.factor * chance:
            return None
        return self.finding(
            step=0,
            message=(
                f"The loss before the first update was {first:.3g}, which is {first / chance:.2g} times the "
                f"loss at chance, {chance:.3g}. The model is confident in wrong answers."
            ),
            evidence={"first": first, "chance": chance},
            remedy=(
                "Normalise the inputs to mean 0 and standard deviation 1, initialise the last layer with "
                "small weights, and check that the loss is a mean over the batch and not a sum."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        return reading.why_classes_unknown

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(loss=run.raised_loss(0, 1, 15.0), facts={"classes": 10})


RULE = _FarAboveChance()
