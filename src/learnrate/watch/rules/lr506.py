"""LR506: weight decay outweighs the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import inspected, inspection_lacks
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "DecayDominatesOptions"]

_LOOKS = 8


class DecayDominatesOptions(RuleOptions):
    """Thresholds of LR506.

    Attributes:
        ratio: in the first inspections, the decay must be more than this many times the gradient.
            Decoupled decay is compared with the rest of the update instead.
        inspections: the ratio must be exceeded in each of the first inspections; this is their
            number.
        norm: the norm of the weights must have dropped to this share of its value at the first
            inspection, or below.
    """

    ratio: float = 2.0
    inspections: float = 5
    norm: float = 0.5


class _DecayDominates(Rule[DecayDominatesOptions]):
    title = "weight decay outweighs the gradient"
    severity = Severity.ADVICE
    explains = frozenset({"LR201", "LR204", "LR301", "LR302", "LR402"})

    def check(self, reading: Reading, options: DecayDominatesOptions) -> Finding | None:
        ratio = inspected(reading, "decay_ratio")
        norm = inspected(reading, "decayed_norm").value
        first = ratio.value[: int(options.inspections)]
        lowest_norm = float(norm.min())
        if first.min() <= options.ratio or lowest_norm > options.norm:
            return None
        median = float(np.median(first))
        return self.finding(
            step=int(ratio.step[0]),
            message=(
                f"Weight decay outweighs the gradient: in the first updates it changed the weights "
                f"{median:.2g} times as much as the gradient did, and the norm of the weights fell to "
                f"{share_text(lowest_norm)} of its initial value."
            ),
            evidence={"ratio": median, "norm": lowest_norm, "inspections": first.size},
            remedy=(
                "Lower weight_decay. Usual values are 0.01 to 0.1 for AdamW, 1e-5 to 1e-3 for SGD, and 0 for "
                "biases and normalisation layers."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        return inspection_lacks(reading, "decay_ratio", _LOOKS, "attach")

    def example(self, run: ExampleRun) -> Observations:
        inspections = range(0, run.total_steps, 50)
        facts = {
            "decay_ratio": [[step, 8.0] for step in inspections],
            "decayed_norm": [[step, float(np.exp(-step / 100))] for step in inspections],
        }
        return run.observed(facts=facts)


RULE = _DecayDominates()
