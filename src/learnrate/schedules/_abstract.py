"""The two kinds of schedules: shapes with a length of their own, and wrappers around others."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, ClassVar, TypeAlias

import numpy as np

from learnrate.schedules._arithmetic import FloatArray, Value, least
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import Duration, Run, Span, nearest
from learnrate.schedules._fields import Kind, refuse
from learnrate.schedules._registry import changed, fields_of

__all__ = ["Inner", "InnerRule", "Shape", "Wrapper", "ends", "progress", "until"]


class Shape(Schedule, abstract=True):
    """A schedule with a duration of its own, `steps`, and peak 1.

    `endless` says that the formula does not need `steps`, so that it may be left open.
    """

    __slots__ = ()
    endless: ClassVar[bool] = False
    steps: Duration

    def measure(self) -> tuple[bool, int | None]:
        """Ready once every duration is in steps."""
        ready = all(
            rule.kind.ready(getattr(self, rule.name))
            or (rule.name == "steps" and self.endless and self.steps is None)
            for rule in fields_of(type(self))
        )
        return ready, self.steps if isinstance(self.steps, int) else None

    @property
    def open_ended(self) -> bool:
        """Whether `steps` is left open."""
        return self.steps is None

    def extent(self, run: Run) -> Fraction | None:
        """The exact length of `steps`."""
        return run.exact(self.steps) if isinstance(self.steps, int | Span) else None

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """The shape over the steps between two positions."""
        steps = nearest(stop) - nearest(start)
        if steps == 0:
            return None
        resolved = {
            rule.name: rule.kind.resolve(getattr(self, rule.name), run)
            for rule in fields_of(type(self))
            if rule.name != "steps"
        }
        return changed(self, steps=steps, **resolved)


class Wrapper(Schedule, abstract=True):
    """A schedule around one other, `inner`, of the same length."""

    __slots__ = ()
    inner: Schedule

    def measure(self) -> tuple[bool, int | None]:
        """As the inner schedule."""
        return self.inner.ready, self.inner.total_steps

    @property
    def open_ended(self) -> bool:
        """As the inner schedule."""
        return self.inner.open_ended

    def extent(self, run: Run) -> Fraction | None:
        """As the inner schedule."""
        return self.inner.extent(run)

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """The wrapper around the inner schedule so bound."""
        inner = self.inner.fit(start, stop, run)
        return None if inner is None else changed(self, inner=inner)

    @property
    def warmup_steps(self) -> int:
        """As the inner schedule."""
        return self.inner.warmup_steps

    def lengthen(self, extra: int) -> Schedule | None:
        """The wrapper around the longer inner schedule."""
        inner = self.inner.lengthen(extra)
        return None if inner is None else changed(self, inner=inner)

    def head(self, steps: int) -> Schedule:
        """The wrapper around the head of the inner schedule."""
        return changed(self, inner=self.inner.head(steps))


@dataclass(frozen=True, slots=True)
class InnerRule(Kind):
    """A schedule."""

    def check(self, owner: str, name: str, value: object) -> Schedule:
        """The schedule itself."""
        if not isinstance(value, Schedule):
            refuse(owner, name, "a schedule", value, "Read text with schedule('...').")
        return value


Inner: TypeAlias = Annotated[Schedule, InnerRule()]


def progress(step: Value, steps: Duration) -> Value:
    """How much of a bound duration has passed, 0 to 1."""
    return least(step / steps, 1.0)  # type: ignore[operator]  # bound: an int


def until(step: Value, steps: Duration, back: float = 0.0) -> Value:
    """The step, held at the end (less `back`) of a bound duration; as it is in an open one."""
    return step if steps is None else least(step, steps - back)  # type: ignore[operator]  # bound


def ends(at: tuple[object, ...]) -> FloatArray:
    """The boundaries of a bound shape as an array."""
    return np.array(at, dtype=np.float64)
