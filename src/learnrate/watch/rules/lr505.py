"""LR505: the optimizer's state was lost on resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import inspected, inspection_lacks
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "StateLostOptions"]


class StateLostOptions(RuleOptions):
    """Thresholds of LR505.

    Attributes:
        share: at least this share of the tensors with a gradient must have had no state before the
            first update after a resume, and must have one after it.
        updates: the run must have been resumed after at least this many updates.
    """

    share: float = 1.0
    updates: float = 10


class _StateLost(Rule[StateLostOptions]):
    title = "the optimizer's state was lost on resume"
    severity = Severity.WARNING
    early = True

    def check(self, reading: Reading, options: StateLostOptions) -> Finding | None:
        empty = inspected(reading, "empty_state")
        is_lost = (empty.value >= options.share) & (empty.step >= options.updates)
        if not is_lost.any():
            return None
        step = int(empty.step[int(is_lost.argmax())])
        return self.finding(
            step=step,
            message=(
                f"The optimizer's state was empty at step {step:,}, after a resume: its running averages "
                "of gradients were not restored."
            ),
            evidence={"resumed_at": step, "share": float(empty.value.max())},
            remedy=(
                "Save optimizer.state_dict() with the model, and load it before the first update. If it "
                "was not saved, warm up again."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        return inspection_lacks(reading, "empty_state", 1, "attach")

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(facts={"empty_state": [[300, 1.0]]})


RULE = _StateLost()
