"""LR501: a softmax is applied twice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "TwiceNormalisedOptions"]


class TwiceNormalisedOptions(RuleOptions):
    """Thresholds of LR501. The floor is the lowest cross-entropy of probabilities used as logits.

    Attributes:
        near: a loss is near the floor if it is above it by at most this share of the distance from
            the floor to chance.
        share: at least this share of the losses in the second half must be near the floor, and no
            loss may be below it.
    """

    near: float = 0.15
    share: float = 0.5


class _TwiceNormalised(Rule[TwiceNormalisedOptions]):
    title = "a softmax is applied twice"
    severity = Severity.ADVICE
    needs = ("loss",)
    rows = 40
    explains = frozenset({"LR201"})

    def check(self, reading: Reading, options: TwiceNormalisedOptions) -> Finding | None:
        classes = reading.facts.get("classes")
        if not isinstance(classes, int) or classes < 2:
            return None
        chance = math.log(classes)
        floor = math.log1p((classes - 1) / math.e)
        losses = reading.finite_loss.value
        last = losses[losses.size // 2 :]
        near = float(np.mean(last <= floor + options.near * (chance - floor)))
        if losses.min() < floor * (1.0 - 1e-6) or near < options.share:
            return None
        return self.finding(
            step=int(reading.finite_loss.step[losses.size // 2]),
            message=(
                f"No loss is below {floor:.4g}, and {share_text(near)} of the losses in the second half "
                f"are close to it. With {classes:,} classes, this is the lowest cross-entropy of outputs "
                "that are already probabilities."
            ),
            evidence={"floor": floor, "lowest": float(losses.min()), "share_near": near},
            remedy=(
                "Remove the softmax from the model: torch's cross-entropy expects logits and applies the "
                "softmax itself."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        return reading.why_classes_unknown

    def example(self, run: ExampleRun) -> Observations:
        fall = 0.84 * np.exp(-run.step / 60)
        loss = 1.4612 + fall + 0.01 * np.abs(run.noise)
        return run.observed(loss=loss, facts={"classes": 10})


RULE = _TwiceNormalised()
