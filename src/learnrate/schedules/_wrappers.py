"""Schedules around another one: limited, shifted, delayed, repeated, noisy, in stairs."""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, cast

import numpy as np

from learnrate._errors import ScheduleError
from learnrate.schedules._abstract import Inner, Wrapper
from learnrate.schedules._arithmetic import FloatArray, Value, floor, maximum, minimum
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import RunLength, Span, round_half_up
from learnrate.schedules._fields import (
    Factor,
    Flag,
    Number,
    Period,
    PeriodRule,
    Steps,
    Wait,
    Whole,
    refuse,
)
from learnrate.schedules._registry import copy_with, make

__all__ = ["Clamp", "Delay", "Noise", "Repeat", "Shift", "Staircase"]

Bound = Annotated[float | None, Number(optional=True)]
_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True, repr=False)
class Clamp(Wrapper):
    """A schedule limited to a range.

        value(s) = min(max(inner(s), low), high)

    Args:
        inner: The schedule to limit.
        low: The lowest value, in the units of the inner schedule: a rate for `3e-4 * shape`, a
            share of the peak for `shape`. None for no limit.
        high: The highest value, in the same units. None for no limit.

    Examples:
        >>> [Clamp((1e-3 * make("linear", steps=10)), low=2e-4)(s) for s in (0, 5, 9)]
        [0.001, 0.0005, 0.0002]
    """

    inner: Inner
    low: Bound = None
    high: Bound = None

    def prepare(self) -> None:
        """`low` must not be above `high`."""
        if self.low is not None and self.high is not None and self.low > self.high:
            refuse("Clamp", "low", f"at most high={self.high!r}", self.low)

    def formula(self, step: Value) -> Value:
        """The value of the inner schedule, at least `low` and at most `high`."""
        value = self.inner.formula(step)
        if self.low is not None:
            value = maximum(value, self.low)
        return value if self.high is None else minimum(value, self.high)


@dataclass(frozen=True, slots=True, repr=False)
class Noise(Wrapper):
    """A schedule with every value multiplied by a random factor.

        value(s) = inner(s) (1 + scale u_s),   u_s uniform in [-1, 1)

    u depends on `seed` and the step only, so a step has the same noise in any order and on any
    machine. After the end it keeps its last value.

    Args:
        inner: The schedule to multiply.
        scale: The largest relative change, above 0 and at most 1.
        seed: A whole number of at least 0.

    Examples:
        >>> noisy = Noise(make("constant"), seed=1)
        >>> noisy(7) == noisy(7), 0.9 <= noisy(7) <= 1.1
        (True, True)

    timm draws its noise once per epoch and adds it in a range of epochs. For such a range, join
    schedules with and without noise.
    """

    inner: Inner
    scale: Factor = 0.1
    seed: Annotated[int, Whole()] = 0

    def formula(self, step: Value) -> Value:
        """The inner value times 1 + scale u, u uniform in -1 to 1 by seed and step."""
        if self.inner.total_steps is not None:
            step = minimum(step, float(self.inner.total_steps))
        noise = _uniform(step, self.seed) * 2.0 - 1.0
        return self.inner.formula(step) * (1.0 + self.scale * noise)


@dataclass(frozen=True, slots=True, repr=False)
class Shift(Wrapper):
    """A schedule plus a number: with a factor inside, any affine function of a schedule.

        value(s) = inner(s) + by

    Args:
        inner: The schedule to shift.
        by: What is added, a finite number, in the units of the inner schedule.
        ascend: Whether it may be negative, so that values below 0 are never an accident.

    Examples:
        >>> [Shift(0.5 * make("linear", steps=4), by=0.25)(s) for s in (0, 2, 4)]
        [0.75, 0.5, 0.25]
    """

    inner: Inner
    by: Annotated[float, Number()]
    ascend: Flag = False

    def prepare(self) -> None:
        """Refuse a negative `by` without `ascend`, since it may lead to rates below 0."""
        if self.by < 0 and not self.ascend:
            refuse("Shift", "by", "at least 0", self.by, "For values below 0 add ascend=true.")
        object.__setattr__(self, "ascend", self.by < 0)

    def formula(self, step: Value) -> Value:
        """The value of the inner schedule plus `by`."""
        return self.inner.formula(step) + self.by


@dataclass(frozen=True, slots=True, repr=False)
class Staircase(Wrapper):
    """A schedule whose step is a period of many updates, such as an epoch.

        value(s) = inner(floor(s / every))

    It gives the rates of a scheduler that is stepped once an epoch. The inner schedule counts periods:
    `staircase(cosine(90), every=390)` has 90 values of 390 updates each. A run may end within a
    period.

    Args:
        inner: The schedule of the periods.
        every: Length of a period: steps above 0, not rounded, or a share of the run or epochs.
        steps: Optimizer updates; by default all periods of the inner schedule, or the rest of the run.

    Examples:
        >>> [Staircase(make("linear", steps=4), every=10)(s) for s in (0, 9, 10, 25, 40)]
        [1.0, 1.0, 0.75, 0.5, 0.0]

    torch's schedulers, stepped after each of 390 updates, give the same rates with `every=390`.
    """

    inner: Inner
    every: Period
    steps: Steps = None

    def measure(self) -> tuple[bool, int | None]:
        """It is ready if the inner schedule and `every` are; all its periods, or `steps`."""
        ready = self.inner.ready and isinstance(self.every, float)
        if isinstance(self.steps, int) or not ready:
            return ready, self.steps if isinstance(self.steps, int) else None
        periods = self.inner.total_steps
        return ready, None if periods is None else _rounded(periods, cast("float", self.every))

    @property
    def open_ended(self) -> bool:
        """Whether neither `steps` nor the inner schedule gives a length."""
        return self.steps is None and self.inner.total_steps is None

    def extent(self, run: RunLength) -> Fraction | None:
        """The exact length of `steps`, or of all periods of the inner schedule."""
        if isinstance(self.steps, int | Span):
            return run.exact_steps(self.steps)
        every = PeriodRule().resolve(self.every, run)
        periods = self.inner.total_steps
        return None if periods is None else Fraction(repr(every)) * periods

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """The inner schedule over the periods that lie, wholly or in part, between two positions.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run, for shares and for units other than steps.
        """
        steps = round_half_up(stop) - round_half_up(start)
        if steps == 0:
            return None
        every = cast("float", PeriodRule().resolve(self.every, run))
        periods = self.inner.total_steps or math.ceil(Fraction(steps) / Fraction(repr(every)))
        inner = self.inner.over(periods)
        whole = steps == _rounded(periods, every)
        return copy_with(self, inner=inner, every=every, steps=None if whole else steps)

    @property
    def warmup_steps(self) -> int:
        """The updates in the inner warm-up."""
        return _rounded(self.inner.warmup_steps, cast("float", self.every)) if self.bound else 0

    def lengthen(self, extra: int) -> Schedule | None:
        """None, since the steps of the inner schedule are periods."""
        return None

    def head(self, steps: int) -> Schedule:
        """This schedule, cut after `steps` updates."""
        return make("cut", inner=self, steps=steps)

    def formula(self, step: Value) -> Value:
        """The value of the inner schedule at the number of whole periods passed."""
        if isinstance(self.steps, int):
            step = minimum(step, max(self.steps - 1.0, 0.0))
        return self.inner.formula(floor(step / cast("float", self.every)))


def _rounded(periods: int, every: float) -> int:
    return round_half_up(Fraction(repr(every)) * periods)


@dataclass(frozen=True, slots=True, repr=False)
class Delay(Wrapper):
    """A schedule that stays at its first value for `steps` steps before it begins.

        value(s) = inner(max(s - steps, 0))

    It is longer than the inner schedule by `steps`.

    Args:
        inner: The schedule to delay.
        steps: Optimizer updates to wait, at least 1, or a share of the run.

    Examples:
        >>> [Delay(make("linear", steps=4), 10)(s) for s in (0, 10, 12, 14)]
        [1.0, 1.0, 0.5, 0.0]
    """

    inner: Inner
    steps: Wait

    def measure(self) -> tuple[bool, int | None]:
        """It is ready once `steps` is a number; its length is the wait and the inner schedule."""
        if not isinstance(self.steps, int):
            return False, None
        length = self.inner.total_steps
        return self.inner.ready, None if length is None else self.steps + length

    def extent(self, run: RunLength) -> Fraction | None:
        """The exact length of the wait and the inner schedule."""
        inner = self.inner.extent(run)
        return None if inner is None else inner + run.exact_steps(cast("int | Span", self.steps))

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """The inner schedule after the wait; a wait that rounds to no step is left out.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run, for shares and for units other than steps.

        Raises:
            ScheduleError: the wait leaves no step of the part.
        """
        begin = start + run.exact_steps(cast("int | Span", self.steps))
        steps = round_half_up(begin) - round_half_up(start)
        if begin >= stop:
            raise ScheduleError(
                f"{self} waits {steps:,} of {round_half_up(stop - start):,} steps and leaves none for "
                f"{self.inner}. Wait for a share ('5%') instead."
            )
        inner = self.inner.fit(begin, stop, run)
        if steps == 0 or inner is None:
            return self.inner.fit(start, stop, run)
        return copy_with(self, inner=inner, steps=steps)

    @property
    def warmup_steps(self) -> int:
        """The inner warm-up, and the wait before it."""
        inner = self.inner.warmup_steps
        return cast("int", self.steps) + inner if inner and self.bound else 0

    def head(self, steps: int) -> Schedule:
        """The wait, then the head of the inner schedule."""
        rest = steps - cast("int", self.steps)
        if rest <= 0:
            return make("cut", inner=self, steps=steps)
        return copy_with(self, inner=self.inner.head(rest))

    def formula(self, step: Value) -> Value:
        """The value of the inner schedule, `steps` earlier; its first value before that."""
        return self.inner.formula(maximum(step - cast("int", self.steps), 0.0))


@dataclass(frozen=True, slots=True, repr=False)
class Repeat(Wrapper):
    """A schedule several times in a row.

        value(s) = inner(s - i n),   i = min(floor(s / n), times - 1), n steps long

    An inner schedule without a length takes an equal share of the rest of the run. If that is not
    a whole number of steps, binding gives a chain of copies whose boundaries are rounded.

    Args:
        inner: The schedule to repeat.
        times: How many times it runs, a whole number of at least 1.

    Examples:
        >>> print(Repeat(make("cosine"), 4).over(1000))
        repeat(cosine(250), times=4)
    """

    inner: Inner
    times: Annotated[int, Whole(low=1)]

    def measure(self) -> tuple[bool, int | None]:
        """It is ready once the inner schedule is bound; its length is `times` as long."""
        length = self.inner.total_steps
        return self.inner.bound, None if length is None else length * self.times

    def extent(self, run: RunLength) -> Fraction | None:
        """`times` the exact length of the inner schedule."""
        inner = self.inner.extent(run)
        return None if inner is None else inner * self.times

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """Copies of equal length; a chain of copies if their lengths cannot be equal.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run, for shares and for units other than steps.
        """
        length = (stop - start) / self.times
        edges = [start + length * i for i in range(self.times + 1)]
        if length.denominator == 1:
            inner = self.inner.fit(start, edges[1], run)
            return None if inner is None else copy_with(self, inner=inner)
        fitted = (self.inner.fit(*pair, run) for pair in pairwise(edges))
        copies = [copy for copy in fitted if copy is not None]
        if len(copies) > 1:
            return make("chain", parts=copies)
        return copies[0] if copies else None

    def lengthen(self, extra: int) -> Schedule | None:
        """None: the copies must stay equal."""
        return None

    def head(self, steps: int) -> Schedule:
        """This schedule, cut after `steps` of its own steps."""
        return make("cut", inner=self, steps=steps)

    def formula(self, step: Value) -> Value:
        """The value of the inner schedule at the step counted from the start of the cycle."""
        length = max(1, cast("int", self.inner.total_steps))  # `constant(0)` has no step
        cycle = minimum(floor(step / length), self.times - 1.0)
        return self.inner.formula(step - cycle * length)


def _uniform(step: Value, seed: int) -> Value:
    """A number in [0, 1) that depends on the step and the seed only (SplitMix64).

    Ref: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    offset = (seed * 0xD1342543DE82EF95 + 0x9E3779B97F4A7C15) & _MASK
    if isinstance(step, float):
        bits = (int(step) * 0x9E3779B97F4A7C15 + offset) & _MASK
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((bits ^ (bits >> 31)) >> 11) * math.ldexp(1.0, -53)
    words = step.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(offset)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    words = (words ^ (words >> np.uint64(31))) >> np.uint64(11)
    numbers: FloatArray = words.astype(np.float64) * math.ldexp(1.0, -53)
    return numbers
