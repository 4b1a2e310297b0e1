"""The schedule of one parameter group under edits, built with the algebra of schedules."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import ArgumentError
from learnrate.schedules import (
    Chain,
    Constant,
    Cut,
    Piecewise,
    Product,
    Scaled,
    Schedule,
    Skip,
    Table,
)
from learnrate.schedules import schedule as read

if TYPE_CHECKING:
    from learnrate.edits._edit import Edit

__all__ = ["GroupSchedule"]

_DEEP = 30
_HORIZON = 10_000  # steps looked ahead in a schedule that has no end


@dataclass(frozen=True, slots=True)
class GroupSchedule:
    """The schedule of one parameter group with its edits so far.

    Attributes:
        schedule: the rates. If an external scheduler sets the rates, a factor of them, until an
            edit holds the rate or lets it decay.
        planned: while an edit holds the rate or lets it decay, the schedule that a release goes
            back to; otherwise None.
        absolute: whether an edit made `schedule` the rate itself, also under an external scheduler.
    """

    schedule: Schedule
    planned: Schedule | None = None
    absolute: bool = False

    @property
    def is_held(self) -> bool:
        """Whether an edit holds the rate or lets it decay."""
        return self.planned is not None

    def lasts_until(self, step: int) -> bool:
        """Whether it has no length, or one of at least so many steps."""
        total_steps = self.schedule.total_steps
        return total_steps is None or total_steps >= step

    def with_edit(self, edit: Edit, rate: float, total_steps: int | None) -> GroupSchedule:
        """The group's schedule after an edit of any kind but `set`.

        Args:
            edit: the edit with its step.
            rate: the rate of the group at this step, before the edit.
            total_steps: the length of the run, if known.

        Raises:
            ArgumentError: the edit does not fit the schedule.
        """
        step = edit.step or 0
        match str(edit.kind):
            case "scale":
                return self.scaled(edit.value, step)
            case "hold":
                return self._holding(step, rate)
            case "release":
                return self._released(step)
            case "decay":
                down = _starting_at(rate, edit.shape.over(edit.steps))
                return self._replaced(_joined(self.schedule, step, down))
            case "stretch":
                return self._stretched(edit.value, step)
            case _:
                return self._following(edit.value, step, total_steps)

    def scaled(self, factor: float, step: int) -> GroupSchedule:
        """The schedule with its rates from a step on multiplied by a factor."""
        planned = None if self.planned is None else _scaled_from(self.planned, factor, 0)
        return replace(self, schedule=_scaled_from(self.schedule, factor, step), planned=planned)

    def continued_as(self, other: GroupSchedule, step: int) -> GroupSchedule:
        """This schedule until a step, and another one's rates and state from there on."""
        return replace(other, schedule=_joined(self.schedule, step, _rest(other.schedule, step)))

    def factor_to_reach(self, lr: float, step: int, share: float) -> float:
        """The factor that makes the rate of a step `lr`.

        The product is exactly `lr` if a float factor for that exists, and never above it.

        Args:
            lr: the rate to reach, above 0.
            step: the step from which the factor is applied.
            share: the group's share of the schedule's rate.
        """
        factor = lr / abs(self.schedule(step) * share)
        neighbours = [factor, math.nextafter(factor, 0.0), math.nextafter(factor, math.inf)]
        rates = [
            (abs(self.scaled(neighbour, step).schedule(step) * share), neighbour)
            for neighbour in neighbours
        ]
        return max([pair for pair in rates if pair[0] <= lr] or [(0.0, neighbours[1])])[1]

    def highest_rate(self, first_step: int) -> float:
        """The highest rate from a step on."""
        end = self.schedule.total_steps
        end = first_step + _HORIZON if end is None else max(end, first_step + 1)
        return float(np.abs(self.schedule(np.arange(first_step, end))).max())

    def _holding(self, step: int, rate: float) -> GroupSchedule:
        total_steps = self.schedule.total_steps
        remaining = None if total_steps is None else max(total_steps - step, 1)
        return self._replaced(
            _joined(self.schedule, step, _starting_at(rate, Constant(remaining)))
        )

    def _replaced(self, schedule: Schedule) -> GroupSchedule:
        planned = self.schedule if self.planned is None else self.planned
        return GroupSchedule(schedule, planned, absolute=True)

    def _released(self, step: int) -> GroupSchedule:
        if self.planned is None:
            raise ArgumentError(
                "the rate is not held and does not decay, so there is nothing to release."
            )
        if self.planned.total_steps is not None and step >= self.planned.total_steps:
            raise ArgumentError(
                f"the planned schedule ended at step {self.planned.total_steps:,}; hold the rate, "
                "or follow another schedule."
            )
        return GroupSchedule(_joined(self.schedule, step, _rest(self.planned, step)))

    def _stretched(self, total_steps: int, step: int) -> GroupSchedule:
        planned = self.planned
        if (
            planned is not None
            and planned.total_steps is not None
            and step < planned.total_steps < total_steps
        ):
            planned = _stretched(planned, total_steps, step)
        return replace(
            self, schedule=_stretched(self.schedule, total_steps, step), planned=planned
        )

    def _following(self, text: str, step: int, total_steps: int | None) -> GroupSchedule:
        other = read(text)
        if other.total_steps is None and total_steps is not None:
            other = other.over(total_steps)
        if not other.ready:
            raise ArgumentError(f"follow needs a schedule in steps for this run; got {other}.")
        if other.total_steps is not None and other.total_steps <= step:
            raise ArgumentError(
                f"follow needs a schedule that is longer than the {step:,} steps made; got "
                f"{other}, of {other.total_steps:,} steps."
            )
        return GroupSchedule(_joined(self.schedule, step, _rest(other, step)))


def _starting_at(rate: float, shape: Schedule) -> Schedule:
    """A shape whose first rate is `rate`."""
    if rate == 1.0:
        return shape
    return Scaled(rate, shape, ascend=rate < 0)


def _scaled_from(schedule: Schedule, factor: float, step: int) -> Schedule:
    """The schedule with its rates from a step on times a factor; repeated factors share a list."""
    if step == 0:
        return factor * schedule
    peak, shape = schedule.split()
    *first, last = shape.parts if isinstance(shape, Product) else (shape,)
    if first and isinstance(last, Piecewise) and _can_continue(last, step):
        value = last.values[-1] * factor
        count = sum(boundary < step for boundary in last.boundaries)  # type: ignore[operator]  # ints
        steps, values = (*last.boundaries[:count], step), (*last.values[: count + 1], value)
        factors = Piecewise(boundaries=steps, values=values)
        shape = first[0] if len(first) == 1 else Product(tuple(first))
    else:
        factors = Piecewise(boundaries=(step,), values=(1.0, factor))
    product = Product((shape, factors))
    return product if peak is None else Scaled(peak, product, ascend=peak < 0)


def _can_continue(pieces: Piecewise, step: int) -> bool:
    """Whether a list of factors can take one more at a step."""
    return (
        pieces.steps is None
        and not pieces.inclusive
        and all(isinstance(boundary, int) and boundary <= step for boundary in pieces.boundaries)
    )


def _joined(schedule: Schedule, step: int, rest: Schedule) -> Schedule:
    """The schedule until a step, then another from its step 0 on; a common peak is kept in front."""
    if step == 0:
        return rest
    peak, shape = schedule.split()
    other, tail = rest.split()
    if peak is not None and peak == other:
        return Scaled(peak, Chain((shape.head(step), tail)), ascend=peak < 0)
    is_deep = _depth(schedule) >= _DEEP
    past = Table(tuple(schedule(np.arange(step)))) if is_deep else schedule.head(step)
    return Chain((past, rest))


def _depth(schedule: Schedule) -> int:
    """How deep a schedule is nested; its text may be 40 deep, so a long history becomes a table."""
    inner = getattr(schedule, "parts", None) or (getattr(schedule, "inner", None),)
    return 1 + max(_depth(part) if isinstance(part, Schedule) else 0 for part in inner)


def _rest(schedule: Schedule, step: int) -> Schedule:
    """The rates of a schedule from a step on, as a schedule that begins with step 0."""
    if step == 0:
        return schedule
    match schedule:
        case Scaled():
            rest: Schedule = Scaled(schedule.factor, _rest(schedule.inner, step), schedule.ascend)
        case Skip():
            rest = Skip(schedule.inner, schedule.steps + step)
        case Constant():
            rest = Constant(None if schedule.total_steps is None else schedule.total_steps - step)
        case Cut(total_steps=int(total_steps)):
            rest = Cut(_rest(schedule.inner, step), total_steps - step)
        case Chain():
            parts = list(schedule.parts)
            while len(parts) > 1 and (parts[0].total_steps or math.inf) <= step:
                step -= parts.pop(0).total_steps or 0
            parts[0] = _rest(parts[0], step)
            rest = parts[0] if len(parts) == 1 else Chain(tuple(parts))
        case _:
            rest = Skip(schedule, step)
    return rest


def _stretched(schedule: Schedule, total_steps: int, step: int) -> Schedule:
    """The schedule, longer, with the same rates up to a step."""
    if schedule.total_steps is None:
        raise ArgumentError("stretch needs a run of known length; this run has none.")
    extra = total_steps - schedule.total_steps
    if extra <= 0:
        raise ArgumentError(
            f"stretch needs a total above the {schedule.total_steps:,} steps of the run; got "
            f"{total_steps:,}. To end the run sooner, use decay."
        )
    longer = _lengthened(schedule, extra, step)
    past = np.arange(step + 1)
    if longer is not None and np.array_equal(longer(past), schedule(past)):
        return longer
    constant = _joined(schedule, step, _starting_at(schedule(step), Constant(extra)))
    return _joined(constant, step + extra, _rest(schedule, step))


def _lengthened(schedule: Schedule, extra: int, step: int) -> Schedule | None:
    """The schedule with a longer stable phase; None if it has none, or factors after the step."""
    if isinstance(schedule, Scaled):
        inner = _lengthened(schedule.inner, extra, step)
        return None if inner is None else Scaled(schedule.factor, inner, ascend=schedule.ascend)
    if isinstance(schedule, Product):
        main, *factors = schedule.parts
        are_past = all(
            isinstance(factor, Piecewise) and _can_continue(factor, step) for factor in factors
        )
        longer = main.lengthen(extra) if are_past else None
        return None if longer is None else Product((longer, *factors))
    return schedule.lengthen(extra)
