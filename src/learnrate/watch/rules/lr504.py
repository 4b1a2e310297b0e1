"""LR504: part of the network never gets a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import inspected, inspection_lacks
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "WithoutGradientOptions"]


class WithoutGradientOptions(RuleOptions):
    """Thresholds of LR504. Tensors that require no gradient, such as frozen layers, do not count.

    Attributes:
        share: tensors with at least this share of the trainable weights must have had no gradient,
            or a gradient of exactly 0, in all inspections.
        inspections: the gradients must have been inspected at least this many times.
    """

    share: float = 0.01
    inspections: float = 100


class _WithoutGradient(Rule[WithoutGradientOptions]):
    title = "part of the network never gets a gradient"
    severity = Severity.ADVICE

    def check(self, reading: Reading, options: WithoutGradientOptions) -> Finding | None:
        columns = {
            name: float(inspected(reading, name).value[-1])
            for name in ("unused_looks", "unused_share", "unused_zero_share", "unused_tensors")
        }
        share, inspections = columns["unused_share"], int(columns["unused_looks"])
        if inspections < options.inspections or share < options.share or share >= 1.0:
            return None
        first = inspected(reading, "unused_first").value
        names = reading.facts.get("parameter_names")
        index = int(first[-1]) if first.size else 0
        name = f"tensor {index} of the optimizer"
        if isinstance(names, list) and index < len(names):
            name = f"{names[index]}"
        tensors = int(columns["unused_tensors"])
        tensors_text = name if tensors == 1 else f"{tensors} tensors, the first of them {name}"
        is_zero = columns["unused_zero_share"] >= 0.5 * share
        missing_text = "a gradient other than 0" if is_zero else "a gradient"
        remedy = (
            "Check the inputs and outputs of this part: its inputs may be 0, its units may be never "
            "active, or a mask may hide it."
            if is_zero
            else "Look for detach(), no_grad(), .data or a branch that the loss does not use. If the part is "
            "not meant to be trained, leave it out of the optimizer or set requires_grad to False."
        )
        return self.finding(
            step=None,
            message=(
                f"Part of the network, with {share_text(share)} of the trainable weights, never got "
                f"{missing_text} in {inspections} inspections: {tensors_text}."
            ),
            evidence={"share": share, "share_at_0": columns["unused_zero_share"]}
            | {"tensors": tensors, "inspections": inspections, "first": name},
            remedy=remedy,
        )

    def lacks(self, reading: Reading) -> str | None:
        return inspection_lacks(reading, "unused_looks", 1, "attach")

    def example(self, run: ExampleRun) -> Observations:
        last = {"unused_looks": 256.0, "unused_share": 0.3, "unused_zero_share": 0.0}
        last |= {"unused_tensors": 2.0, "unused_first": 0.0}
        return run.observed(facts={name: [[500, value]] for name, value in last.items()})


RULE = _WithoutGradient()
