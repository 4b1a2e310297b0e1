"""Schedules that are given by their values: pieces, tables and functions."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import numpy as np

from learnrate._checks import kind_of
from learnrate._errors import ScheduleError
from learnrate.schedules._abstract import FixedLength, Shape, capped_step
from learnrate.schedules._arithmetic import FloatArray, Value, choose, cos, minimum
from learnrate.schedules._base import Schedule
from learnrate.schedules._fields import Boundaries, FieldKind, Flag, Steps, Values, Word, refuse
from learnrate.schedules._registry import copy_with

__all__ = ["FromFunction", "Interpolated", "Piecewise", "Table"]


@dataclass(frozen=True, slots=True, repr=False)
class Piecewise(Shape):
    """Constant pieces: `values[i]` holds from `boundaries[i - 1]` on.

        value(s) = values[number of boundaries that are <= s]

    After its end it keeps its last value.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        boundaries: Steps from the start of the part, or shares of the run, in rising order.
        values: Shares of the peak, at least 0, one more than there are boundaries.
        inclusive: Whether the former value still holds at the boundary itself.

    Examples:
        >>> [Piecewise(boundaries=(10, 20), values=(1, 0.5, 0.1))(s) for s in (9, 10, 20)]
        [1.0, 0.5, 0.1]

    torch and optax switch at the boundary, as here. Keras's `PiecewiseConstantDecay` switches one
    step later: `inclusive=True`. optax's scales are cumulative: the value at a boundary is the
    product of all scales up to it.
    """

    steps: Steps = None
    boundaries: Boundaries = ("50%",)
    values: Values = (1.0, 0.1)
    inclusive: Flag = False

    endless = True

    def prepare(self) -> None:
        """There must be one value more than boundaries."""
        _check_counts(self, self.boundaries, self.values)

    def formula(self, step: Value) -> Value:
        """The value between the boundaries on both sides of the step."""
        step = capped_step(step, self.steps, 1.0) - (1.0 if self.inclusive else 0.0)
        boundaries = cast("tuple[int, ...]", self.boundaries)
        if isinstance(step, float):
            return self.values[bisect_right(boundaries, step)]
        index = np.searchsorted(np.array(boundaries, dtype=np.float64), step, side="right")
        return np.asarray(self.values)[index]


@dataclass(frozen=True, slots=True, repr=False)
class Interpolated(Shape):
    """Straight lines, or half cosines, from value to value.

        value(s) = v_i + (v_(i+1) - v_i) x,   x = (s - b_i) / (b_(i+1) - b_i),   b_0 = 0
        with curve=cosine x becomes (1 - cos(pi x)) / 2

    After the last boundary, and after its end, the last value stays.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        boundaries: Where the values after the first are reached: steps from the start of the part,
            or shares of the run, in rising order.
        values: Shares of the peak, at least 0, one more than there are boundaries; the first is
            that at s = 0.
        curve: `linear` or `cosine`.

    Examples:
        >>> [Interpolated(boundaries=(10, 20), values=(0, 1, 0.5))(s) for s in (0, 5, 10, 15, 99)]
        [0.0, 0.5, 1.0, 0.75, 0.5]

    optax's `piecewise_interpolate_schedule` gives the same rates, with the products of its scales
    as values. torch and Keras have no such schedule.
    """

    steps: Steps = None
    boundaries: Boundaries = ("50%", "100%")
    values: Values = (1.0, 1.0, 0.0)
    curve: Annotated[str, Word(("linear", "cosine"))] = "linear"

    endless = True

    def prepare(self) -> None:
        """There must be one value more than boundaries."""
        _check_counts(self, self.boundaries, self.values)

    def formula(self, step: Value) -> Value:
        """The value on the curve between the knots on both sides of the step."""
        boundaries = cast("tuple[int, ...]", self.boundaries)
        step = minimum(capped_step(step, self.steps), float(boundaries[-1]))
        if isinstance(step, float):
            i = min(bisect_right(boundaries, step), len(boundaries) - 1)
            start, stop = float(boundaries[i - 1] if i else 0), float(boundaries[i])
            return self._between(step, start, stop, self.values[i], self.values[i + 1])
        knots, values = np.array([0.0, *boundaries]), np.asarray(self.values)
        index = np.searchsorted(knots[1:], step, side="right")
        index = np.minimum(index, len(boundaries) - 1)
        starts, stops = knots[index], knots[index + 1]
        return self._between(step, starts, stops, values[index], values[index + 1])

    def _between(self, step: Value, start: Value, stop: Value, first: Value, last: Value) -> Value:
        # A piece without length is already at its end.
        empty = stop <= start
        x = choose(empty, 1.0, (step - start) / choose(empty, 1.0, stop - start))
        if self.curve == "cosine":
            x = (1.0 - cos(math.pi * x)) * 0.5
        return first + (last - first) * x


@dataclass(frozen=True, slots=True, repr=False)
class Table(FixedLength):
    """A value for every step.

        value(s) = values[min(s, len(values) - 1)]

    A table has one step for each value and fits no other length. After its end the last value
    stays.

    Args:
        values: Shares of the peak, at least 0; a list or an array.

    Examples:
        >>> [Table((1.0, 0.5, 0.25))(s) for s in (0, 1, 2, 3)]
        [1.0, 0.5, 0.25, 0.25]
    """

    values: Values
    _array: Any = field(init=False, repr=False, compare=False, default=None)

    def prepare(self) -> None:
        """Store the values as an array too."""
        object.__setattr__(self, "_array", np.asarray(self.values))

    def measure(self) -> tuple[bool, int | None]:
        """It is always ready; one step for each value."""
        return True, len(self.values)

    def head(self, steps: int) -> Schedule:
        """A table of the first `steps` values."""
        return copy_with(self, values=self.values[:steps])

    def formula(self, step: Value) -> Value:
        """The value with the index of the step; the last value after the end."""
        last = len(self.values) - 1.0
        if isinstance(step, float):
            return self.values[int(min(step, last))]
        values: FloatArray = self._array[np.minimum(step, last).astype(np.int64)]
        return values


@dataclass(frozen=True, slots=True)
class FunctionRule(FieldKind):
    """The rule of a field that holds a function of the step."""

    def check(self, owner: str, name: str, value: object) -> Callable[[int], float]:
        """The function itself.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given: a function of the step.
        """
        if not callable(value) or isinstance(value, Schedule):
            refuse(owner, name, "a function of the step", value)
        return cast("Callable[[int], float]", value)


@dataclass(frozen=True, slots=True, repr=False)
class FromFunction(Shape):
    """The values of a function of the step.

        value(s) = function(s), s counted from the start of the part

    After its end it keeps its last value. It needs no length. A function has no text form
    and no JSON; make a `Table` of its values if you need them. It pickles if the function does.

    Args:
        function: Gets the step as an int and must return a finite number, always the same one for
            the same step.
        steps: Optimizer updates or a share of the run; by default the rest of the run.

    Raises:
        ScheduleError: when called, if the function returns a number that is not finite.

    Examples:
        >>> [FromFunction(lambda step: 1 / (1 + step))(s) for s in (0, 1, 3)]
        [1.0, 0.5, 0.25]

    torch's `LambdaLR` gives the same rates.
    """

    function: Annotated[Callable[[int], float], FunctionRule()]
    steps: Steps = None

    endless = True
    operator = "in Python only: a function has no text form"

    def formula(self, step: Value) -> Value:
        """The value of the function at each step, at most the last step of its length."""
        step = capped_step(step, self.steps, 1.0)
        if isinstance(step, float):
            return self._value(step)
        return np.array(list(map(self._value, step.tolist())), dtype=np.float64)

    def _value(self, step: float) -> float:
        answer = self.function(int(step))
        try:
            value = float(answer)
        except (TypeError, ValueError):
            raise ScheduleError(
                f"{self} must return a number at each step; got {kind_of(answer)} at step {step:.0f}. "
                "Call a function that makes a schedule, as in warmup_cosine()."
            ) from None
        if not math.isfinite(value):
            raise ScheduleError(
                f"{self} must return finite numbers; got {value} at step {step:.0f}."
            )
        return value

    def __str__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        length = "" if self.steps is None else f", {self.steps}"
        return f"from_function(<{name}>{length})"


def _check_counts(
    shape: Schedule, boundaries: tuple[object, ...], values: tuple[object, ...]
) -> None:
    if len(values) != len(boundaries) + 1:
        rule = f"one more than boundaries=, which has {len(boundaries)}"
        refuse(type(shape).__name__, "values", rule, values)
