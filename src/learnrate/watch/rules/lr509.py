"""LR509: the loss compares every prediction with every target of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import inspected, inspection_lacks
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "LossPairsOptions"]


class LossPairsOptions(RuleOptions):
    """Thresholds of LR509.

    Attributes:
        inspections: at least this many losses must have been computed in this way, and none in
            another way.
    """

    inspections: float = 2


class _LossPairs(Rule[LossPairsOptions]):
    title = "the loss compares every prediction with every target"
    severity = Severity.WARNING
    early = True
    at_once = True
    explains = frozenset(f"LR{number}" for number in (103, 107, 108, 201, 204, 301, 302, 401, 402))

    def check(self, reading: Reading, options: LossPairsOptions) -> Finding | None:
        rows = inspected(reading, "loss_pairs").value
        if rows.size < options.inspections or not rows.min() > 1:
            return None
        size = int(rows[0])
        return self.finding(
            step=0,
            message=(
                f"Predictions and targets of shapes ({size}, 1) and ({size},) were broadcast to ({size}, {size}). "
                "The loss compares every prediction with every target, so the model only learns the mean of "
                "the targets."
            ),
            evidence={"rows": size, "inspections": rows.size},
            remedy=(
                "Give both the same shape, for example with prediction.squeeze(-1). Until this is fixed, "
                "findings about the rate are meaningless."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        reason = inspection_lacks(reading, "loss_pairs", LossPairsOptions().inspections, "attach")
        return reason and f"{reason}, if run.step gets the loss as a tensor"

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(facts={"loss_pairs": [[step, 32.0] for step in range(4)]})


RULE = _LossPairs()
