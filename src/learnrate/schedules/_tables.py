"""Schedules given by their values: pieces, tables, functions."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any, cast

import numpy as np

from learnrate._errors import ScheduleError
from learnrate.schedules._abstract import Shape, ends, until
from learnrate.schedules._arithmetic import FloatArray, Value, choose, cos, least
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import Run, nearest
from learnrate.schedules._fields import Ats, Flag, Kind, Steps, Values, Word, refuse
from learnrate.schedules._registry import changed

__all__ = ["FromFunction", "Interpolated", "Piecewise", "Table"]


@dataclass(frozen=True, slots=True, repr=False)
class Piecewise(Shape):
    """Constant pieces: `values[i]` from `at[i-1]` on.

        value(s) = values[number of `at` that are <= s]

    `at` holds steps from the start of the part, or shares of the run, in rising order; `values`
    are shares of the peak, one more than there are boundaries. After its end the last value stays.

    Examples:
        >>> [Piecewise(at=(10, 20), values=(1, 0.5, 0.1))(s) for s in (9, 10, 20)]
        [1.0, 0.5, 0.1]

    torch and optax switch at the boundary, as here. Keras's `PiecewiseConstantDecay` keeps the old
    value on the boundary itself: `inclusive=True`. optax multiplies its scales cumulatively: a
    boundary's value is the product of all scales up to it.
    """

    steps: Steps = None
    at: Ats = ("50%",)
    values: Values = (1.0, 0.1)
    inclusive: Flag = False

    endless = True

    def prepare(self) -> None:
        """One value more than boundaries."""
        _one_more(self, self.at, self.values)

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        held = until(step, self.steps, 1.0) - (1.0 if self.inclusive else 0.0)
        if isinstance(held, float):
            return self.values[bisect_right(cast("tuple[int, ...]", self.at), held)]
        return np.asarray(self.values)[np.searchsorted(ends(self.at), held, side="right")]


@dataclass(frozen=True, slots=True, repr=False)
class Interpolated(Shape):
    """Straight lines, or half cosines, from value to value.

        value(s) = v_i + (v_(i+1) - v_i) x,   x = (s - at_i) / (at_(i+1) - at_i)
        with curve=cosine x becomes (1 - cos(pi x)) / 2

    The first of `values` holds at s = 0, the others at the steps of `at`, which are counted from
    the start of the part, or shares of the run, in rising order. `values` are shares of the peak.
    After the last, and after its end, the value stays.

    Examples:
        >>> [Interpolated(at=(10, 20), values=(0, 1, 0.5))(s) for s in (0, 5, 10, 15, 99)]
        [0.0, 0.5, 1.0, 0.75, 0.5]

    optax's `piecewise_interpolate_schedule` is this one, with its scales multiplied up into
    values. torch and Keras have none.
    """

    steps: Steps = None
    at: Ats = ("50%", "100%")
    values: Values = (1.0, 1.0, 0.0)
    curve: Annotated[str, Word(("linear", "cosine"))] = "linear"

    endless = True

    def prepare(self) -> None:
        """One value more than boundaries."""
        _one_more(self, self.at, self.values)

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        at = cast("tuple[int, ...]", self.at)
        held = least(until(step, self.steps), float(at[-1]))
        if isinstance(held, float):
            i = min(bisect_right(at, held), len(at) - 1)
            low, high = float(at[i - 1] if i else 0), float(at[i])
            return self._between(held, low, high, self.values[i], self.values[i + 1])
        knots, values = np.array([0.0, *at]), np.asarray(self.values)
        index = np.minimum(np.searchsorted(knots[1:], held, side="right"), len(at) - 1)
        low_knots, high_knots = knots[index], knots[index + 1]
        return self._between(held, low_knots, high_knots, values[index], values[index + 1])

    def _between(self, step: Value, low: Value, high: Value, first: Value, last: Value) -> Value:
        # A piece without length is already at its end.
        empty = high <= low
        x = choose(empty, 1.0, (step - low) / choose(empty, 1.0, high - low))
        if self.curve == "cosine":
            x = (1.0 - cos(math.pi * x)) * 0.5
        return first + (last - first) * x


@dataclass(frozen=True, slots=True, repr=False)
class Table(Schedule):
    """A value for every step.

        value(s) = values[min(s, len(values) - 1)]

    `values` are shares of the peak; the table is as long as it has values, and fits no other
    length. After its end the last value stays.

    Examples:
        >>> [Table((1.0, 0.5, 0.25))(s) for s in (0, 1, 2, 3)]
        [1.0, 0.5, 0.25, 0.25]
    """

    values: Values
    _array: Any = field(init=False, repr=False, compare=False, default=None)

    def prepare(self) -> None:
        """Keep the values as an array too."""
        object.__setattr__(self, "_array", np.asarray(self.values))

    def measure(self) -> tuple[bool, int | None]:
        """As long as it has values."""
        return True, len(self.values)

    @property
    def open_ended(self) -> bool:
        """Never."""
        return False

    def extent(self, run: Run) -> Fraction | None:
        """As long as it has values."""
        return Fraction(len(self.values))

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """Itself: its steps are given."""
        return self if nearest(stop) > nearest(start) else None

    def head(self, steps: int) -> Schedule:
        """The first values."""
        return changed(self, values=self.values[:steps])

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        last = len(self.values) - 1.0
        if isinstance(step, float):
            return self.values[int(min(step, last))]
        found: FloatArray = self._array[np.minimum(step, last).astype(np.int64)]
        return found


@dataclass(frozen=True, slots=True)
class FunctionRule(Kind):
    """A function."""

    def check(self, owner: str, name: str, value: object) -> Callable[[int], float]:
        """The function itself."""
        if not callable(value) or isinstance(value, Schedule):
            refuse(owner, name, "a function of the step", value)
        return cast("Callable[[int], float]", value)


@dataclass(frozen=True, slots=True, repr=False)
class FromFunction(Shape):
    """Whatever a function of the step gives.

        value(s) = function(s), s counted from the start of the part

    The function gets an int and must give a finite number, the same for the same step. After its
    end the last value stays. It may stay open. A function has no text form and no JSON: write its
    values as a `Table` where that is needed. It pickles if the function does.

    Examples:
        >>> [FromFunction(lambda step: 1 / (1 + step))(s) for s in (0, 1, 3)]
        [1.0, 0.5, 0.25]

    torch's `LambdaLR` is this one.
    """

    function: Annotated[Callable[[int], float], FunctionRule()]
    steps: Steps = None

    endless = True
    operator = "in Python only: a function has no text form"

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        held = until(step, self.steps, 1.0)
        if isinstance(held, float):
            return self._value(held)
        return np.array([self._value(each) for each in held.tolist()], dtype=np.float64)

    def _value(self, step: float) -> float:
        value = float(self.function(int(step)))
        if not math.isfinite(value):
            raise ScheduleError(
                f"{self} must give finite numbers; got {value} at step {step:.0f}."
            )
        return value

    def __str__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        length = "" if self.steps is None else f", {self.steps}"
        return f"from_function(<{name}>{length})"


def _one_more(shape: Schedule, at: tuple[object, ...], values: tuple[object, ...]) -> None:
    if len(values) != len(at) + 1:
        rule = f"one more than at=, which has {len(at)}"
        refuse(type(shape).__name__, "values", rule, values)
