"""LR406: the inputs of the first layer are large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import inspected, inspection_lacks
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "LargeInputsOptions"]


class LargeInputsOptions(RuleOptions):
    """Thresholds of LR406.

    Attributes:
        size: the median over the inspected batches of the root mean square of the inputs must be at
            least this value. Initial weights are designed for 1; pixels from 0 to 255 have about
            130.
        inspections: at least this many batches must have been inspected.
    """

    size: float = 30.0
    inspections: float = 3


class _LargeInputs(Rule[LargeInputsOptions]):
    title = "the inputs of the first layer are large"
    severity = Severity.ADVICE
    early = True
    explains = frozenset({"LR102", "LR103", "LR104", "LR107", "LR108", "LR109", "LR304", "LR404"})
    remedies = frozenset({"LR101"})

    def check(self, reading: Reading, options: LargeInputsOptions) -> Finding | None:
        size, direct = inspected(reading, "input_rms"), inspected(reading, "input_direct")
        if not direct.value.any():
            return None
        median = float(np.median(size.value))
        if median < options.size:
            return None
        return self.finding(
            step=int(size.step[0]),
            message=(
                f"The first layer gets the inputs of the model unchanged, and their root mean square is "
                f"{median:.3g}. Initial weights are designed for about 1, so the curvature along the "
                f"weights of that layer is {median**2:,.2g} times as large."
            ),
            evidence={"root_mean_square": median, "batches": size.value.size},
            remedy=(
                "Normalise each input to mean 0 and standard deviation 1 over the training data, or add "
                "a normalisation layer at the start of the model."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        lacking = inspection_lacks(
            reading, "input_rms", LargeInputsOptions().inspections, "attach(model=...)"
        )
        return lacking or inspection_lacks(reading, "input_direct", 1, "attach(model=...)")

    def example(self, run: ExampleRun) -> Observations:
        inspections = range(0, run.total_steps, 50)
        facts = {"input_rms": [[step, 130.0] for step in inspections], "input_direct": [[0, 1.0]]}
        return run.observed(facts=facts)


RULE = _LargeInputs()
