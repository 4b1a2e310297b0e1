"""Hyper-gradient descent: the rate follows the gradient of the loss with respect to the rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from learnrate._checks import check_finite, refuse
from learnrate.controllers._step_size import StepSizeController, StepSizeState

if TYPE_CHECKING:
    from learnrate.controllers._controller import Observation

__all__ = ["HyperGradient"]

_NEEDS = {
    "multiplicative": frozenset({"alignment"}),
    "additive": frozenset({"hypergradient", "lr"}),
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HyperGradient(StepSizeController[StepSizeState]):
    """Raise the rate while successive updates agree with the gradient, and lower it while they do not.

    An update x' = x - lr d changes the loss of the next batch by

        d f(x') / d lr = -<g', d>,   g' the gradient at x'

    so the rate descends along this hyper-gradient. With the rule `multiplicative`

        lr <- lr (1 + beta <g', d> / (|g'| |d|)),   beta from 0 to 1

    which is the same for a loss that is multiplied or shifted. With the rule `additive`

        lr <- lr + beta <g', d>

    which is the first rule of the paper; its beta has the unit of a rate over a squared gradient. The
    rate is the schedule times the factor of this controller. It holds for any optimizer, d being what it
    subtracts per unit of rate, with momentum and weight decay.

    Observations need the signals `alignment`, or `hypergradient` and `lr` for the additive rule. `attach`
    and `train` measure them; in a loop without a run `measured_step` does. An update without them changes
    nothing. The change is made after the gradient was used, one update later than in the paper. The
    method looks only one update ahead, and is known to end at rates that are too low for a long run (Wu
    et al. 2018, arXiv:1803.02021); compare before you rely on it.

    Args:
        beta: the rate of the rate.
        rule: `multiplicative` or `additive`.
        resolution: share by which the rate must be off before it changes; 0 for every update.
        max_change: what one update may multiply or divide the rate by, above 1.
        warmup: steps before the first one that counts.

    Raises:
        ArgumentError: an option is outside its rule.

    Examples:
        >>> from learnrate.controllers import Observation, replay
        >>> agreeing = [Observation(step=step, signals={"alignment": 1.0}) for step in range(3)]
        >>> policy = HyperGradient(beta=0.1, resolution=0.0)
        >>> [round(change.after, 3) for change in replay(policy, agreeing)]
        [1.1, 1.21, 1.331]

    Ref: Baydin, Cornish, Martinez Rubio, Schmidt and Wood 2018, "Online learning rate adaptation with
    hypergradient descent", arXiv:1703.04782.
    """

    beta: float = 0.02
    rule: Literal["multiplicative", "additive"] = "multiplicative"

    def __post_init__(self) -> None:
        StepSizeController.__post_init__(self)
        check_finite("HyperGradient", "beta", self.beta, 0.0)
        if self.rule not in _NEEDS:
            refuse("HyperGradient", "rule", "'multiplicative' or 'additive'", self.rule)
        if self.rule == "multiplicative" and self.beta >= 1:
            way_out = "The rate would reach 0 where an update points against the gradient."
            refuse("HyperGradient", "beta", "below 1", self.beta, way_out)

    @property
    def needs(self) -> frozenset[str]:
        """The signals of an update that it reads."""
        return _NEEDS[self.rule]

    def start(self) -> StepSizeState:
        """The state before the first update: factor 1, nothing pending."""
        return StepSizeState()

    def _measured(
        self, state: StepSizeState, observation: Observation
    ) -> tuple[StepSizeState, float]:
        return state, state.pending + math.log(self._ratio(observation))

    def _ratio(self, observation: Observation) -> float:
        """The factor by which this update multiplies the rate."""
        signals = observation.signals
        numbers = [signals.get(name, math.nan) for name in sorted(self.needs)]
        if not all(map(math.isfinite, numbers)):
            return 1.0
        if self.rule == "multiplicative":
            change = self.beta * numbers[0]
        else:
            hypergradient, lr = numbers
            change = -self.beta * hypergradient / lr if lr > 0 else 0.0
        return min(max(1.0 + change, 1.0 / self.max_change), self.max_change)

    def _reason(self, state: StepSizeState, observation: Observation) -> str:
        signals = observation.signals
        if self.rule == "multiplicative":
            return f"hyper-gradient: alignment of the last update and the gradient: {signals['alignment']:.2g}"
        return (
            f"hyper-gradient: the loss changes by {signals['hypergradient']:.2g} per unit of rate"
        )
