"""What an edit makes of a schedule: again a schedule, built from the algebra alone."""

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

__all__ = ["Course", "applied"]

_DEEP = 30
_OPEN = 10_000  # steps looked ahead where a schedule has no end


@dataclass(frozen=True, slots=True)
class Course:
    """The schedule of one group with its edits so far, and what a release goes back to.

    Where somebody else's scheduler sets the rates, `schedule` is a factor of theirs until an edit
    holds the rate; then it is the rate itself (`absolute`), until the release.
    """

    schedule: Schedule
    under: Schedule | None = None
    absolute: bool = False

    @property
    def held(self) -> bool:
        """Whether it is held, or decays: it is not on the schedule it began with."""
        return self.under is not None

    def scaled(self, factor: float, at: int) -> Course:
        """The rate from a step on times a factor."""
        under = None if self.under is None else _times(self.under, factor, 0)
        return replace(self, schedule=_times(self.schedule, factor, at), under=under)

    def factor_to(self, lr: float, at: int, share: float) -> float:
        """What to scale by so that `share` times its value at a step is `lr`.

        Exactly `lr` where a float can say so, and never above it.
        """
        factor = lr / abs(self.schedule(at) * share)
        near = [factor, math.nextafter(factor, 0.0), math.nextafter(factor, math.inf)]
        found = [(abs(self.scaled(each, at).schedule(at) * share), each) for each in near]
        return max([each for each in found if each[0] <= lr] or [(0.0, near[1])])[1]

    def holding(self, at: int, now: float) -> Course:
        """At a value from a step on."""
        left = (
            None if self.schedule.total_steps is None else max(self.schedule.total_steps - at, 1)
        )
        return self._off(_joined(self.schedule, at, _valued(now, Constant(left))))

    def decaying(self, at: int, now: float, steps: int, shape: Schedule) -> Course:
        """From a value down, within so many steps."""
        return self._off(_joined(self.schedule, at, _valued(now, shape.over(steps))))

    def _off(self, schedule: Schedule) -> Course:
        under = self.schedule if self.under is None else self.under
        return Course(schedule, under, absolute=True)

    def released(self, at: int) -> Course:
        """Back to what it would be at the step."""
        if self.under is None:
            raise ArgumentError("nothing is held or decays, so there is nothing to release.")
        if self.under.total_steps is not None and at >= self.under.total_steps:
            raise ArgumentError(
                f"the schedule to go back to ended at step {self.under.total_steps:,}; "
                "hold the rate, or follow another schedule."
            )
        return Course(_joined(self.schedule, at, _rest(self.under, at)))

    def stretched(self, total_steps: int, at: int) -> Course:
        """Longer, its past as it was."""
        under = self.under
        if (
            under is not None
            and under.total_steps is not None
            and at < under.total_steps < total_steps
        ):
            under = _stretched(under, total_steps, at)
        return replace(self, schedule=_stretched(self.schedule, total_steps, at), under=under)

    def following(self, text: str, at: int, total_steps: int | None) -> Course:
        """Another schedule from a step on."""
        other = read(text)
        if other.total_steps is None and total_steps is not None:
            other = other.over(total_steps)
        if not other.ready:
            raise ArgumentError(f"follow needs a schedule in steps for this run; got {other}.")
        if other.total_steps is not None and other.total_steps <= at:
            raise ArgumentError(
                f"follow needs a schedule that is longer than the {at:,} steps made; got {other}, "
                f"of {other.total_steps:,} steps."
            )
        return Course(_joined(self.schedule, at, _rest(other, at)))

    def highest(self, at: int) -> float:
        """The highest value from a step on."""
        end = self.schedule.total_steps
        steps = np.arange(at, at + _OPEN if end is None else max(end, at + 1))
        return float(np.abs(self.schedule(steps)).max())


def applied(course: Course, edit: Edit, now: float, total_steps: int | None) -> Course:
    """The course after an edit of all groups or of its own; `set` is the caller's.

    Raises:
        ArgumentError: the edit does not fit it.
    """
    at = edit.step or 0
    match str(edit.kind):
        case "scale":
            return course.scaled(edit.value, at)
        case "hold":
            return course.holding(at, now)
        case "release":
            return course.released(at)
        case "decay":
            return course.decaying(at, now, edit.steps, edit.shape)
        case "stretch":
            return course.stretched(edit.value, at)
        case _:
            return course.following(edit.value, at, total_steps)


def _valued(value: float, shape: Schedule) -> Schedule:
    """A shape that begins at a value."""
    if value == 1.0:
        return shape
    return Scaled(value, shape, ascend=value < 0)


def _times(schedule: Schedule, factor: float, at: int) -> Schedule:
    """The schedule with its values from a step on times a factor; one list of them for many."""
    if at == 0:
        return factor * schedule
    peak, shape = schedule.split()
    *first, last = shape.parts if isinstance(shape, Product) else (shape,)
    if first and isinstance(last, Piecewise) and _goes_on(last, at):
        value = last.values[-1] * factor
        kept = sum(each < at for each in last.boundaries)  # type: ignore[operator]  # bound: ints
        steps, values = (*last.boundaries[:kept], at), (*last.values[: kept + 1], value)
        factors = Piecewise(boundaries=steps, values=values)
        shape = first[0] if len(first) == 1 else Product(tuple(first))
    else:
        factors = Piecewise(boundaries=(at,), values=(1.0, factor))
    product = Product((shape, factors))
    return product if peak is None else Scaled(peak, product, ascend=peak < 0)


def _goes_on(pieces: Piecewise, at: int) -> bool:
    return (
        pieces.steps is None
        and not pieces.inclusive
        and all(isinstance(each, int) and each <= at for each in pieces.boundaries)
    )


def _joined(schedule: Schedule, at: int, rest: Schedule) -> Schedule:
    """The schedule until a step, then another on its own clock; a peak they share stays in front."""
    if at == 0:
        return rest
    peak, shape = schedule.split()
    other, tail = rest.split()
    if peak is not None and peak == other:
        return Scaled(peak, Chain((shape.head(at), tail)), ascend=peak < 0)
    past = schedule.head(at) if _depth(schedule) < _DEEP else Table(tuple(schedule(np.arange(at))))
    return Chain((past, rest))


def _depth(schedule: Schedule) -> int:
    """How deep it is nested: texts may be 40 deep, so a long history becomes a table."""
    inner = getattr(schedule, "parts", None) or (getattr(schedule, "inner", None),)
    return 1 + max(_depth(one) if isinstance(one, Schedule) else 0 for one in inner)


def _rest(schedule: Schedule, at: int) -> Schedule:
    """The schedule from a step on, on its own clock: the same values."""
    if at == 0:
        return schedule
    match schedule:
        case Scaled():
            rest: Schedule = Scaled(schedule.factor, _rest(schedule.inner, at), schedule.ascend)
        case Skip():
            rest = Skip(schedule.inner, schedule.steps + at)
        case Constant():
            rest = Constant(None if schedule.total_steps is None else schedule.total_steps - at)
        case Cut(total_steps=int(total_steps)):
            rest = Cut(_rest(schedule.inner, at), total_steps - at)
        case Chain():
            parts = list(schedule.parts)
            while (
                len(parts) > 1 and parts[0].total_steps is not None and parts[0].total_steps <= at
            ):
                at -= parts.pop(0).total_steps or 0
            parts[0] = _rest(parts[0], at)
            rest = parts[0] if len(parts) == 1 else Chain(tuple(parts))
        case _:
            rest = Skip(schedule, at)
    return rest


def _stretched(schedule: Schedule, total_steps: int, at: int) -> Schedule:
    if schedule.total_steps is None:
        raise ArgumentError("stretch needs a run of known length; this one has none.")
    extra = total_steps - schedule.total_steps
    if extra <= 0:
        raise ArgumentError(
            f"stretch needs a total above the {schedule.total_steps:,} steps the run has; got {total_steps:,}. "
            "To end sooner, decay."
        )
    longer = _lengthened(schedule, extra, at)
    past = np.arange(at + 1)
    if longer is not None and np.array_equal(longer(past), schedule(past)):
        return longer
    held = _joined(schedule, at, _valued(schedule(at), Constant(extra)))
    return _joined(held, at + extra, _rest(schedule, at))


def _lengthened(schedule: Schedule, extra: int, at: int) -> Schedule | None:
    """Its stable phase longer, under factors that are past."""
    if isinstance(schedule, Scaled):
        inner = _lengthened(schedule.inner, extra, at)
        return None if inner is None else Scaled(schedule.factor, inner, ascend=schedule.ascend)
    if isinstance(schedule, Product):
        main, *factors = schedule.parts
        past = all(isinstance(one, Piecewise) and _goes_on(one, at) for one in factors)
        longer = main.lengthen(extra) if past else None
        return None if longer is None else Product((longer, *factors))
    return schedule.lengthen(extra)
