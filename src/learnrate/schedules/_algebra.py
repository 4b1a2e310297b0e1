"""How schedules combine: scaling, joining and multiplying."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from itertools import accumulate
from operator import mul
from typing import Annotated

import numpy as np

from learnrate._errors import ScheduleError
from learnrate.schedules._abstract import Inner, InnerRule, Wrapper
from learnrate.schedules._arithmetic import FloatArray, Value
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import RunLength, Span, number_text, round_half_up
from learnrate.schedules._fields import Flag, Listed, Number, refuse
from learnrate.schedules._registry import copy_with

__all__ = ["Chain", "Product", "Scaled"]

Parts = Annotated[tuple[Schedule, ...], Listed(InnerRule(), min_length=2)]


@dataclass(frozen=True, slots=True, repr=False)
class Scaled(Wrapper):
    """A schedule times a number: `3e-4 * shape` has peak 3e-4.

        value(s) = factor inner(s)

    Factors multiply: `2 * (3 * shape)` is `6 * shape`. A negative factor is gradient ascent
    (unlearning, meta-learning). So that it is never an accident, it needs `ascend=True` or
    `.ascending()`, and the text form is `ascend(3e-4 * shape)`.

    Args:
        factor: A finite number; 0 is allowed, and a number below 0 with `ascend`.
        inner: The schedule to scale.
        ascend: Whether the factor may be negative.

    Examples:
        >>> from learnrate.schedules import Constant
        >>> Scaled(3e-4, Constant())(0), (3e-4 * Constant()).ascending()(0)
        (0.0003, -0.0003)
    """

    factor: Annotated[float, Number()]
    inner: Inner
    ascend: Flag = False

    operator = "factor * schedule, or ascend(factor * schedule)"

    def prepare(self) -> None:
        """Multiply nested factors; refuse a negative one without `ascend`."""
        if self.factor < 0 and not self.ascend:
            way_out = f"For gradient ascent write ascend({number_text(-self.factor)} * ...)."
            refuse("Scaled", "factor", "at least 0", self.factor, way_out)
        factor, inner = self.inner.split()
        if factor is not None:
            folded = Number().check("Scaled", "factor", self.factor * factor)
            object.__setattr__(self, "factor", folded)
            object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "ascend", self.factor < 0)

    def formula(self, step: Value) -> Value:
        """The factor times the value of the inner schedule."""
        return self.factor * self.inner.formula(step)

    def split(self) -> tuple[float | None, Schedule]:
        """The factor and the schedule that it scales."""
        return self.factor, self.inner

    def cooldown(self, step: int, steps: int, shape: Schedule | None = None) -> Schedule:
        """Cool the inner schedule down; see `Schedule.cooldown`.

        Args:
            step: The first step of the decay, from 1 to the schedule's length.
            steps: Steps of the decay, at least 1.
            shape: The decay without a length, `Linear()` by default.
        """
        return copy_with(self, inner=self.inner.cooldown(step, steps, shape))

    def __str__(self) -> str:
        if self.factor == -1.0:
            return f"ascend({self.inner})"
        text = f"{number_text(abs(self.factor))} * {self.inner}"
        return f"ascend({text})" if self.factor < 0 else text


@dataclass(frozen=True, slots=True, repr=False)
class Chain(Schedule):
    """Schedules one after the other: `a.then(b)`, in text `a >> b`.

        value(s) = part_i(s - start_i)   for start_i <= s < start_(i+1)

    Each part counts steps from its own start; a boundary belongs to the part that begins there. At
    most one part may be without a length: it takes the rest of the run. After the end the last
    value stays. Chains within chains are flattened.

    Args:
        parts: At least two schedules, in order.

    Examples:
        >>> from learnrate.schedules import Constant, Linear, Warmup
        >>> run = Warmup("10%").then(Constant(), Linear("20%")).over(1000)
        >>> print(run)
        warmup(100) >> constant(700) >> linear(200)

    torch's `SequentialLR` and optax's `join_schedules` switch at the same steps, given the starts
    as boundaries.
    """

    parts: Parts
    _starts: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())

    operator = "part >> part"

    def prepare(self) -> None:
        """Flatten the parts, check their lengths, and compute where they start.

        Raises:
            ScheduleError: two parts have no length, or the shares of the run exceed 100 %.
        """
        flat = tuple(_flattened(self.parts))
        object.__setattr__(self, "parts", flat)
        open_parts = [str(part) for part in flat if part.open_ended]
        if len(open_parts) > 1:
            raise ScheduleError(
                f"a chain may have one part without a length; {self} has "
                f"{len(open_parts)}: {', '.join(open_parts)}. Give lengths to the others."
            )
        spans = (getattr(part, "steps", None) for part in flat)
        shares = [span.number for span in spans if isinstance(span, Span) and span.unit == "%"]
        if sum(map(Fraction, map(repr, shares))) > 100:
            raise ScheduleError(
                f"the shares of a chain must add up to at most 100%; {self} has "
                f"{number_text(sum(shares))}%."
            )
        lengths = [float(part.total_steps or 0) for part in flat]
        object.__setattr__(self, "_starts", tuple(accumulate([0.0, *lengths[:-1]])))

    def measure(self) -> tuple[bool, int | None]:
        """It is ready if all parts are, and all but the last have a length."""
        *first, last = self.parts
        ready = all(part.bound for part in first) and last.ready
        lengths = [part.total_steps for part in self.parts if part.total_steps is not None]
        return ready, sum(lengths) if len(lengths) == len(self.parts) else None

    def formula(self, step: Value) -> Value:
        """The value of the part that the step lies in, counted from the start of that part."""
        if isinstance(step, float):
            index = bisect_right(self._starts, step) - 1
            return self.parts[index].formula(step - self._starts[index])
        if step.size and np.any(step[1:] < step[:-1]):
            order = np.argsort(step, kind="stable")
            values = np.empty_like(step)
            values[order] = self._rising(step[order])
            return values
        return self._rising(step)

    def _rising(self, step: FloatArray) -> FloatArray:
        values = np.empty_like(step)
        cuts = [*np.searchsorted(step, self._starts), step.size]
        for part, start, low, high in zip(
            self.parts, self._starts, cuts[:-1], cuts[1:], strict=True
        ):
            if low < high:
                values[low:high] = part.formula(step[low:high] - start)
        return values

    @property
    def open_ended(self) -> bool:
        """Whether one part takes the rest of the run."""
        return any(part.open_ended for part in self.parts)

    def extent(self, run: RunLength) -> Fraction | None:
        """The sum of the exact lengths of the parts."""
        extents = [part.extent(run) for part in self.parts]
        known = [extent for extent in extents if extent is not None]
        return sum(known, Fraction(0)) if len(known) == len(extents) else None

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """Every part between its own boundaries.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run, for shares and for units other than steps.
        """
        edges = self._edges(start, stop, run)
        fitted = [
            part.fit(low, high, run)
            for part, low, high in zip(self.parts, edges[:-1], edges[1:], strict=True)
        ]
        parts = tuple(part for part in fitted if part is not None)
        if len(parts) > 1:
            return copy_with(self, parts=parts)
        return parts[0] if parts else None

    def _edges(self, start: Fraction, stop: Fraction, run: RunLength) -> list[Fraction]:
        extents = [part.extent(run) for part in self.parts]
        fixed = sum((extent for extent in extents if extent is not None), Fraction(0))
        rest = stop - start - fixed
        if None in extents and rest < 0:
            part = self.parts[extents.index(None)]
            raise ScheduleError(
                f"{self} leaves no step for {part}: the other parts take {round_half_up(fixed):,} "
                f"of {round_half_up(stop - start):,}. Shorten them, or write them as shares ('5%')."
            )
        lengths = [rest if extent is None else extent for extent in extents]
        return [*accumulate(lengths[:-1], initial=start), stop]

    @property
    def warmup_steps(self) -> int:
        """The warm-up of the first part."""
        return self.parts[0].warmup_steps

    def lengthen(self, extra: int) -> Schedule | None:
        """The chain with its last stable part longer."""
        for index in reversed(range(len(self.parts))):
            longer = self.parts[index].lengthen(extra)
            if longer is not None:
                parts = (*self.parts[:index], longer, *self.parts[index + 1 :])
                return copy_with(self, parts=parts)
        return None

    def head(self, steps: int) -> Schedule:
        """The parts up to `steps`; the last of them is cut."""
        index = bisect_right(self._starts, steps - 1.0) - 1
        last = self.parts[index].head(steps - int(self._starts[index]))
        return copy_with(self, parts=(*self.parts[:index], last)) if index else last

    def __str__(self) -> str:
        return " >> ".join(_atom(part) for part in self.parts)


@dataclass(frozen=True, slots=True, repr=False)
class Product(Schedule):
    """Schedules multiplied step by step; all count the same steps: `a * b`.

        value(s) = part_1(s) part_2(s) ...

    A part without a length takes the length of the others. Factors move to the front:
    `(2 * a) * (3 * b)` is `6 * a * b`.

    Args:
        parts: At least two schedules without factors, equally long or without a length.

    Examples:
        >>> from learnrate.schedules import Constant, Step, Warmup
        >>> print(Warmup("5%").then(Constant()) * Step(every=1000))
        warmup(5%) >> constant() * step(every=1000)
    """

    parts: Parts

    operator = "schedule * schedule"

    def prepare(self) -> None:
        """Flatten the parts; refuse factors inside and lengths that differ.

        Raises:
            ScheduleError: a part has a factor, or the parts are not equally long.
        """
        flat: list[Schedule] = []
        for part in self.parts:
            flat.extend(part.parts if isinstance(part, Product) else (part,))
        if any(isinstance(part, Scaled) for part in flat):
            way_out = "Write a * b, which moves the factors to the front."
            refuse("Product", "parts", "without factors", self.parts, way_out)
        object.__setattr__(self, "parts", tuple(flat))
        lengths = {part.total_steps for part in flat if part.total_steps is not None}
        if len(lengths) > 1:
            shown = ", ".join(f"{length:,}" for length in sorted(lengths))
            raise ScheduleError(
                f"the schedules of a product must be equally long; {self} has {shown} steps."
            )

    def measure(self) -> tuple[bool, int | None]:
        """It is ready if all parts are; its length is the length of the parts that have one."""
        lengths = [part.total_steps for part in self.parts if part.total_steps is not None]
        return all(part.ready for part in self.parts), lengths[0] if lengths else None

    def formula(self, step: Value) -> Value:
        """The product of the values of all parts."""
        value = self.parts[0].formula(step)
        for part in self.parts[1:]:
            value = value * part.formula(step)
        return value

    @property
    def warmup_steps(self) -> int:
        """The longest warm-up of the parts."""
        return max(part.warmup_steps for part in self.parts)

    @property
    def open_ended(self) -> bool:
        """Whether all parts take the rest of the run."""
        return all(part.open_ended for part in self.parts)

    def extent(self, run: RunLength) -> Fraction | None:
        """The exact length of the parts that have one.

        Raises:
            ScheduleError: the parts are not equally long.
        """
        extents = [part.extent(run) for part in self.parts]
        known = {extent for extent in extents if extent is not None}
        if len({round_half_up(extent) for extent in known}) > 1:
            shown = " and ".join(f"{round_half_up(extent):,}" for extent in sorted(known))
            raise ScheduleError(
                f"the schedules of a product must be equally long; {self} has {shown} steps."
            )
        return min(known) if known else None

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """All parts between the same boundaries.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run, for shares and for units other than steps.
        """
        fitted = [part.fit(start, stop, run) for part in self.parts]
        parts = [part for part in fitted if part is not None]
        return reduce(mul, parts) if len(parts) == len(fitted) else None

    def __str__(self) -> str:
        return " * ".join(str(part) for part in self.parts)


def _flattened(parts: tuple[Schedule, ...]) -> Iterator[Schedule]:
    for part in parts:
        yield from part.parts if isinstance(part, Chain) else (part,)


def _atom(part: Schedule) -> str:
    looser = isinstance(part, Product) or (isinstance(part, Scaled) and part.factor >= 0)
    return f"({part})" if looser else str(part)
