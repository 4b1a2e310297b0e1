"""The base of HyperGradient and PolyakStep: a factor that follows a target."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from learnrate._checks import check_finite, check_whole, refuse
from learnrate.controllers._controller import Controller, ControllerState, Decision

if TYPE_CHECKING:
    from learnrate.controllers._controller import Observation

__all__ = ["StepSizeController", "StepSizeState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSizeState(ControllerState):
    """The state of a controller that sets the rate at every update.

    Attributes:
        pending: the log of what the factor should still be multiplied by.
    """

    pending: float = 0.0

    def __post_init__(self) -> None:
        ControllerState.__post_init__(self)
        check_finite(type(self).__name__, "pending", self.pending)


StateType = TypeVar("StateType", bound=StepSizeState)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSizeController(Controller[StateType], Generic[StateType]):
    """A controller whose target factor changes with every update.

    The factor changes once it differs from its target by at least the share `resolution`, so that a
    long run has a few hundred changes instead of one for each update.
    """

    resolution: float = 0.05
    max_change: float = 2.0
    warmup: int = 0

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_finite(owner, "resolution", self.resolution, 0.0)
        check_finite(owner, "max_change", self.max_change)
        if self.max_change <= 1:
            way_out = "It is what one update may multiply or divide the rate by."
            refuse(owner, "max_change", "above 1", self.max_change, way_out)
        check_whole(owner, "warmup", self.warmup, 0)

    def decide(self, state: StateType, observation: Observation) -> tuple[StateType, Decision]:
        """Measure one update, and change the factor if it is off by more than the resolution."""
        if observation.step < self.warmup:
            return state, Decision(state.factor)
        state, log_change = self._measured(state, observation)
        most = math.log(self.max_change)
        pending = min(max(log_change, -most), most)
        if pending == 0.0 or abs(pending) < math.log1p(self.resolution):
            return replace(state, pending=pending), Decision(state.factor)
        factor = state.factor * math.exp(pending)
        if factor == state.factor or not 0.0 < factor < math.inf:
            return replace(state, pending=0.0), Decision(state.factor)
        after = replace(state, factor=factor, pending=0.0)
        return after, Decision(factor, self._reason(after, observation))

    @abstractmethod
    def _measured(self, state: StateType, observation: Observation) -> tuple[StateType, float]:
        """The state after an update, and the log of what the factor should be multiplied by."""

    @abstractmethod
    def _reason(self, state: StateType, observation: Observation) -> str:
        """Why the factor changed."""
