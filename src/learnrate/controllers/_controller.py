"""The contract of closed-loop control: observations in, factors out, no side effects."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, final

from learnrate._checks import check_finite, refuse
from learnrate._errors import ArgumentError
from learnrate._records import from_dict, to_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Bounded",
    "Controller",
    "ControllerState",
    "Decision",
    "Observation",
    "RateChange",
    "replay",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The facts that are known after one optimizer update.

    Attributes:
        step: 0-based index of the update that was made; -1 before the first one.
        loss: its loss, or another number that is to fall, such as a validation loss; None if none was
            measured. It may be NaN or infinite.
        signals: further numbers by name, such as those of `measured_step`.

    Raises:
        ArgumentError: the step is not a whole number of at least -1, or a value is not a number.

    Examples:
        >>> Observation(step=3, loss=0.25, signals={"lr": 0.1}).signals["lr"]
        0.1
    """

    step: int
    loss: float | None = None
    signals: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if isinstance(self.step, bool) or not isinstance(self.step, int) or self.step < -1:
            refuse("Observation", "step", "a whole number of at least -1", self.step)
        if self.loss is not None:
            object.__setattr__(self, "loss", _number("loss", self.loss))
        numbers = {name: _number(name, value) for name, value in self.signals.items()}
        object.__setattr__(self, "signals", MappingProxyType(numbers))

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_observation, (self.step, self.loss, dict(self.signals))


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        way_out = "Give one number: the mean over a batch, for example."
        refuse("Observation", name, "a number", value, way_out)


def _make_observation(step: int, loss: float | None, signals: dict[str, float]) -> Observation:
    return Observation(step=step, loss=loss, signals=signals)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of a controller.

    Attributes:
        factor: what the schedule is multiplied by from the next update on: the product of all
            changes so far, not the last one; at least 0.
        reason: why the factor changed, in words; empty if it did not change.
    """

    factor: float
    reason: str = ""

    @property
    def changed(self) -> bool:
        """Whether the factor changed, and so has a reason."""
        return bool(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerState:
    """All that a controller remembers: frozen, equal by value, written as JSON.

    Attributes:
        factor: what the schedule is multiplied by.

    Raises:
        ArgumentError: the factor is negative or not finite.
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.factor < math.inf:
            way_out = "Keep a factor that is multiplied repeatedly within Bounded(...)."
            refuse(
                type(self).__name__,
                "factor",
                "a finite number of at least 0",
                self.factor,
                way_out,
            )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, which `Controller.read` reads back."""
        return to_dict(self)

    @classmethod
    def from_dict(cls, document: object) -> Self:
        """The state that `to_dict` wrote.

        Raises:
            ArgumentError: the document is not such a state; the message names the key.
        """
        return from_dict(cls, document, all_keys=True)


S = TypeVar("S", bound=ControllerState)


class Controller(ABC, Generic[S]):
    """A pure policy: options, and a rule from a state and an observation to a decision.

    It holds no optimizer. The same state and observation give the same decision, so `replay` can compute
    what a controller would have done on a stored run. A subclass is a frozen dataclass, and abstract or
    final: to change a controller, wrap it, as `Bounded` does.

    Examples:
        >>> from learnrate.controllers import Plateau
        >>> policy = Plateau(window=20)
        >>> state, decision = policy.decide(policy.start(), Observation(step=0, loss=1.0))
        >>> decision
        Decision(factor=1.0, reason='')
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in cls.__mro__[1:]:
            if issubclass(base, Controller) and not getattr(base, "__abstractmethods__", True):
                raise TypeError(
                    f"{cls.__name__} derives from {base.__name__}, which is final; wrap it instead"
                )

    @property
    def needs(self) -> frozenset[str]:
        """The signals of an update that it reads, besides the loss; a run measures them for it."""
        return frozenset()

    @abstractmethod
    def start(self) -> S:
        """The state before the first update; its factor is 1."""

    @abstractmethod
    def decide(self, state: S, observation: Observation) -> tuple[S, Decision]:
        """The next state, and the factor from the next update on."""

    def read(self, document: object) -> S:
        """The state that `ControllerState.to_dict` wrote.

        Raises:
            ArgumentError: the document is not a state of this controller.
        """
        return type(self.start()).from_dict(document)


@final
@dataclass(frozen=True, slots=True)
class Bounded(Controller[S]):
    """A controller whose factor stays between `lowest` and `highest`.

        factor = min(max(factor of the controller, lowest), highest)

    The bounds apply to the factor, which is a share of the schedule, so they hold through warm-up
    and decay alike. The factor at the start, 1, lies between them. The controller continues from
    the bounded factor: after ten refused cuts a single raise still raises the rate. A refused cut
    resets the evidence of the controller, as a cut does.

    Args:
        controller: the controller whose factor is bounded.
        lowest: the smallest factor, from 0 to 1.
        highest: the largest factor, at least 1; None for no bound.

    Raises:
        ArgumentError: not 0 <= lowest <= 1 <= highest, or `controller` is not a controller.

    Examples:
        >>> from learnrate.controllers import Plateau
        >>> policy = Bounded(Plateau(window=10, factor=0.01), lowest=0.1)
        >>> flat = [Observation(step=step, loss=1.0) for step in range(10)]
        >>> [change.after for change in replay(policy, flat)]
        [0.1]
    """

    controller: Controller[S]
    lowest: float = 0.0
    highest: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.controller, Controller):
            refuse("Bounded", "controller", "a controller", self.controller)
        check_finite("Bounded", "lowest", self.lowest, 0.0)
        if self.lowest > 1:
            refuse("Bounded", "lowest", "at most 1, the factor at the start", self.lowest)
        if self.highest is not None:
            way_out = "It is a share of the schedule, not a rate."
            check_finite("Bounded", "highest", self.highest, 1.0, way_out)

    @property
    def needs(self) -> frozenset[str]:
        """The signals that the wrapped controller reads."""
        return self.controller.needs

    def start(self) -> S:
        """The first state of the wrapped controller."""
        return self.controller.start()

    def decide(self, state: S, observation: Observation) -> tuple[S, Decision]:
        """The decision of the wrapped controller, within the bounds."""
        after, decision = self.controller.decide(state, observation)
        factor = max(decision.factor, self.lowest)
        factor = factor if self.highest is None else min(factor, self.highest)
        if factor == decision.factor:
            return after, decision
        side = "lowest" if factor > decision.factor else "highest"
        reason = f"{decision.reason} (bounded at {side}={factor:g})"
        if factor == state.factor:
            reason = ""
        return replace(after, factor=factor), replace(decision, factor=factor, reason=reason)

    def read(self, document: object) -> S:
        """A saved state of the wrapped controller."""
        return self.controller.read(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChange:
    """One change of the factor, as it is stored and shown.

    Attributes:
        step: the first update made with the new factor.
        before: the factor until then, of all controllers together.
        after: the factor from then on, of all controllers together.
        controller: the name of the controller that decided.
        reason: why, in words.
    """

    step: int
    before: float
    after: float
    controller: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON values."""
        return to_dict(self)

    @classmethod
    def from_dict(cls, document: object) -> Self:
        """The change that `to_dict` wrote.

        Raises:
            ArgumentError: the document is not such a change; the message names the key.
        """
        return from_dict(cls, document)


def replay(
    controller: Controller[S], observations: Iterable[Observation]
) -> tuple[RateChange, ...]:
    """The changes that a controller would have made on a stored run.

    They do not show how the run would have continued: after the first change, the stored losses no longer
    apply.

    Args:
        controller: the controller to apply.
        observations: the observations of the run, with rising steps.

    Raises:
        ArgumentError: the steps do not rise.

    Examples:
        >>> from learnrate.controllers import Plateau
        >>> flat = [Observation(step=step, loss=1.0) for step in range(40)]
        >>> [change.step for change in replay(Plateau(window=30), flat)]
        [30]
    """
    name = type(controller).__name__
    state, changes, last = controller.start(), [], -2
    for observation in observations:
        if observation.step <= last:
            raise ArgumentError(
                f"replay(observations=...) must have increasing steps; got {observation.step} after {last}."
            )
        last, before = observation.step, state.factor
        state, decision = controller.decide(state, observation)
        if decision.changed:
            changes.append(
                RateChange(
                    step=last + 1,
                    before=before,
                    after=decision.factor,
                    controller=name,
                    reason=decision.reason,
                )
            )
    return tuple(changes)
