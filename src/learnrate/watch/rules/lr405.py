"""LR405: the inputs of the model are all 0, or all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import inspected, inspection_lacks
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "SameInputsOptions"]


class SameInputsOptions(RuleOptions):
    """Thresholds of LR405.

    Attributes:
        inspections: the inputs must be 0, or the same for all examples, in at least this many
            inspected batches, and must not differ in any of them.
    """

    inspections: float = 8


class _SameInputs(Rule[SameInputsOptions]):
    title = "the inputs are all 0, or all the same"
    severity = Severity.WARNING
    early = True
    explains = frozenset({"LR103", "LR107", "LR201", "LR204", "LR301", "LR302", "LR402", "LR504"})

    def check(self, reading: Reading, options: SameInputsOptions) -> Finding | None:
        size, differs = inspected(reading, "input_rms"), inspected(reading, "input_differs")
        is_zero = size.value.size >= options.inspections and not size.value.any()
        is_same = differs.value.size >= options.inspections and not differs.value.any()
        if not is_same:
            return None
        batches = differs.value.size
        subject = (
            "All inputs of the model are 0" if is_zero else "All examples of a batch are the same"
        )
        return self.finding(
            step=int(differs.step[0]),
            severity=Severity.WARNING if is_zero else Severity.ADVICE,
            message=(
                f"{subject} in each of the {batches} inspected batches, so the model cannot learn to "
                "tell examples apart."
            ),
            evidence={"batches": batches, "zero": is_zero},
            remedy=(
                "Inspect a batch right before it enters the model: its values, its indices, and the "
                "results of augmentation and normalisation."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        return inspection_lacks(
            reading, "input_differs", SameInputsOptions().inspections, "attach(model=...)"
        )

    def example(self, run: ExampleRun) -> Observations:
        inspections = range(0, run.total_steps, 50)
        facts = {
            name: [[step, 0.0] for step in inspections] for name in ("input_rms", "input_differs")
        }
        return run.observed(loss=run.loss, facts=facts)


RULE = _SameInputs()
