"""Polyak's step: the rate at which the linear model of the loss reaches its lower bound."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from learnrate._checks import check_finite, refuse
from learnrate.controllers._step_size import StepSizeController, StepSizeState

if TYPE_CHECKING:
    from learnrate.controllers._controller import Observation

__all__ = ["PolyakState", "PolyakStep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolyakState(StepSizeState):
    """The state of a `PolyakStep`.

    Attributes:
        excess: the average of the loss above its lower bound.
        descent: the average of <g, d>.
        weight: the sum of the weights of both averages, from 0 to 1.
    """

    excess: float = 0.0
    descent: float = 0.0
    weight: float = 0.0

    def __post_init__(self) -> None:
        StepSizeState.__post_init__(self)
        for name in ("excess", "descent", "weight"):
            check_finite("PolyakState", name, getattr(self, name))
        if not 0.0 <= self.weight <= 1.0:
            refuse("PolyakState", "weight", "from 0 to 1", self.weight)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PolyakStep(StepSizeController[PolyakState]):
    """Take the rate at which the linear model of the loss reaches its lower bound, at most the schedule's.

    For an update x - lr d at the gradient g the linear model is f - lr <g, d>. It reaches f* at

        lr = (f - f*) / (scale <g, d>),   f* the lower bound of the loss

    which is Polyak's step for gradient descent, where d = g. Numerator and denominator are averages
    over the last updates. The factor is this rate over the schedule's rate, at most `highest`. So
    by default the schedule is the highest rate, and a warm-up and a decay keep their meaning.

    Observations need the loss and the signals `descent` = <g, d> and `lr`. `attach` and `train`
    measure them; in a loop without a run `measured_step` does. An update without them, one whose loss
    is not above the lower bound, and one after which <g, d> is not above 0 on average, change nothing.

    The step is of use where the loss of every batch can nearly reach the bound, as in a network that
    fits its data. Where it cannot, the rate stays too high, and a decay must end the run.

    Args:
        lower_bound: the lowest value that the loss can have; 0 for a cross-entropy or a squared error.
        scale: divides the rate; 1 for Polyak's step.
        memory: the weight of the past in both averages, from 0 to below 1; 0 for the last update alone.
        highest: the highest factor, at least 1; None for no bound, so that the schedule's rate
            does not count.
        resolution: share by which the rate must be off before it changes; 0 for every update.
        max_change: what one update may multiply or divide the rate by, above 1.
        warmup: steps before the first one that counts.

    Raises:
        ArgumentError: an option is outside its rule.

    Examples:
        >>> from learnrate.controllers import Observation, replay
        >>> run = [Observation(step=0, loss=2.0, signals={"descent": 8.0, "lr": 0.5})]
        >>> [change.after for change in replay(PolyakStep(memory=0.0), run)]  # 2 / 8 is half of 0.5
        [0.5]

    Ref: Polyak 1987, "Introduction to Optimization"; Loizou, Vaswani, Laradji and Lacoste-Julien 2021,
    "Stochastic Polyak step-size for SGD", arXiv:2002.10542 (the bound by a highest rate);
    Schaipp et al. 2024, arXiv:2305.07583 (averages).
    """

    lower_bound: float = 0.0
    scale: float = 1.0
    memory: float = 0.9
    highest: float | None = 1.0

    def __post_init__(self) -> None:
        StepSizeController.__post_init__(self)
        check_finite("PolyakStep", "lower_bound", self.lower_bound)
        check_finite("PolyakStep", "scale", self.scale, 0.0)
        if self.scale == 0:
            refuse("PolyakStep", "scale", "above 0", self.scale)
        check_finite("PolyakStep", "memory", self.memory, 0.0)
        if self.memory >= 1:
            refuse("PolyakStep", "memory", "below 1", self.memory)
        if self.highest is not None:
            check_finite("PolyakStep", "highest", self.highest, 1.0)

    @property
    def needs(self) -> frozenset[str]:
        """The signals of an update that it reads."""
        return frozenset({"descent", "lr"})

    def start(self) -> PolyakState:
        """The state before the first update: factor 1, no averages yet."""
        return PolyakState()

    def _measured(self, state: PolyakState, observation: Observation) -> tuple[PolyakState, float]:
        loss, signals = observation.loss, observation.signals
        descent, lr = (signals.get(name, math.nan) for name in ("descent", "lr"))
        excess = (math.nan if loss is None else loss) - self.lower_bound
        if not (math.isfinite(descent) and 0 < lr < math.inf and 0 < excess < math.inf):
            return state, 0.0
        state = replace(
            state,
            excess=self._averaged(state.excess, excess),
            descent=self._averaged(state.descent, descent),
            weight=self._averaged(state.weight, 1.0),
        )
        if state.descent <= 0 or state.factor <= 0:
            return state, 0.0
        factor = state.factor * self._rate(state) / lr
        if self.highest is not None:
            factor = min(factor, self.highest)
        return state, math.log(factor / state.factor) if 0 < factor < math.inf else 0.0

    def _averaged(self, average: float, value: float) -> float:
        return self.memory * average + (1.0 - self.memory) * value

    def _rate(self, state: PolyakState) -> float:
        return state.excess / (self.scale * state.descent)

    def _reason(self, state: PolyakState, observation: Observation) -> str:
        loss, slope = state.excess / state.weight, state.descent / state.weight
        return (
            f"Polyak step: the loss is {loss:.3g} above its bound and falls by {slope:.3g} per unit of "
            f"rate, which gives the rate {self._rate(state):.3g}"
        )
