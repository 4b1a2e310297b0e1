"""Pieces of one bound schedule: its beginning, its rest, the whole of it in fewer steps."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, cast

from learnrate.schedules._abstract import Inner, Wrapper
from learnrate.schedules._arithmetic import Value, choose, least
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import Run, Span, nearest
from learnrate.schedules._fields import Wait, Whole, refuse
from learnrate.schedules._registry import changed, make

__all__ = ["Cut", "Shortened", "Skip"]


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
            refuse("Cut", "inner", "bound", str(self.inner), "Call .over(total_steps) first.")

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
        return min(self.inner.warmup_steps, self.total_steps or 0)

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
            refuse("Skip", "inner", "bound", str(self.inner), "Call .over(total_steps) first.")
        if self.inner.total_steps is not None and self.steps >= self.inner.total_steps:
            refuse(
                "Skip", "steps", f"less than the length, {self.inner.total_steps:,}", self.steps
            )

    def measure(self) -> tuple[bool, int | None]:
        """What is left of the inner schedule."""
        return (
            True,
            None if self.inner.total_steps is None else self.inner.total_steps - self.steps,
        )

    def extent(self, run: Run) -> Fraction | None:
        """What is left of the inner schedule."""
        total_steps = self.inner.total_steps
        return None if total_steps is None else Fraction(total_steps - self.steps)

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
        total_steps = self.inner.total_steps
        if not self.inner.bound or total_steps is None:
            refuse(
                "Shortened", "inner", "bound", str(self.inner), "Call .over(total_steps) first."
            )
        if self.steps > total_steps:
            refuse("Shortened", "steps", f"at most the length, {total_steps:,}", self.steps)
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
        whole, kept, own = float(self.inner.total_steps or 0), self.inner.warmup_steps, self.warmup
        rising = (step + 1.0) * ((kept + 1.0) / (own + 1.0)) - 1.0
        after = kept + (step - own) * ((whole - kept) / max(1.0, float(self.steps - own)))
        return self.inner.formula(choose(step < own, rising, after))
