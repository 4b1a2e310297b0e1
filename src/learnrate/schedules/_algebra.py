"""Scaling, joining, multiplying: how schedules combine."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from itertools import accumulate
from operator import mul
from typing import Annotated, Any

import numpy as np

from learnrate._errors import ScheduleError
from learnrate.schedules._abstract import Inner, InnerRule, Wrapper
from learnrate.schedules._arithmetic import FloatArray, Value
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import Run, Span, nearest, shortest
from learnrate.schedules._fields import Flag, Listed, Number, refuse
from learnrate.schedules._registry import changed

__all__ = ["Chain", "Product", "Scaled"]

Parts = Annotated[tuple[Schedule, ...], Listed(InnerRule(), least=2)]


@dataclass(frozen=True, slots=True, repr=False)
class Scaled(Wrapper):
    """A schedule times a number: `3e-4 * shape` has peak 3e-4.

        value(s) = factor inner(s)

    Scalings fold: `2 * (3 * shape)` is `6 * shape`. A negative factor is gradient ascent, which is
    legitimate (unlearning, meta-learning) but never by accident: it needs `ascend=True`, or
    `.ascending()`, and is written `ascend(3e-4 * shape)`. 0 is allowed.

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
        """Fold scalings; ask for the word where the factor is negative."""
        if self.factor < 0 and not self.ascend:
            way_out = f"For gradient ascent write ascend({shortest(-self.factor)} * ...)."
            refuse("Scaled", "factor", "at least 0", self.factor, way_out)
        factor, inner = self.inner.split()
        if factor is not None:
            folded = Number().check("Scaled", "factor", self.factor * factor)
            object.__setattr__(self, "factor", folded)
            object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "ascend", self.factor < 0)

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        return self.factor * self.inner.formula(step)

    def split(self) -> tuple[float | None, Schedule]:
        """The factor and what it scales."""
        return self.factor, self.inner

    def cooldown(self, at: int, steps: int, shape: Schedule | None = None) -> Schedule:
        """The factor times the inner schedule so cooled down."""
        return changed(self, inner=self.inner.cooldown(at, steps, shape))

    def __str__(self) -> str:
        if self.factor == -1.0:
            return f"ascend({self.inner})"
        text = f"{shortest(abs(self.factor))} * {self.inner}"
        return f"ascend({text})" if self.factor < 0 else text


@dataclass(frozen=True, slots=True, repr=False)
class Chain(Schedule):
    """Schedules one after the other: `a.then(b)`, in text `a >> b`.

        value(s) = part_i(s - start_i)   for start_i <= s < start_(i+1)

    Each part counts from its own start; intervals are half-open, so a boundary belongs to the part
    that begins there. At most one part may be without a length: it takes what is left of the run.
    After the end the last part stays at its last value. Chains within chains flatten.

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
        """Flatten, check the lengths against each other, and remember where parts start."""
        flat = tuple(_flattened(self.parts))
        object.__setattr__(self, "parts", flat)
        open_parts = [str(part) for part in flat if part.open_ended]
        if len(open_parts) > 1:
            raise ScheduleError(
                f"a chain has room for one part without a length; {self} has "
                f"{len(open_parts)}: {', '.join(open_parts)}. Give lengths to the others."
            )
        shares = [s.number for s in map(_length, flat) if isinstance(s, Span) and s.unit == "%"]
        if sum(map(Fraction, map(repr, shares))) > 100:
            raise ScheduleError(
                f"the shares of a chain must add up to at most 100%; {self} has "
                f"{shortest(sum(shares))}%."
            )
        lengths = [float(part.total_steps or 0) for part in flat]
        object.__setattr__(self, "_starts", tuple(accumulate([0.0, *lengths[:-1]])))

    def measure(self) -> tuple[bool, int | None]:
        """Ready when all parts are, and all but the last have their length."""
        *first, last = self.parts
        ready = all(part.bound for part in first) and last.ready
        lengths = [part.total_steps for part in self.parts if part.total_steps is not None]
        return ready, sum(lengths) if len(lengths) == len(self.parts) else None

    def formula(self, step: Value) -> Value:
        """The value at a step."""
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
        """Whether one part is."""
        return any(part.open_ended for part in self.parts)

    def extent(self, run: Run) -> Fraction | None:
        """The sum of the parts."""
        extents = [part.extent(run) for part in self.parts]
        known = [extent for extent in extents if extent is not None]
        return sum(known, Fraction(0)) if len(known) == len(extents) else None

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """Every part between its own boundaries."""
        edges = self._edges(start, stop, run)
        fitted = [
            part.fit(low, high, run)
            for part, low, high in zip(self.parts, edges[:-1], edges[1:], strict=True)
        ]
        left = tuple(part for part in fitted if part is not None)
        if len(left) > 1:
            return changed(self, parts=left)
        return left[0] if left else None

    def _edges(self, start: Fraction, stop: Fraction, run: Run) -> list[Fraction]:
        extents = [part.extent(run) for part in self.parts]
        taken = sum((extent for extent in extents if extent is not None), Fraction(0))
        left = stop - start - taken
        if None in extents and left <= 0:
            part = self.parts[extents.index(None)]
            raise ScheduleError(
                f"{self} leaves no step for {part}: the other parts take {nearest(taken):,} of "
                f"{nearest(stop - start):,}. Shorten them, or write them as shares ('5%')."
            )
        lengths = [left if extent is None else extent for extent in extents]
        return [*accumulate(lengths[:-1], initial=start), stop]

    @property
    def warmup_steps(self) -> int:
        """Those of the first part."""
        return self.parts[0].warmup_steps

    def lengthen(self, extra: int) -> Schedule | None:
        """Itself with its last stable part longer."""
        for index in reversed(range(len(self.parts))):
            longer = self.parts[index].lengthen(extra)
            if longer is not None:
                parts = (*self.parts[:index], longer, *self.parts[index + 1 :])
                return changed(self, parts=parts)
        return None

    def head(self, steps: int) -> Schedule:
        """The parts up to `steps`, the last of them shortened."""
        index = bisect_right(self._starts, steps - 1.0) - 1
        last = self.parts[index].head(steps - int(self._starts[index]))
        return changed(self, parts=(*self.parts[:index], last)) if index else last

    def __str__(self) -> str:
        return " >> ".join(_atom(part) for part in self.parts)


@dataclass(frozen=True, slots=True, repr=False)
class Product(Schedule):
    """Schedules multiplied step by step, all on one clock: `a * b`.

        value(s) = part_1(s) part_2(s) ...

    A part without a length takes the length of the others. Factors move to the front:
    `(2 * a) * (3 * b)` is `6 * a * b`.

    Examples:
        >>> from learnrate.schedules import Constant, Step, Warmup
        >>> print(Warmup("5%").then(Constant()) * Step(every=1000))
        warmup(5%) >> constant() * step(every=1000)
    """

    parts: Parts

    operator = "schedule * schedule"

    def prepare(self) -> None:
        """Flatten; refuse factors inside and lengths that differ."""
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
        """Ready when all parts are; as long as those with a length."""
        lengths = [part.total_steps for part in self.parts if part.total_steps is not None]
        return all(part.ready for part in self.parts), lengths[0] if lengths else None

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        value = self.parts[0].formula(step)
        for part in self.parts[1:]:
            value = value * part.formula(step)
        return value

    @property
    def warmup_steps(self) -> int:
        """Those of the factor that warms up longest."""
        return max(part.warmup_steps for part in self.parts)

    @property
    def open_ended(self) -> bool:
        """Whether all parts are."""
        return all(part.open_ended for part in self.parts)

    def extent(self, run: Run) -> Fraction | None:
        """The length of the parts that have one."""
        known = {e for e in (part.extent(run) for part in self.parts) if e is not None}
        if len({nearest(extent) for extent in known}) > 1:
            shown = " and ".join(f"{nearest(extent):,}" for extent in sorted(known))
            raise ScheduleError(
                f"the schedules of a product must be equally long; {self} has {shown} steps."
            )
        return min(known) if known else None

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """All parts between the same boundaries."""
        fitted = [part.fit(start, stop, run) for part in self.parts]
        left = [part for part in fitted if part is not None]
        return reduce(mul, left) if len(left) == len(fitted) else None

    def __str__(self) -> str:
        return " * ".join(str(part) for part in self.parts)


def _flattened(parts: tuple[Schedule, ...]) -> Iterator[Schedule]:
    for part in parts:
        yield from part.parts if isinstance(part, Chain) else (part,)


def _length(part: Schedule) -> Any:
    return getattr(part, "steps", None)


def _atom(part: Schedule) -> str:
    looser = isinstance(part, Product) or (isinstance(part, Scaled) and part.factor >= 0)
    return f"({part})" if looser else str(part)
