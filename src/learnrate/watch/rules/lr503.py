"""LR503: gradients accumulate because zero_grad is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import inspected, inspection_lacks
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "KeptGradientOptions"]


class KeptGradientOptions(RuleOptions):
    """Thresholds of LR503.

    Attributes:
        inspections: at least this many updates must have been inspected, and in all of them the new
            gradient must include the old one.
    """

    inspections: float = 4


class _KeptGradient(Rule[KeptGradientOptions]):
    title = "gradients accumulate because zero_grad is missing"
    severity = Severity.ERROR
    early = True
    at_once = True
    explains = frozenset(
        f"LR{number}"
        for number in (101, 102, 103, 104, 105, 107, 109, 201, 204, 301, 302, 304, 402)
    )

    def check(self, reading: Reading, options: KeptGradientOptions) -> Finding | None:
        inspections = inspected(reading, "kept_gradient").value
        if inspections.size < options.inspections or inspections.min() < 1.0:
            return None
        updates = inspections.size
        return self.finding(
            step=int(inspected(reading, "kept_gradient").step[0]),
            message=(
                f"Gradients are never cleared: in each of the {updates} inspected updates, the gradient "
                "was the sum of the previous and the new gradient. So every update includes the "
                "gradients of all earlier batches."
            ),
            evidence={"updates": updates},
            remedy=(
                "Call optimizer.zero_grad() after every optimizer.step(), before the next backward "
                "pass. Until this is fixed, findings about the rate are meaningless."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        return inspection_lacks(
            reading, "kept_gradient", KeptGradientOptions().inspections, "attach"
        )

    def example(self, run: ExampleRun) -> Observations:
        inspections = range(1, run.total_steps, 50)
        return run.observed(facts={"kept_gradient": [[step, 1.0] for step in inspections]})


RULE = _KeptGradient()
