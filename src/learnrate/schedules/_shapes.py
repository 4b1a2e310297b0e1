"""The core shapes. Each has peak 1 and counts steps from its own start."""

import math
from dataclasses import dataclass
from typing import Annotated

from learnrate.schedules._abstract import Shape, capped_step, progress, whole_periods
from learnrate.schedules._arithmetic import (
    Value,
    bounded_powers,
    cos,
    maximum,
    minimum,
    power,
    powers,
    sqrt,
)
from learnrate.schedules._base import Schedule
from learnrate.schedules._fields import Flag, Floor, Growth, Number, Period, Steps, Word, refuse
from learnrate.schedules._registry import copy_with

__all__ = ["Constant", "Cosine", "Exponential", "Linear", "Polynomial", "Step", "Warmup"]


CURVES = ("linear", "cosine", "one_minus_sqrt", "exponential", "polynomial")


@dataclass(frozen=True, slots=True, repr=False)
class Constant(Shape):
    """Stay at the peak.

        value(s) = 1

    It needs no length: `warmup(500) >> constant()` has a value at every step.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.

    Examples:
        >>> (1e-3 * Constant())(0)
        0.001

    Differs from torch: `ConstantLR` uses a fraction of the rate for some steps and then the rate
    itself, which is `(0.3333 * constant(5)) >> constant()` here.
    """

    steps: Steps = None

    endless = True

    def formula(self, step: Value) -> Value:
        """1 at every step, as a float also for an array."""
        return 1.0

    def lengthen(self, extra: int) -> Schedule | None:
        """A constant of `extra` more steps; None if its length is not known."""
        return copy_with(self, steps=self.steps + extra) if isinstance(self.steps, int) else None

    def head(self, steps: int) -> Schedule:
        """A constant that lasts `steps` updates."""
        return copy_with(self, steps=steps)


@dataclass(frozen=True, slots=True, repr=False)
class Linear(Shape):
    """Fall from the peak to `floor` on a straight line.

        value(s) = floor + (1 - floor) (1 - x),   x = min(s / steps, 1)

    It is 1 at s = 0, and `floor` from s = steps on, which is one step after the last update.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> [Linear(4)(s) for s in (0, 1, 2, 3, 4, 5)]
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]

    Differs from torch: `LinearLR` rises by default, and its factors are shares of the base rate.
    `LinearLR(start_factor=1, end_factor=floor, total_iters=steps)` gives the same rates, and so do
    optax's `linear_schedule(1, floor, steps)` and transformers' linear schedule after its warm-up.
    """

    steps: Steps = None
    floor: Floor = 0.0

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) (1 - x), x = s / steps."""
        return self.floor + (1.0 - self.floor) * (1.0 - progress(step, self.steps))


@dataclass(frozen=True, slots=True, repr=False)
class Cosine(Shape):
    """Fall from the peak to `floor` along half a cosine.

        value(s) = floor + (1 - floor) ((1 + cos(pi x^k_decay)) / 2)^power,   x = min(s / steps, 1)

    It is 1 at s = 0, and `floor` from s = steps on, which is one step after the last update.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        floor: Lowest value, a share of the peak from 0 to 1.
        power: Exponent of the cosine, above 0; 1 is the usual cosine decay.
        k_decay: Exponent of the share of the steps, above 0; above 1 the rate stays high for longer.

    Examples:
        >>> [round(Cosine(4, floor=0.1)(s), 4) for s in (0, 2, 4, 400)]
        [1.0, 0.55, 0.1, 0.1]

    Ref: Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983; Zhang and Li 2020, "k-decay",
    arXiv:2004.05909, with timm's `k_decay`.

    Differs from torch: `CosineAnnealingLR` rises to the peak again after `T_max`, and its `eta_min`
    is a rate. This one stays at the floor, as optax and Keras do (their `alpha` is `floor`, optax's
    `exponent` is `power`). To reach the floor at the last update instead of one step after it,
    write `cosine(n - 1, floor=f) >> f`.
    """

    steps: Steps = None
    floor: Floor = 0.0
    power: Annotated[float, Number(low=0, exclude_low=True)] = 1.0
    k_decay: Annotated[float, Number(low=0, exclude_low=True)] = 1.0

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) ((1 + cos(pi x^k_decay)) / 2)^power, x = s / steps."""
        fall = (1.0 + cos(math.pi * power(progress(step, self.steps), self.k_decay))) * 0.5
        return self.floor + (1.0 - self.floor) * power(fall, self.power)


@dataclass(frozen=True, slots=True, repr=False)
class Polynomial(Shape):
    """Fall from the peak to `floor` as a power of the remaining share of the steps.

        value(s) = floor + (1 - floor) (1 - x^k_decay)^power,   x = min(s / steps, 1)

    It is 1 at s = 0, and `floor` from s = steps on, which is one step after the last update.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        power: Exponent, above 0; 1 is a straight line.
        floor: Lowest value, a share of the peak from 0 to 1.
        k_decay: Exponent of the share of the steps, above 0, as in `Cosine`.

    Examples:
        >>> [Polynomial(4, power=2.0)(s) for s in (0, 2, 4)]
        [1.0, 0.25, 0.0]

    torch's `PolynomialLR(total_iters=steps)` gives the same rates with floor 0, and so do optax,
    Keras (`cycle=False`) and transformers (`lr_end` is a rate).
    """

    steps: Steps = None
    power: Annotated[float, Number(low=0, exclude_low=True)] = 1.0
    floor: Floor = 0.0
    k_decay: Annotated[float, Number(low=0, exclude_low=True)] = 1.0

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) (1 - x^k_decay)^power, x = s / steps."""
        remaining = 1.0 - power(progress(step, self.steps), self.k_decay)
        return self.floor + (1.0 - self.floor) * power(remaining, self.power)


@dataclass(frozen=True, slots=True, repr=False)
class Exponential(Shape):
    """Fall by `factor` in every period of `every` steps, never below `floor`.

        value(s) = max(floor, factor^(s / every)),   or factor^floor(s / every) with `staircase`

    With the defaults, 0.95 for every 1 % of the run, a run ends at 0.95^100 = 0.6 % of its peak.
    After its end it keeps its last value. It needs no length: `exponential(every=100)`.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        factor: What the value is multiplied by in each period, above 0; above 1 it grows, to at most
            1e30 times the start.
        every: The period: steps above 0, not rounded, or a share of the run.
        staircase: Whether the value drops abruptly at the end of each period.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> [Exponential(factor=0.5, every=10)(s) for s in (0, 10, 20)]
        [1.0, 0.5, 0.25]

    torch's `ExponentialLR(gamma)` is this with `every=1`. The exponential decays of optax and Keras
    call `factor` `decay_rate`, and `every` `transition_steps` or `decay_steps`.
    """

    steps: Steps = None
    factor: Growth = 0.95
    every: Period = "1%"
    staircase: Flag = False
    floor: Floor = 0.0

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is max(floor, factor^p), p the number of periods passed."""
        if self.staircase:
            return maximum(
                bounded_powers(self.factor, whole_periods(step, self.steps, self.every)),
                self.floor,
            )
        periods = capped_step(step, self.steps) / self.every  # type: ignore[operator]  # bound
        return maximum(bounded_powers(self.factor, periods), self.floor)


@dataclass(frozen=True, slots=True, repr=False)
class Step(Shape):
    """Multiply the rate by `factor` after every `every` steps.

        value(s) = factor^floor(s / every)

    It is 1 at s = 0; step `every` is the first at the lower rate. After its end the last value
    stays. It needs no length: `step(every=1000)`.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        factor: What the value is multiplied by, above 0; above 1 it grows, to at most 1e30 times the
            start.
        every: The period: steps above 0, not rounded, or a share of the run.

    Examples:
        >>> [Step(factor=0.5, every=10)(s) for s in (0, 9, 10, 20)]
        [1.0, 1.0, 0.5, 0.25]

    torch's `StepLR(step_size, gamma)` gives the same rates. torch counts calls of `step()`, usually
    one per epoch: write `every="1ep"` here and give `.over` a clock.
    """

    steps: Steps = None
    factor: Growth = 0.1
    every: Period = "30%"

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is factor^p, p the number of whole periods passed."""
        return bounded_powers(self.factor, whole_periods(step, self.steps, self.every))


@dataclass(frozen=True, slots=True, repr=False)
class Warmup(Shape):
    """Rise to the peak.

        linear:          value(s) = start + (1 - start) x,   x = min(s / steps, 1)
        cosine:          value(s) = start + (1 - start) (1 - cos(pi x)) / 2
        one_minus_sqrt:  value(s) = start + (1 - start) (1 - sqrt(1 - x))
        exponential:     value(s) = start^(1 - x)
        polynomial:      value(s) = start + (1 - start) (1 - (1 - x)^power)

    With the default `start` the linear warm-up is (s + 1) / (steps + 1): no update is spent at
    rate 0, and the next part begins at the peak. It is 1 from s = steps on, which is one step after
    the last update.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        start: First value, a share of the peak from 0 to 1; by default 1 / (steps + 1). It must be
            above 0 if the curve is exponential.
        curve: `linear`, `cosine`, `one_minus_sqrt`, `exponential` or `polynomial`.
        power: Exponent of the polynomial, above 0; only with that curve.

    Examples:
        >>> [Warmup(4)(s) for s in (0, 1, 3, 4)]
        [0.2, 0.4, 0.8, 1.0]
        >>> [Warmup(4, start=0.0)(s) for s in (0, 1, 3, 4)]
        [0.0, 0.25, 0.75, 1.0]

    Differs from transformers and optax, which start at exactly 0: write `start=0` for that. A rising
    `polynomial_schedule` of optax or Keras is `curve=polynomial`. torch's
    `LinearLR(start_factor=f, total_iters=n)` is `warmup(n, start=f)`, timm's `warmup_lr_init` is
    `start` as a rate. pytorch_warmup's linear warm-up, (s + 1) / n, is `warmup(n - 1, start=1/n)`.
    """

    steps: Steps = None
    start: Annotated[float | None, Number(low=0, high=1, optional=True)] = None
    curve: Annotated[str, Word(CURVES)] = "linear"
    power: Annotated[float, Number(low=0, exclude_low=True)] = 1.0

    def prepare(self) -> None:
        """An exponential rise cannot start at 0; only a polynomial has a power."""
        if self.curve != "polynomial" and self.power != 1.0:
            refuse("Warmup", "power", "given with curve=polynomial only", self.power)
        if self.curve == "exponential" and self.start == 0:
            refuse("Warmup", "start", "above 0 with curve=exponential", self.start)

    @property
    def warmup_steps(self) -> int:
        """All steps of the shape; 0 while its length is not bound."""
        return self.steps if isinstance(self.steps, int) else 0

    def formula(self, step: Value) -> Value:
        """From `start` to 1 along `curve`; (s + 1) / (steps + 1) by default."""
        if self.start is None and self.curve == "linear":
            return minimum((step + 1.0) / (self.steps + 1.0), 1.0)  # type: ignore[operator]  # bound
        start = 1.0 / (self.steps + 1.0) if self.start is None else self.start  # type: ignore[operator]
        x = progress(step, self.steps)
        if self.curve == "exponential":
            return powers(start, 1.0 - x)
        if self.curve == "cosine":
            x = (1.0 - cos(math.pi * x)) * 0.5
        elif self.curve == "one_minus_sqrt":
            x = 1.0 - sqrt(1.0 - x)
        elif self.curve == "polynomial":
            x = 1.0 - power(1.0 - x, self.power)
        return start + (1.0 - start) * x
