"""LR510: accumulated losses are not divided by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import (
    SCALE_INSPECTIONS,
    SCALE_TOLERANCE,
    backward_passes,
    inspected,
    losses_are_divided,
    pass_scales,
)
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "UndividedOptions"]

_RATELESS = ("adam", "rmsprop", "adagrad", "lion")  # a constant factor cancels out


class UndividedOptions(RuleOptions):
    """Thresholds of LR510.

    Attributes:
        inspections: the losses of at least this many updates must have been inspected, and none may
            be divided.
        tolerance: a loss counts as not divided if its scale differs from 1 by at most this value.
    """

    inspections: float = SCALE_INSPECTIONS
    tolerance: float = SCALE_TOLERANCE


class _Undivided(Rule[UndividedOptions]):
    title = "accumulated losses are not divided by their number"
    severity = Severity.ADVICE
    early = True
    at_once = True

    def check(self, reading: Reading, options: UndividedOptions) -> Finding | None:
        passes = backward_passes(reading)
        are_divided = losses_are_divided(reading, options.inspections, options.tolerance)
        if passes < 2 or are_divided is not False:
            return None
        scales = pass_scales(reading)
        return self.finding(
            step=int(scales.step[0]),
            message=(
                f"Each update sums the gradients of {passes} backward passes, and their mean losses were "
                f"not divided by {passes}. {_effect(str(reading.facts.get('optimizer', '')), passes)}"
            ),
            evidence={"passes": passes, "scale": float(scales.value.mean())}
            | {"inspections": scales.value.size},
            remedy=(
                f"If the passes are parts of one batch, divide each loss by {passes} before its backward "
                "pass. If the sum is intended, for example because the losses differ, nothing is wrong."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        if reading.facts.get("objective") == "adversarial":
            return (
                "the losses of an adversarial objective are different, and their sum is intended"
            )
        passes, inspections = (
            inspected(reading, "backward_passes").value,
            pass_scales(reading).value.size,
        )
        if inspections >= UndividedOptions().inspections or (
            passes.size and backward_passes(reading) < 2
        ):
            return None  # with one pass, there is nothing to divide
        return (
            f"the scale of the losses is known for {inspections} updates with several backward passes, and "
            f"{UndividedOptions().inspections:g} are needed; attach reads it from cross-entropies on the outputs "
            "of model=, from mean squared errors, and from the losses of criterion="
        )

    def example(self, run: ExampleRun) -> Observations:
        inspections = range(2, run.total_steps, 50)
        columns = {"pass_scale": 1.0, "backward_passes": 4.0}
        return run.observed(
            facts={
                name: [[step, value] for step in inspections] for name, value in columns.items()
            }
        )


def _effect(optimizer: str, passes: int) -> str:
    """The effect of a sum instead of a mean."""
    name = optimizer.lower()
    if "sgd" in name:
        return f"With SGD, this acts as a rate {passes} times as high."
    if any(part in name for part in _RATELESS):
        return f"With {optimizer}, this hardly matters, because a constant factor cancels out."
    return f"With SGD, this acts as a rate {passes} times as high; with Adam, it hardly matters."


RULE = _Undivided()
