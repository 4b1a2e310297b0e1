"""LR508: the loss gets probabilities where it expects logits, or the reverse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import inspected, inspection_lacks
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "LossInputOptions"]

_CASES = {
    1: (
        "A softmax is applied twice: cross-entropy applies a softmax, and its input is one already",
        "Pass the outputs of the last layer to the cross-entropy, without softmax.",
    ),
    2: (
        "Binary cross-entropy with logits applies a sigmoid, but its input is already probabilities",
        "Pass the outputs of the last layer to binary_cross_entropy_with_logits, without sigmoid or softmax.",
    ),
    3: (
        "The negative log-likelihood expects log-probabilities but gets probabilities",
        "Pass log_softmax of the last layer's outputs to nll_loss, or use cross_entropy on the outputs.",
    ),
    4: (
        "The negative log-likelihood expects log-probabilities but gets the outputs of a layer",
        "Use cross_entropy instead of nll_loss, or apply log_softmax before it.",
    ),
}


class LossInputOptions(RuleOptions):
    """Thresholds of LR508.

    Attributes:
        inspections: at least this many losses must have been computed in this way, and none in
            another way.
    """

    inspections: float = 2


class _LossInput(Rule[LossInputOptions]):
    title = "the loss gets probabilities where it expects logits, or the reverse"
    severity = Severity.WARNING
    early = True
    at_once = True
    explains = frozenset(
        f"LR{number}"
        for number in (101, 102, 103, 107, 108, 109, 201, 204, 301, 302, 402, 404, 501)
    )

    def check(self, reading: Reading, options: LossInputOptions) -> Finding | None:
        kinds = inspected(reading, "loss_input").value
        kind = int(kinds[-1])
        if kinds.size < options.inspections or kind not in _CASES or (kinds != kind).any():
            return None
        message, remedy = _CASES[kind]
        return self.finding(
            step=0,
            message=f"{message}. The graph of the loss shows this.",
            evidence={"kind": kind, "inspections": kinds.size},
            remedy=f"{remedy} Until this is fixed, findings about the rate are meaningless.",
        )

    def lacks(self, reading: Reading) -> str | None:
        reason = inspection_lacks(reading, "loss_input", LossInputOptions().inspections, "attach")
        return reason and f"{reason}, if run.step gets the loss as a tensor"

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(facts={"loss_input": [[step, 1.0] for step in range(4)]})


RULE = _LossInput()
