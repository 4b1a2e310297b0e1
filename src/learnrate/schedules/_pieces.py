"""Parts of a bound schedule: its beginning, its rest, and all of it in fewer steps."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, cast

from learnrate.schedules._abstract import FixedLength, Inner, Wrapper
from learnrate.schedules._arithmetic import Value, choose, minimum
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import RunLength, Span, round_half_up
from learnrate.schedules._fields import Cutoff, Whole, refuse
from learnrate.schedules._registry import copy_with, make

__all__ = ["Cut", "Shortened", "Skip"]


@dataclass(frozen=True, slots=True, repr=False)
class Cut(Wrapper):
    """The first `steps` steps of a schedule; then the value reached there stays.

        value(s) = inner(min(s, steps))

    Args:
        inner: A schedule that is bound or has a value at every step.
        steps: Optimizer updates, at least 1, or a share of the run.

    Examples:
        >>> [Cut(make("linear", steps=10), 5)(s) for s in (0, 5, 9)]
        [1.0, 0.5, 0.5]
    """

    inner: Inner
    steps: Cutoff

    def prepare(self) -> None:
        """The inner schedule must have a value at every step."""
        if not self.inner.ready:
            refuse("Cut", "inner", "bound", str(self.inner), "Call .over(total_steps) first.")

    def measure(self) -> tuple[bool, int | None]:
        """It is ready once `steps` is a number, which is its length."""
        return isinstance(self.steps, int), self.steps if isinstance(self.steps, int) else None

    @property
    def open_ended(self) -> bool:
        """False, since `steps` is the length."""
        return False

    def extent(self, run: RunLength) -> Fraction | None:
        """The length as a fraction of a step."""
        return run.exact_steps(cast("int | Span", self.steps))

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """The same with `steps` as a number.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run; not used.
        """
        steps = round_half_up(stop) - round_half_up(start)
        return copy_with(self, steps=steps) if steps else None

    @property
    def warmup_steps(self) -> int:
        """The inner warm-up, up to the cut."""
        return min(self.inner.warmup_steps, self.total_steps or 0)

    def lengthen(self, extra: int) -> Schedule | None:
        """None: it ends where it was cut."""
        return None

    def head(self, steps: int) -> Schedule:
        """The inner schedule, cut after fewer steps."""
        return copy_with(self, steps=steps)

    def formula(self, step: Value) -> Value:
        """The value of the inner schedule, which stays from step `steps` on."""
        return self.inner.formula(minimum(step, float(cast("int", self.steps))))


@dataclass(frozen=True, slots=True, repr=False)
class Skip(Wrapper):
    """A schedule without its first `steps` steps.

        value(s) = inner(s + steps)

    It is shorter than the inner schedule by `steps`.

    Args:
        inner: A schedule that is bound or has a value at every step.
        steps: Optimizer updates to leave out, at least 1 and fewer than the inner schedule has.

    Examples:
        >>> [Skip(make("linear", steps=10), 5)(s) for s in (0, 4, 5)]
        [0.5, 0.09999999999999998, 0.0]

    timm without `warmup_prefix` counts the cosine from the start of the warm-up, and jumps to it
    afterwards: `warmup(5, start=0) >> skip(cosine(100), steps=5)`.
    """

    inner: Inner
    steps: Annotated[int, Whole(low=1)]

    def prepare(self) -> None:
        """The inner schedule must have a value at every step, and more than `steps` steps."""
        if not self.inner.ready:
            refuse("Skip", "inner", "bound", str(self.inner), "Call .over(total_steps) first.")
        if self.inner.total_steps is not None and self.steps >= self.inner.total_steps:
            refuse(
                "Skip", "steps", f"less than the length, {self.inner.total_steps:,}", self.steps
            )

    def measure(self) -> tuple[bool, int | None]:
        """It is always ready; its length is the rest of the inner schedule."""
        total_steps = self.inner.total_steps
        return True, None if total_steps is None else total_steps - self.steps

    def extent(self, run: RunLength) -> Fraction | None:
        """The length of the rest of the inner schedule."""
        total_steps = self.inner.total_steps
        return None if total_steps is None else Fraction(total_steps - self.steps)

    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """The rest of an inner schedule that is longer by `steps`.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run, to bind the inner schedule.
        """
        steps = round_half_up(stop) - round_half_up(start)
        inner = self.inner.fit(Fraction(0), Fraction(steps + self.steps), run)
        return None if steps == 0 or inner is None else copy_with(self, inner=inner)

    @property
    def warmup_steps(self) -> int:
        """The rest of the inner warm-up."""
        return max(0, self.inner.warmup_steps - self.steps)

    def lengthen(self, extra: int) -> Schedule | None:
        """None: its stable phase may be what was skipped."""
        return None

    def head(self, steps: int) -> Schedule:
        """This schedule, cut after `steps` of its own steps."""
        return make("cut", inner=self, steps=steps)

    def formula(self, step: Value) -> Value:
        """The value of the inner schedule, `steps` later."""
        return self.inner.formula(step + float(self.steps))


@dataclass(frozen=True, slots=True, repr=False)
class Shortened(FixedLength, Wrapper):
    """A bound schedule in fewer steps, with a given number of warm-up steps.

        value(s) = inner((s + 1) (W + 1) / (warmup + 1) - 1)        for s < warmup
        value(s) = inner(W + (s - warmup) (T - W) / (steps - warmup))   after that

    T is the length of the inner schedule and W the length of its warm-up.
    `Schedule.shortened(steps)` chooses `warmup`.

    Args:
        inner: A bound schedule.
        steps: Optimizer updates, from 1 to the length of the inner schedule.
        warmup: Optimizer updates of the warm-up, at most the inner warm-up and `steps`.

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
        """The inner schedule must be bound and longer, with at least as long a warm-up."""
        total_steps = self.inner.total_steps
        if not self.inner.bound or total_steps is None:
            refuse(
                "Shortened", "inner", "bound", str(self.inner), "Call .over(total_steps) first."
            )
        if self.steps > total_steps:
            refuse("Shortened", "steps", f"at most the length, {total_steps:,}", self.steps)
        longest = min(self.inner.warmup_steps, self.steps)
        if self.warmup > longest:
            refuse("Shortened", "warmup", f"at most the inner warm-up, {longest:,}", self.warmup)

    def measure(self) -> tuple[bool, int | None]:
        """It is always ready; its length is `steps`."""
        return True, self.steps

    @property
    def warmup_steps(self) -> int:
        """The length of the warm-up of the shortened schedule."""
        return self.warmup

    def lengthen(self, extra: int) -> Schedule | None:
        """None: it stands for a run of one length."""
        return None

    def head(self, steps: int) -> Schedule:
        """This schedule, cut after `steps` of its own steps."""
        return make("cut", inner=self, steps=steps)

    def formula(self, step: Value) -> Value:
        """The value of the inner schedule at the same share of its warm-up, or of what follows."""
        inner_steps, inner_warmup = float(self.inner.total_steps or 0), self.inner.warmup_steps
        rising = (step + 1.0) * ((inner_warmup + 1.0) / (self.warmup + 1.0)) - 1.0
        pace = (inner_steps - inner_warmup) / max(1.0, float(self.steps - self.warmup))
        after = inner_warmup + (step - self.warmup) * pace
        return self.inner.formula(choose(step < self.warmup, rising, after))
