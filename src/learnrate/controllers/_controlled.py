"""Controlled: a schedule, and the controllers that multiply it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from learnrate._checks import check_whole, refuse
from learnrate._errors import ArgumentError
from learnrate.controllers._controller import Controller, ControllerState, Observation, RateChange
from learnrate.schedules import Cut, Piecewise, Schedule

__all__ = ["Controlled"]

_FORMAT = "learnrate.controlled"
_VERSION = 1


class Controlled:
    """A schedule times the factors of its controllers.

        lr(step) = peak * (shape(step) * (f_1 * f_2 * ...)),   peak * shape the schedule

    Controllers and schedule do not depend on each other, so a run can warm up, then cut the rate at
    plateaus, under any decay. Take the rate from `lr(step)`, make the update, then call `observe` with
    its loss. Decisions of the controllers take effect at the next step. Every change is kept in `changes`
    with its reason. In a run of several processes, give every process the same loss (the mean over all of
    them), so that all decide alike.

    In torch and transformers a plateau scheduler and a warm-up overwrite each other
    (pytorch#68978, transformers#29417).

    Args:
        schedule: bound to a run, or with a value at every step (`warmup(500) >> constant()`).
        controllers: a mapping from names to controllers; in a list each controller is named after
            its class.

    Raises:
        ArgumentError: the schedule is not bound, a controller is not a `Controller`, or two
            controllers have the same name.

    Examples:
        >>> from learnrate import schedule
        >>> from learnrate.controllers import Plateau
        >>> rates = Controlled(
        ...     schedule("0.1 * warmup(50) >> constant()"), [Plateau(window=30, warmup=50)]
        ... )
        >>> for step in range(100):
        ...     lr = rates.lr(step)
        ...     loss = 1.0  # your update at this rate
        ...     changes = rates.observe(step, loss)
        >>> [(change.step, change.after) for change in rates.changes]
        [(80, 0.1)]
        >>> print(rates.realised(100))
        0.1 * cut(warmup(50) >> constant(), steps=100) * piecewise(boundaries=[80])
    """

    def __init__(
        self,
        schedule: Schedule,
        controllers: Mapping[str, Controller[Any]] | Iterable[Controller[Any]] = (),
    ) -> None:
        self.schedule = _checked_schedule(schedule)
        self._peak, self._shape = schedule.split()
        self._controllers = _by_name(controllers)
        self._states: dict[str, ControllerState] = {
            name: controller.start() for name, controller in self._controllers.items()
        }
        self._changes: list[RateChange] = []
        self._next = 0

    @property
    def controllers(self) -> Mapping[str, Controller[Any]]:
        """The controllers by name, in the order in which they see an update."""
        return self._controllers

    @property
    def needs(self) -> frozenset[str]:
        """The signals that the controllers read, besides the loss."""
        return frozenset().union(*(controller.needs for controller in self._controllers.values()))

    @property
    def changes(self) -> tuple[RateChange, ...]:
        """All changes so far, in order."""
        return tuple(self._changes)

    @property
    def next_step(self) -> int:
        """The step after the last one observed."""
        return self._next

    @property
    def factor(self) -> float:
        """The number that the schedule is multiplied by at the next step."""
        return math.prod(state.factor for state in self._states.values())

    def lr(self, step: int) -> float:
        """The rate of a step: a past one as it was, a future one with the present factor.

        Raises:
            ScheduleError: the step is not a whole number of at least 0.
        """
        value = self._shape(step) * self._factor_at(step)
        return value if self._peak is None else self._peak * value

    def _factor_at(self, step: int) -> float:
        for change in reversed(self._changes):
            if change.step <= step:
                return change.after
        return 1.0

    def observe(
        self, step: int, loss: float | None = None, **signals: float
    ) -> tuple[RateChange, ...]:
        """Pass the loss of an update to the controllers.

        Args:
            step: the update that was made; later than the last one observed.
            loss: its loss, a number or a tensor of one element; None if none was measured.
            signals: further numbers, such as those of `measured_step`.

        Returns:
            The changes that hold from the next step on.

        Raises:
            ArgumentError: the step was observed already, or a value is not a number. Nothing is
                changed.
        """
        observation = Observation(step=step, loss=loss, signals=signals)
        if step < self._next:
            raise ArgumentError(
                f"observe(step=...) must be at least {self._next}, the step after the last one "
                f"observed; got {step}. To resume, load the state that was saved at that step."
            )
        states, changes = dict(self._states), []
        for name, controller in self._controllers.items():
            before = math.prod(state.factor for state in states.values())
            states[name], decision = controller.decide(states[name], observation)
            if decision.changed:
                after = math.prod(state.factor for state in states.values())
                change = RateChange(
                    step=step + 1,
                    before=before,
                    after=after,
                    controller=name,
                    reason=decision.reason,
                )
                changes.append(change)
        self._states, self._next = states, step + 1
        self._changes += changes
        return tuple(changes)

    def realised(self, total_steps: int | None = None) -> Schedule:
        """The rates of the run with all changes, as a plain schedule; they are the same to the last bit.

        Args:
            total_steps: the length of the result; by default the schedule's, or the steps
                observed so far if the schedule has no length. The last factor stays until the end.

        Raises:
            ArgumentError: the total is not a whole number of at least 1.
        """
        steps = (
            total_steps
            if total_steps is not None
            else self._shape.total_steps or max(self._next, 1)
        )
        check_whole("realised", "total_steps", steps, 1)
        shape = self._shape if self._shape.total_steps == steps else Cut(self._shape, steps)
        after = {change.step: change.after for change in self._changes if change.step < steps}
        if after:
            shape = shape * Piecewise(boundaries=tuple(after), values=(1.0, *after.values()))
        if self._peak is None:
            return shape
        scaled = abs(self._peak) * shape
        return scaled.ascending() if self._peak < 0 else scaled

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to continue bit for bit, as JSON values."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "next_step": self._next,
            "controllers": {
                name: {"controller": repr(controller), "state": self._states[name].to_dict()}
                for name, controller in self._controllers.items()
            },
            "changes": [change.to_dict() for change in self._changes],
        }

    def load_state_dict(self, document: object) -> None:
        """Continue where `state_dict` was called. The schedule is not part of the state.

        Raises:
            ArgumentError: the document is not such a state, or a state of other controllers.
                Nothing is changed.
        """
        saved = _checked_state(document)
        entries = saved["controllers"]
        if list(entries) != list(self._controllers):
            raise ArgumentError(
                f"this state was saved with the controllers {', '.join(entries) or 'none'}; this run has "
                f"{', '.join(self._controllers) or 'none'}. Build it with the same ones."
            )
        states = {name: self._read_state(name, entry) for name, entry in entries.items()}
        changes = [RateChange.from_dict(change) for change in saved["changes"]]
        self._states, self._changes, self._next = states, changes, saved["next_step"]

    def _read_state(self, name: str, entry: Any) -> ControllerState:
        controller = self._controllers[name]
        if not isinstance(entry, dict) or entry.keys() != {"controller", "state"}:
            raise ArgumentError(f"the entry of {name} must have the keys controller and state.")
        if entry["controller"] != repr(controller):
            raise ArgumentError(
                f"the state of {name} was saved by {entry['controller']}; this run has "
                f"{controller!r}. Build it with the same options."
            )
        state: ControllerState = controller.read(entry["state"])
        return state


def _checked_schedule(schedule: object) -> Schedule:
    if not isinstance(schedule, Schedule):
        way_out = (
            "Make a schedule of text with learnrate.schedule('3e-4 * warmup(500) >> constant()')."
        )
        refuse("Controlled", "schedule", "a schedule", schedule, way_out)
    if not schedule.ready:
        way_out = "Call .over(total_steps) with the number of steps of the whole run."
        refuse("Controlled", "schedule", "bound to a run", schedule, way_out)
    return schedule


def _by_name(
    controllers: Mapping[str, Controller[Any]] | Iterable[Controller[Any]],
) -> dict[str, Controller[Any]]:
    if isinstance(controllers, Controller) or not isinstance(controllers, Iterable):
        rule, way_out = (
            "a list of controllers, or a mapping of names to them",
            "Write [Plateau()].",
        )
        refuse("Controlled", "controllers", rule, controllers, way_out)
    if isinstance(controllers, Mapping):
        named = dict(controllers)
    else:
        pairs = [(_name(controller), controller) for controller in controllers]
        named = dict(pairs)
        if len(named) < len(pairs):
            names = [name for name, _ in pairs]
            way_out = "Name them: {'training loss': Plateau(), 'validation': Plateau()}."
            refuse("Controlled", "controllers", "of different classes, or named", names, way_out)
    for name, controller in named.items():
        if not isinstance(controller, Controller):
            refuse("Controlled", f"controllers[{name!r}]", "a controller", controller)
    return named


def _name(controller: object) -> str:
    inner = getattr(controller, "controller", None)
    return type(controller).__name__ if inner is None else _name(inner)


def _checked_state(document: object) -> dict[str, Any]:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ArgumentError(
            f"load_state_dict needs the result of state_dict ('format': '{_FORMAT}')."
        )
    version = document.get("version")
    if version != _VERSION:
        raise ArgumentError(
            f"this state has version {version!r}; this learnrate reads {_VERSION}. "
            "Install a newer one."
        )
    keys = {"format", "version", "next_step", "controllers", "changes"}
    for key in sorted(keys ^ document.keys(), key=str):
        verb = "needs the" if key in keys else "has no"
        raise ArgumentError(f"the state of a Controlled {verb} key {key!r}.")
    check_whole("load_state_dict", "next_step", document["next_step"], 0)
    if not isinstance(document["controllers"], dict) or not isinstance(document["changes"], list):
        raise ArgumentError("controllers must be a dictionary and changes a list in this state.")
    return document
