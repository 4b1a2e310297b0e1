"""The core shapes. Each has peak 1 and counts steps from its own start."""

import math
from dataclasses import dataclass
from typing import Annotated

from learnrate.schedules._abstract import Shape, progress, until
from learnrate.schedules._arithmetic import Value, cos, floor, highest, least, power, powers, sqrt
from learnrate.schedules._base import Schedule
from learnrate.schedules._fields import Factor, Flag, Floor, Number, Period, Steps, Word, refuse
from learnrate.schedules._registry import changed

__all__ = ["Constant", "Cosine", "Exponential", "Linear", "Polynomial", "Step", "Warmup"]


@dataclass(frozen=True, slots=True, repr=False)
class Constant(Shape):
    """Hold the peak.

        value(s) = 1

    `steps` counts optimizer updates; left out, it takes what is left of the run, and it may stay
    open: `warmup(500) >> constant()` has a value at every step. 1 before and after its end.

    Examples:
        >>> (1e-3 * Constant())(0)
        0.001

    Differs from torch: `ConstantLR` holds a fraction of the rate for a while and then the rate;
    here that is `(0.3333 * constant(5)) >> constant()`.
    """

    steps: Steps = None

    endless = True

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        return 1.0

    def lengthen(self, extra: int) -> Schedule | None:
        """Itself, longer."""
        return changed(self, steps=self.steps + extra) if isinstance(self.steps, int) else None

    def head(self, steps: int) -> Schedule:
        """Itself, ending after `steps`."""
        return changed(self, steps=steps)


@dataclass(frozen=True, slots=True, repr=False)
class Linear(Shape):
    """Fall from the peak to `floor` on a straight line.

        value(s) = floor + (1 - floor) (1 - x),   x = min(s / steps, 1)

    `steps` counts optimizer updates, `floor` is a share of the peak. 1 at s = 0, `floor` at
    s = steps, which is one past the last update of the part, and ever after.

    Examples:
        >>> [Linear(4)(s) for s in (0, 1, 2, 3, 4, 5)]
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]

    Differs from torch: `LinearLR` rises by default and its factors are of the base rate; the decay
    `LinearLR(start_factor=1, end_factor=floor, total_iters=steps)` is this one. optax's
    `linear_schedule(1, floor, steps)` and transformers' linear schedule after its warm-up are too.
    """

    steps: Steps = None
    floor: Floor = 0.0

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        return self.floor + (1.0 - self.floor) * (1.0 - progress(step, self.steps))


@dataclass(frozen=True, slots=True, repr=False)
class Cosine(Shape):
    """Fall from the peak to `floor` along half a cosine.

        value(s) = floor + (1 - floor) ((1 + cos(pi x)) / 2)^power,   x = min(s / steps, 1)

    `steps` counts optimizer updates, `floor` is a share of the peak, `power` is above 0. 1 at
    s = 0, `floor` at s = steps, which is one past the last update of the part, and ever after.

    Examples:
        >>> [round(Cosine(4, floor=0.1)(s), 4) for s in (0, 2, 4, 400)]
        [1.0, 0.55, 0.1, 0.1]

    Ref: Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983.

    Differs from torch: `CosineAnnealingLR` climbs back to the peak after `T_max`; this stays at
    the floor, as optax and Keras do (their `alpha` is `floor`, optax's `exponent` is `power`). torch's `eta_min` is a rate,
    `floor` a share of the peak. To reach the floor at the last update instead of one past it,
    write `cosine(n - 1, floor=f) >> f`.
    """

    steps: Steps = None
    floor: Floor = 0.0
    power: Annotated[float, Number(low=0, low_out=True)] = 1.0

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        fall = (1.0 + cos(math.pi * progress(step, self.steps))) * 0.5
        return self.floor + (1.0 - self.floor) * power(fall, self.power)


@dataclass(frozen=True, slots=True, repr=False)
class Polynomial(Shape):
    """Fall from the peak to `floor` as a power of what is left.

        value(s) = floor + (1 - floor) (1 - x)^power,   x = min(s / steps, 1)

    `steps` counts optimizer updates, `floor` is a share of the peak, `power` is above 0. 1 at
    s = 0, `floor` at s = steps, which is one past the last update of the part, and ever after.

    Examples:
        >>> [Polynomial(4, power=2.0)(s) for s in (0, 2, 4)]
        [1.0, 0.25, 0.0]

    torch's `PolynomialLR(total_iters=steps)` is this with floor 0; optax, Keras (`cycle=False`)
    and transformers (`lr_end` as a rate) agree with it too.
    """

    steps: Steps = None
    power: Annotated[float, Number(low=0, low_out=True)] = 1.0
    floor: Floor = 0.0

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        left = 1.0 - progress(step, self.steps)
        return self.floor + (1.0 - self.floor) * power(left, self.power)


@dataclass(frozen=True, slots=True, repr=False)
class Exponential(Shape):
    """Fall by `factor` over every `every` steps, never below `floor`.

        value(s) = max(floor, factor^(s / every)),   or factor^floor(s / every) with `staircase`

    `every` is a number of steps (not rounded) or a share of the run, `floor` a share of the peak.
    1 at s = 0; after its end the last value stays. With the defaults, 0.95 for every 1 % of the
    run, a run ends at 0.95^100 = 0.6 % of its peak. It may stay open: `exponential(every=100)`.

    Examples:
        >>> [Exponential(factor=0.5, every=10)(s) for s in (0, 10, 20)]
        [1.0, 0.5, 0.25]

    torch's `ExponentialLR(gamma)` is `every=1`. optax's and Keras's exponential decay are this
    one, with `decay_rate` for `factor` and `transition_steps` or `decay_steps` for `every`.
    """

    steps: Steps = None
    factor: Factor = 0.95
    every: Period = "1%"
    staircase: Flag = False
    floor: Floor = 0.0

    endless = True

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        if self.staircase:
            return highest(powers(self.factor, stairs(step, self.steps, self.every)), self.floor)
        periods = until(step, self.steps) / self.every  # type: ignore[operator]  # bound
        return highest(powers(self.factor, periods), self.floor)


@dataclass(frozen=True, slots=True, repr=False)
class Step(Shape):
    """Fall by `factor` at once after every `every` steps.

        value(s) = factor^floor(s / every)

    `every` is a number of steps (not rounded) or a share of the run. 1 at s = 0; step `every` is
    the first at the lower rate; after its end the last value stays. It may stay open:
    `step(every=1000)`.

    Examples:
        >>> [Step(factor=0.5, every=10)(s) for s in (0, 9, 10, 20)]
        [1.0, 1.0, 0.5, 0.25]

    torch's `StepLR(step_size, gamma)` is this one. torch counts whatever calls `step()`, usually
    epochs; here write `every="1ep"` and give `.over` a clock.
    """

    steps: Steps = None
    factor: Factor = 0.1
    every: Period = "30%"

    endless = True

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        return powers(self.factor, stairs(step, self.steps, self.every))


@dataclass(frozen=True, slots=True, repr=False)
class Warmup(Shape):
    """Rise to the peak.

        linear:          value(s) = start + (1 - start) x,   x = min(s / steps, 1)
        cosine:          value(s) = start + (1 - start) (1 - cos(pi x)) / 2
        one_minus_sqrt:  value(s) = start + (1 - start) (1 - sqrt(1 - x))
        exponential:     value(s) = start^(1 - x)

    `start` is a share of the peak. Left out it is 1 / (steps + 1), so that the linear warm-up is
    (s + 1) / (steps + 1): no update is spent at rate 0, and the next part begins at the peak. 1 at
    s = steps, which is one past the last update of the part, and ever after.

    Examples:
        >>> [Warmup(4)(s) for s in (0, 1, 3, 4)]
        [0.2, 0.4, 0.8, 1.0]
        >>> [Warmup(4, start=0.0)(s) for s in (0, 1, 3, 4)]
        [0.0, 0.25, 0.75, 1.0]

    Differs from transformers and optax, which start at exactly 0: write `start=0`. torch's
    `LinearLR(start_factor=f, total_iters=n)` is `warmup(n, start=f)`, timm's `warmup_lr_init` is
    `start` as a rate. pytorch_warmup's linear warm-up, (s + 1) / n, is `warmup(n - 1, start=1/n)`.
    """

    steps: Steps = None
    start: Annotated[float | None, Number(low=0, high=1, optional=True)] = None
    curve: Annotated[str, Word(("linear", "cosine", "one_minus_sqrt", "exponential"))] = "linear"

    def prepare(self) -> None:
        """An exponential rise has no beginning at 0."""
        if self.curve == "exponential" and self.start == 0:
            refuse("Warmup", "start", "above 0 with curve=exponential", self.start)

    @property
    def warmup_steps(self) -> int:
        """All of them."""
        return self.steps if isinstance(self.steps, int) else 0

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        if self.start is None and self.curve == "linear":
            return least((step + 1.0) / (self.steps + 1.0), 1.0)  # type: ignore[operator]  # bound
        start = 1.0 / (self.steps + 1.0) if self.start is None else self.start  # type: ignore[operator]
        x = progress(step, self.steps)
        if self.curve == "exponential":
            return powers(start, 1.0 - x)
        if self.curve == "cosine":
            x = (1.0 - cos(math.pi * x)) * 0.5
        elif self.curve == "one_minus_sqrt":
            x = 1.0 - sqrt(1.0 - x)
        return start + (1.0 - start) * x


def stairs(step: Value, steps: object, every: object) -> Value:
    """How many whole periods have passed, held after the last update of the part."""
    return floor(until(step, steps, 1.0) / every)  # type: ignore[operator, arg-type]  # bound
