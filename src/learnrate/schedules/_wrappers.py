"""Schedules around one other: bounded, delayed, repeated, cut short, noisy."""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, cast

import numpy as np

from learnrate._errors import ScheduleError
from learnrate.schedules._abstract import Inner, Wrapper
from learnrate.schedules._arithmetic import FloatArray, Value, choose, floor, highest, least
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import Duration, Run, Span, nearest
from learnrate.schedules._fields import Factor, Length, Number, Whole, refuse
from learnrate.schedules._registry import changed, make

__all__ = ["Clamp", "Cut", "Delay", "Noise", "Repeat", "Shortened", "Skip"]

Bound = Annotated[float | None, Number(optional=True)]
Wait = Annotated[Duration, Length(optional=False)]
_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True, repr=False)
class Clamp(Wrapper):
    """A schedule kept between two values.

        value(s) = min(max(inner(s), low), high)

    `low` and `high` are in the units of the inner schedule: rates around `3e-4 * shape`, shares of
    the peak around `shape`. Left out, that side is open.

    Examples:
        >>> [Clamp((1e-3 * make("linear", steps=10)), low=2e-4)(s) for s in (0, 5, 9)]
        [0.001, 0.0005, 0.0002]
    """

    inner: Inner
    low: Bound = None
    high: Bound = None

    def prepare(self) -> None:
        """The bounds in order."""
        if self.low is not None and self.high is not None and self.low > self.high:
            refuse("Clamp", "low", f"at most high={self.high!r}", self.low)

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        value = self.inner.formula(step)
        if self.low is not None:
            value = highest(value, self.low)
        return value if self.high is None else least(value, self.high)


@dataclass(frozen=True, slots=True, repr=False)
class Noise(Wrapper):
    """A schedule with every value multiplied by a random factor.

        value(s) = inner(s) (1 + scale u_s),   u_s uniform in [-1, 1)

    u depends on `seed` and the step alone, so the same step always has the same noise, in any
    order, on any machine. `scale` is above 0 and at most 1. After the end the last value stays.

    Examples:
        >>> noisy = Noise(make("constant"), seed=1)
        >>> noisy(7) == noisy(7), 0.9 <= noisy(7) <= 1.1
        (True, True)

    timm draws its noise per epoch and adds it within a range of epochs; here join schedules.
    """

    inner: Inner
    scale: Factor = 0.1
    seed: Annotated[int, Whole()] = 0

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        held = step if self.inner.total is None else least(step, float(self.inner.total))
        noise = _uniform(held, self.seed) * 2.0 - 1.0
        return self.inner.formula(held) * (1.0 + self.scale * noise)


@dataclass(frozen=True, slots=True, repr=False)
class Cut(Wrapper):
    """The first `steps` steps of a schedule, holding the value reached after them.

        value(s) = inner(min(s, steps))

    The inner schedule must be bound, or have a value at every step.

    Examples:
        >>> [Cut(make("linear", steps=10), 5)(s) for s in (0, 5, 9)]
        [1.0, 0.5, 0.5]
    """

    inner: Inner
    steps: Wait

    def prepare(self) -> None:
        """Something to cut."""
        if not self.inner.ready:
            refuse("Cut", "inner", "bound", str(self.inner), "Call .over(total) first.")

    def measure(self) -> tuple[bool, int | None]:
        """As long as `steps`."""
        return isinstance(self.steps, int), self.steps if isinstance(self.steps, int) else None

    @property
    def open_ended(self) -> bool:
        """Never."""
        return False

    def extent(self, run: Run) -> Fraction | None:
        """As long as `steps`."""
        return run.exact(cast("int | Span", self.steps))

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """The same cut, in steps."""
        steps = nearest(stop) - nearest(start)
        return changed(self, steps=steps) if steps else None

    @property
    def warmup_steps(self) -> int:
        """What is left of the inner warm-up."""
        return min(self.inner.warmup_steps, self.total or 0)

    def lengthen(self, extra: int) -> Schedule | None:
        """Never: it ends where it was cut."""
        return None

    def head(self, steps: int) -> Schedule:
        """Itself, cut earlier."""
        return changed(self, steps=steps)

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        return self.inner.formula(least(step, float(cast("int", self.steps))))


@dataclass(frozen=True, slots=True, repr=False)
class Skip(Wrapper):
    """A schedule without its first `steps` steps.

        value(s) = inner(s + steps)

    The inner schedule must be bound, or have a value at every step; the whole is shorter by it.

    Examples:
        >>> [Skip(make("linear", steps=10), 5)(s) for s in (0, 4, 5)]
        [0.5, 0.09999999999999998, 0.0]

    timm without `warmup_prefix` starts its cosine under the warm-up, and jumps after it:
    `warmup(5, start=0) >> skip(cosine(100), steps=5)`.
    """

    inner: Inner
    steps: Annotated[int, Whole(low=1)]

    def prepare(self) -> None:
        """Something left."""
        if not self.inner.ready:
            refuse("Skip", "inner", "bound", str(self.inner), "Call .over(total) first.")
        if self.inner.total is not None and self.steps >= self.inner.total:
            refuse("Skip", "steps", f"less than the length, {self.inner.total:,}", self.steps)

    def measure(self) -> tuple[bool, int | None]:
        """What is left of the inner schedule."""
        return True, None if self.inner.total is None else self.inner.total - self.steps

    def extent(self, run: Run) -> Fraction | None:
        """What is left of the inner schedule."""
        total = self.inner.total
        return None if total is None else Fraction(total - self.steps)

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """The rest of an inner schedule that is longer by what is skipped."""
        steps = nearest(stop) - nearest(start)
        inner = self.inner.fit(Fraction(0), Fraction(steps + self.steps), run)
        return None if steps == 0 or inner is None else changed(self, inner=inner)

    @property
    def warmup_steps(self) -> int:
        """What is left of the inner warm-up."""
        return max(0, self.inner.warmup_steps - self.steps)

    def lengthen(self, extra: int) -> Schedule | None:
        """Never: its stable phase may be what was skipped."""
        return None

    def head(self, steps: int) -> Schedule:
        """Itself, cut."""
        return make("cut", inner=self, steps=steps)

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        return self.inner.formula(step + float(self.steps))


@dataclass(frozen=True, slots=True, repr=False)
class Delay(Wrapper):
    """A schedule that waits at its first value for `steps` steps.

        value(s) = inner(max(s - steps, 0))

    `steps` is a number of steps or a share of the run; the whole is longer by it.

    Examples:
        >>> [Delay(make("linear", steps=4), 10)(s) for s in (0, 10, 12, 14)]
        [1.0, 1.0, 0.5, 0.0]
    """

    inner: Inner
    steps: Wait

    def measure(self) -> tuple[bool, int | None]:
        """The wait and the inner schedule."""
        if not isinstance(self.steps, int):
            return False, None
        length = self.inner.total
        return self.inner.ready, None if length is None else self.steps + length

    def extent(self, run: Run) -> Fraction | None:
        """The wait and the inner schedule."""
        inner = self.inner.extent(run)
        return None if inner is None else inner + run.exact(cast("int | Span", self.steps))

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """The inner schedule after the wait; without a wait that rounds to no step."""
        begin = start + run.exact(cast("int | Span", self.steps))
        steps = nearest(begin) - nearest(start)
        if begin >= stop:
            raise ScheduleError(
                f"{self} waits {steps:,} of {nearest(stop - start):,} steps and leaves none for "
                f"{self.inner}. Wait for a share ('5%') instead."
            )
        inner = self.inner.fit(begin, stop, run)
        if steps == 0 or inner is None:
            return self.inner.fit(start, stop, run)
        return changed(self, inner=inner, steps=steps)

    @property
    def warmup_steps(self) -> int:
        """The inner warm-up, and the wait before it."""
        inner = self.inner.warmup_steps
        return cast("int", self.steps) + inner if inner and self.bound else 0

    def head(self, steps: int) -> Schedule:
        """The wait, and what is left for the head of the inner schedule."""
        left = steps - cast("int", self.steps)
        inner = self.inner.head(left) if left > 0 else None
        return (
            make("cut", inner=self, steps=steps) if inner is None else changed(self, inner=inner)
        )

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        return self.inner.formula(highest(step - cast("int", self.steps), 0.0))


@dataclass(frozen=True, slots=True, repr=False)
class Repeat(Wrapper):
    """A schedule several times in a row.

        value(s) = inner(s - i n),   i = min(floor(s / n), times - 1), n steps long

    An inner schedule without a length takes its share of what is left of the run. Where that is
    not a whole number of steps, binding writes the copies out, each rounded to its boundaries.

    Examples:
        >>> print(Repeat(make("cosine"), 4).over(1000))
        repeat(cosine(250), times=4)
    """

    inner: Inner
    times: Annotated[int, Whole(low=1)]

    def measure(self) -> tuple[bool, int | None]:
        """`times` the inner schedule."""
        length = self.inner.total
        return self.inner.bound, None if length is None else length * self.times

    def extent(self, run: Run) -> Fraction | None:
        """`times` the inner schedule."""
        inner = self.inner.extent(run)
        return None if inner is None else inner * self.times

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """Copies of equal length; written out where they cannot be equal."""
        length = (stop - start) / self.times
        edges = [start + length * i for i in range(self.times + 1)]
        if length.denominator == 1:
            inner = self.inner.fit(start, edges[1], run)
            return None if inner is None else changed(self, inner=inner)
        fitted = (self.inner.fit(*pair, run) for pair in pairwise(edges))
        copies = [copy for copy in fitted if copy is not None]
        if len(copies) > 1:
            return make("chain", parts=copies)
        return copies[0] if copies else None

    def lengthen(self, extra: int) -> Schedule | None:
        """Never: the copies are equal."""
        return None

    def head(self, steps: int) -> Schedule:
        """Itself, cut."""
        return make("cut", inner=self, steps=steps)

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        length = cast("int", self.inner.total)
        cycle = least(floor(step / length), self.times - 1.0)
        return self.inner.formula(step - cycle * length)


@dataclass(frozen=True, slots=True, repr=False)
class Shortened(Wrapper):
    """A run in fewer steps, its warm-up at a pace of its own.

        value(s) = inner((s + 1) (W + 1) / (warmup + 1) - 1)        for s < warmup
        value(s) = inner(W + (s - warmup) (T - W) / (steps - warmup))   after that

    The inner schedule must be bound to its T steps; it begins with a warm-up of W of them, of which
    the shorter run has `warmup`. `Schedule.shortened(steps)` chooses that.

    Examples:
        >>> run = make("warmup", steps=10).then(make("linear", steps=90))
        >>> [Shortened(run, 40, warmup=10)(s) == run(s) for s in (0, 9, 10)]
        [True, True, True]
        >>> Shortened(run, 40, warmup=10)(25)
        0.5
    """

    inner: Inner
    steps: Annotated[int, Whole(low=1)]
    warmup: Annotated[int, Whole()] = 0

    def prepare(self) -> None:
        """Something to shorten, and a warm-up within both."""
        total = self.inner.total
        if not self.inner.bound or total is None:
            refuse("Shortened", "inner", "bound", str(self.inner), "Call .over(total) first.")
        if self.steps > total:
            refuse("Shortened", "steps", f"at most the length, {total:,}", self.steps)
        most = min(self.inner.warmup_steps, self.steps)
        if self.warmup > most:
            refuse("Shortened", "warmup", f"at most the inner warm-up, {most:,}", self.warmup)

    def measure(self) -> tuple[bool, int | None]:
        """As long as `steps`."""
        return True, self.steps

    @property
    def open_ended(self) -> bool:
        """Never."""
        return False

    @property
    def warmup_steps(self) -> int:
        """Its own."""
        return self.warmup

    def extent(self, run: Run) -> Fraction | None:
        """As long as `steps`."""
        return Fraction(self.steps)

    def fit(self, start: Fraction, stop: Fraction, run: Run) -> Schedule | None:
        """Itself: its steps are given."""
        return self if nearest(stop) > nearest(start) else None

    def lengthen(self, extra: int) -> Schedule | None:
        """Never: it stands for a run of one length."""
        return None

    def head(self, steps: int) -> Schedule:
        """Itself, cut."""
        return make("cut", inner=self, steps=steps)

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        whole, kept, own = float(self.inner.total or 0), self.inner.warmup_steps, self.warmup
        rising = (step + 1.0) * ((kept + 1.0) / (own + 1.0)) - 1.0
        after = kept + (step - own) * ((whole - kept) / max(1.0, float(self.steps - own)))
        return self.inner.formula(choose(step < own, rising, after))


def _uniform(step: Value, seed: int) -> Value:
    """A number in [0, 1) that depends on the step and the seed alone (SplitMix64).

    Ref: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    offset = (seed * 0xD1342543DE82EF95 + 0x9E3779B97F4A7C15) & _MASK
    if isinstance(step, float):
        bits = (int(step) * 0x9E3779B97F4A7C15 + offset) & _MASK
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((bits ^ (bits >> 31)) >> 11) * math.ldexp(1.0, -53)
    many = step.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(offset)
    many = (many ^ (many >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    many = (many ^ (many >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    high = (many ^ (many >> np.uint64(31))) >> np.uint64(11)
    numbers: FloatArray = high.astype(np.float64) * math.ldexp(1.0, -53)
    return numbers
