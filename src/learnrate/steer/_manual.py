"""Manual: a person's edits, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, final

from learnrate._errors import ArgumentError
from learnrate.steer._controller import Controller, Decision, Observation, State
from learnrate.steer._record import Record, finite, refuse, whole

__all__ = ["Action", "Edit", "Manual", "ManualState"]


class Action(StrEnum):
    """What an edit does."""

    SCALE = "scale"
    SET = "set"
    HOLD = "hold"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(Record):
    """One change a person asked for: what, from when on, who, and why.

    Attributes:
        step: the first update it holds for.
        action: `scale` multiplies this person's factor by `value`; `set` makes it `value`;
            `hold` keeps automatic controllers from changing theirs, `release` lets them again.
        value: of `scale` and `set`, at least 0; None for `hold` and `release`.
        author: who asked for it.
        reason: why.

    Raises:
        ArgumentError: a field is outside its rule, or author or reason is empty.

    Examples:
        >>> edit = Edit(step=812, action="scale", value=0.5, author="ann", reason="loss is flat")
        >>> edit == Edit.from_dict(edit.to_dict())
        True
    """

    step: int
    action: Action
    author: str
    reason: str
    value: float | None = None

    def __post_init__(self) -> None:
        whole("Edit", "step", self.step, 0)
        if self.action not in list(Action):
            refuse("Edit", "action", f"one of {', '.join(Action)}", self.action)
        object.__setattr__(self, "action", Action(self.action))
        for name in ("author", "reason"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text.strip():
                way_out = "Every change says who made it and why."
                refuse("Edit", name, "a text that is not empty", text, way_out)
        self._check_value()

    def _check_value(self) -> None:
        if self.action in {Action.HOLD, Action.RELEASE}:
            if self.value is not None:
                refuse("Edit", "value", f"left out with action={self.action}", self.value)
            return
        finite("Edit", "value", self.value, 0.0, "It is a share of the schedule, not a rate.")
        object.__setattr__(self, "value", float(self.value or 0.0))

    def applied(self, factor: float) -> float:
        """The factor after this edit."""
        if self.value is None:
            return factor
        return factor * self.value if self.action is Action.SCALE else self.value

    def __str__(self) -> str:
        value = "" if self.value is None else f" {self.value:g}"
        return f"{self.author}: {self.action}{value} ({self.reason})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualState(State):
    """The state of `Manual`.

    Attributes:
        held: whether automatic controllers are held.
        pending: edits whose step has not come, in the order in which they will take effect.
    """

    held: bool = False
    pending: tuple[Edit, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Manual(Controller[ManualState]):
    """Do what people ask for, at the step they name.

    Edits come in with observations (`Controlled.edit` brings them) and wait until their step is
    the next one. Those of one step take effect in the order in which they came, so the same edits
    give the same factors. An edit for a step that has passed is refused: what was trained stays as
    it was.

    Raises:
        ArgumentError: an edit names a step that has passed, or the factor leaves the floats.

    Examples:
        >>> from learnrate.steer import Edit, Observation, replay
        >>> half = Edit(step=2, action="scale", value=0.5, author="ann", reason="too noisy")
        >>> run = [Observation(step=-1, edits=(half,))]
        >>> run += [Observation(step=step) for step in range(4)]
        >>> [(change.step, change.after, change.reason) for change in replay(Manual(), run)]
        [(2, 0.5, 'ann: scale 0.5 (too noisy)')]
    """

    automatic: ClassVar[bool] = False

    def start(self) -> ManualState:
        """Factor 1, nothing pending."""
        return ManualState()

    def read(self, document: object) -> ManualState:
        """The state that `to_dict` wrote."""
        return ManualState.from_dict(document)

    def decide(self, state: ManualState, observation: Observation) -> tuple[ManualState, Decision]:
        """Queue what was asked for, and apply what is due at the next step."""
        following = observation.step + 1
        pending = _queued(state.pending, observation.edits, following)
        due = [edit for edit in pending if edit.step <= following]
        if not due:
            return replace(state, pending=pending), Decision(state.factor, hold=state.held)
        factor, held = state.factor, state.held
        for edit in due:
            factor = edit.applied(factor)
            held = edit.action is Action.HOLD if edit.value is None else held
            if not math.isfinite(factor):
                raise ArgumentError(f"the factor leaves the range of numbers with '{edit}'.")
        after = ManualState(factor=factor, held=held, pending=pending[len(due) :])
        return after, Decision(factor, "; ".join(map(str, due)), held)


def _queued(
    pending: tuple[Edit, ...], edits: tuple[Edit, ...], following: int
) -> tuple[Edit, ...]:
    if not edits:
        return pending
    for edit in edits:
        if edit.step < following:
            raise ArgumentError(
                f"Edit(step=...) must be at least {following}, the next update; got {edit.step}. "
                f"What was trained stays as it was: write step={following}."
            )
    return tuple(sorted((*pending, *edits), key=lambda edit: edit.step))
