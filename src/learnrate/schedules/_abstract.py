"""The two kinds of schedules: shapes with their own length, and wrappers around other schedules."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, ClassVar, TypeAlias

from learnrate.schedules._arithmetic import Value, floor, minimum
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import Duration, RunLength, Span, round_half_up
from learnrate.schedules._fields import FieldKind, refuse
from learnrate.schedules._registry import copy_with, fields_of

__all__ = [
    "FixedLength",
    "Inner",
    "InnerRule",
    "Shape",
    "Wrapper",
    "capped_step",
    "progress",
    "whole_periods",
]


class Shape(Schedule, abstract=True):
    """A schedule with its own duration, `steps`, and peak 1.

    `endless` says that the formula does not need `steps`, so that `steps` may be left out.
    """

    __slots__ = ()
    endless: ClassVar[bool] = False
    steps: Duration

    def measure(self) -> tuple[bool, int | None]:
        """It is ready once every duration is in steps."""
        ready = all(
            rule.kind.ready(getattr(self, rule.name))
            or (rule.name == "steps" and self.endless and self.steps is None)
            for rule in fields_of(type(self))
        )
        return ready, self.steps if isinstance(self.steps, int) else None

    @property
    def open_ended(self) -> bool:
        """Whether `steps` is None, so that the shape takes the rest of the run."""
        return self.steps is None

    def extent(self, run: RunLength) -> Fraction | None:
        """The length as a fraction of a step; None if `steps` is None."""
        return run.exact_steps(self.steps) if isinstance(self.steps, int | Span) else None

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """The shape with as many steps as lie between two positions.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run, for shares and for units other than steps.
        """
        steps = round_half_up(stop) - round_half_up(start)
        if steps == 0:
            return None
        resolved = {
            rule.name: rule.kind.resolve(getattr(self, rule.name), run)
            for rule in fields_of(type(self))
            if rule.name != "steps"
        }
        return copy_with(self, steps=steps, **resolved)


class Wrapper(Schedule, abstract=True):
    """A schedule around another one, `inner`, of the same length."""

    __slots__ = ()
    inner: Schedule

    def measure(self) -> tuple[bool, int | None]:
        """The same as for the inner schedule."""
        return self.inner.ready, self.inner.total_steps

    @property
    def open_ended(self) -> bool:
        """The same as for the inner schedule."""
        return self.inner.open_ended

    def extent(self, run: RunLength) -> Fraction | None:
        """The same as for the inner schedule."""
        return self.inner.extent(run)

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """The wrapper around the bound inner schedule.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run, for shares and for units other than steps.
        """
        inner = self.inner.fit(start, stop, run)
        return None if inner is None else copy_with(self, inner=inner)

    @property
    def warmup_steps(self) -> int:
        """The same as for the inner schedule."""
        return self.inner.warmup_steps

    def lengthen(self, extra: int) -> Schedule | None:
        """The wrapper around the longer inner schedule."""
        inner = self.inner.lengthen(extra)
        return None if inner is None else copy_with(self, inner=inner)

    def head(self, steps: int) -> Schedule:
        """The wrapper around the head of the inner schedule."""
        return copy_with(self, inner=self.inner.head(steps))


class FixedLength(Schedule, abstract=True):
    """A schedule that has a number of steps from the start and fits no other length."""

    __slots__ = ()

    @property
    def open_ended(self) -> bool:
        """False, since the length does not depend on the run."""
        return False

    def extent(self, run: RunLength) -> Fraction | None:
        """The length in steps; None while it cannot be evaluated."""
        _, steps = self.measure()
        return None if steps is None else Fraction(steps)

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """The schedule itself: its steps are fixed.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run; not used.
        """
        return self if round_half_up(stop) > round_half_up(start) else None


@dataclass(frozen=True, slots=True)
class InnerRule(FieldKind):
    """The rule of a field that holds a schedule."""

    def check(self, owner: str, name: str, value: object) -> Schedule:
        """The schedule itself.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given: a schedule.
        """
        if not isinstance(value, Schedule):
            refuse(owner, name, "a schedule", value, "Read text with schedule('...').")
        return value


Inner: TypeAlias = Annotated[Schedule, InnerRule()]


def progress(step: Value, steps: Duration) -> Value:
    """How much of a bound duration has passed, from 0 to 1; all of a duration of 0."""
    if steps == 0:
        return 1.0
    return minimum(step / steps, 1.0)  # type: ignore[operator]  # bound: an int


def capped_step(step: Value, steps: Duration, before_end: float = 0.0) -> Value:
    """The step, but at most `steps - before_end`; unchanged where `steps` is left out.

    Args:
        step: One step or an array of steps, from 0.
        steps: Length of the part in steps; None if it is left out.
        before_end: How many steps before the end of the part the cap lies.
    """
    if steps is None:
        return step
    end = max(steps - before_end, 0.0)  # type: ignore[operator]  # bound: an int
    return minimum(step, end)


def whole_periods(step: Value, steps: Duration, every: object) -> Value:
    """How many whole periods have passed; the number stays after the last update of the part.

    Args:
        step: One step or an array of steps, from 0.
        steps: Length of the part in steps; None if it is left out.
        every: Length of a period in steps, above 0.
    """
    return floor(capped_step(step, steps, 1.0) / every)  # type: ignore[operator]  # bound
