"""More decays. Each has peak 1 and counts steps from its own start."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Annotated, cast

import numpy as np

from learnrate.schedules._abstract import Shape, capped_step, progress, whole_periods
from learnrate.schedules._arithmetic import (
    Value,
    bounded_powers,
    exp,
    maximum,
    power,
    sqrt,
    tanh,
)
from learnrate.schedules._fields import (
    Boundaries,
    Flag,
    Floor,
    Growth,
    Number,
    Period,
    Steps,
    refuse,
)

__all__ = [
    "InverseSqrt",
    "InverseTime",
    "MultiStep",
    "OneMinusSqrt",
    "OneMinusSquare",
    "PowerDecay",
    "Rex",
    "Saturating",
    "Tanh",
]


@dataclass(frozen=True, slots=True, repr=False)
class MultiStep(Shape):
    """Multiply the rate by `factor` at each boundary.

        value(s) = factor^(number of boundaries that are <= s)

    A boundary is the first step at the lower rate. After its end it keeps its last value.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        factor: What the value is multiplied by, above 0; above 1 it grows, to at most 1e30 times the
            start.
        boundaries: Steps from the start of the part, or shares of the run, in rising order.

    Examples:
        >>> [MultiStep(factor=0.5, boundaries=(10, 15))(s) for s in (9, 10, 15, 99)]
        [1.0, 0.5, 0.25, 0.25]

    torch's `MultiStepLR` gives the same rates; a boundary that is listed twice counts twice in both.
    """

    steps: Steps = None
    factor: Growth = 0.1
    boundaries: Boundaries = ("30%", "60%", "90%")

    endless = True

    def formula(self, step: Value) -> Value:
        """The factor to the power of the number of boundaries passed."""
        step = capped_step(step, self.steps, 1.0)
        boundaries = cast("tuple[int, ...]", self.boundaries)
        if isinstance(step, float):
            passed: Value = float(bisect_right(boundaries, step))
        else:
            array = np.array(boundaries, dtype=np.float64)
            passed = np.searchsorted(array, step, side="right").astype(np.float64)
        return bounded_powers(self.factor, passed)


@dataclass(frozen=True, slots=True, repr=False)
class InverseTime(Shape):
    """Fall in inverse proportion to the steps passed.

        value(s) = 1 / (1 + rate s / every),   or with floor(s / every) with `staircase`

    After its end it keeps its last value. It needs no length: `inverse_time(every=100)`.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        rate: How much 1 / value grows in each period, at least 0.
        every: The period: steps above 0, not rounded, or a share of the run.
        staircase: Whether the value drops abruptly at the end of each period.

    Examples:
        >>> [InverseTime(every=100)(s) for s in (0, 100, 300)]
        [1.0, 0.5, 0.25]

    Keras's `InverseTimeDecay` calls `rate` `decay_rate` and `every` `decay_steps`. torch and optax
    have no such schedule.
    """

    steps: Steps = None
    rate: Annotated[float, Number(low=0)] = 1.0
    every: Period = "10%"
    staircase: Flag = False

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is 1 / (1 + rate p), p the number of periods passed."""
        if self.staircase:
            return 1.0 / (1.0 + self.rate * whole_periods(step, self.steps, self.every))
        periods = capped_step(step, self.steps) / self.every  # type: ignore[operator]  # bound
        return 1.0 / (1.0 + self.rate * periods)


@dataclass(frozen=True, slots=True, repr=False)
class InverseSqrt(Shape):
    """Fall in inverse proportion to the square root of the steps passed.

        value(s) = sqrt(every / (s + every))

    It is 1 at s = 0 and 1/2 after `3 every` steps. After its end it keeps its last value. It may stay
    without a length: `warmup(4000) >> inverse_sqrt(every=4000)` has a value at every step.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        every: The time scale: steps above 0, not rounded, or a share of the run.

    Examples:
        >>> [InverseSqrt(every=100)(s) for s in (0, 300)]
        [1.0, 0.5]

    Ref: Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762; see `noam`.

    transformers' inverse square root is `warmup(n, start=0) >> inverse_sqrt(every=timescale)`.
    """

    steps: Steps = None
    every: Period = "10%"

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is sqrt(every / (s + every)) at step s."""
        return sqrt(self.every / (capped_step(step, self.steps) + self.every))  # type: ignore[operator]


@dataclass(frozen=True, slots=True, repr=False)
class OneMinusSqrt(Shape):
    """Fall from the peak to `floor` as 1 - sqrt: fast first, then slowly.

        value(s) = floor + (1 - floor) (1 - sqrt(x)),   x = min(s / steps, 1)

    It is 1 at s = 0, and `floor` from s = steps on, which is one step after the last update.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> [OneMinusSqrt(4)(s) for s in (0, 1, 4)]
        [1.0, 0.5, 0.0]

    Ref: Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training
    durations", arXiv:2405.18392: the best cool-down of a warm-up-stable-decay schedule.

    pytorch_optimizer's decay goes to 0, and its minimum holds only after the end: write
    `one_minus_sqrt(n) >> floor` for that. torch and optax have no such schedule.
    """

    steps: Steps = None
    floor: Floor = 0.0

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) (1 - sqrt(x)), x = s / steps."""
        return self.floor + (1.0 - self.floor) * (1.0 - sqrt(progress(step, self.steps)))


@dataclass(frozen=True, slots=True, repr=False)
class OneMinusSquare(Shape):
    """Fall from the peak to `floor` as 1 - square: slowly first, then fast.

        value(s) = floor + (1 - floor) (1 - x^2),   x = min(s / steps, 1)

    It is 1 at s = 0, and `floor` from s = steps on, which is one step after the last update.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> [OneMinusSquare(4)(s) for s in (0, 2, 4)]
        [1.0, 0.75, 0.0]

    pytorch_optimizer's decay goes to 0, and its minimum holds only after the end: write
    `one_minus_square(n) >> floor` for that. torch and optax have no such schedule.
    """

    steps: Steps = None
    floor: Floor = 0.0

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) (1 - x^2), x = s / steps."""
        x = progress(step, self.steps)
        return self.floor + (1.0 - self.floor) * (1.0 - x * x)


@dataclass(frozen=True, slots=True, repr=False)
class PowerDecay(Shape):
    """Stay at the peak for `every` steps, then fall as a power of the steps passed.

        value(s) = min(1, (every / s)^exponent)

    After its end it keeps its last value. It needs no length: `power_decay(every=100)`.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        exponent: How fast it falls, at least 0.
        every: The time scale: steps above 0, not rounded, or a share of the run.

    Examples:
        >>> [PowerDecay(every=100, exponent=1)(s) for s in (0, 100, 200, 400)]
        [1.0, 1.0, 0.5, 0.25]

    Ref: Shen et al. 2024, "Power scheduler", arXiv:2408.13359; see `power_lr`. torch and optax have no
    such schedule.
    """

    steps: Steps = None
    exponent: Annotated[float, Number(low=0, high=100)] = 0.51
    every: Period = "10%"

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is max(1, s / every)^-exponent at step s."""
        ratio = maximum(capped_step(step, self.steps) / self.every, 1.0)  # type: ignore[operator]  # bound
        return 1.0 / power(ratio, self.exponent)


@dataclass(frozen=True, slots=True, repr=False)
class Rex(Shape):
    """Fall from the peak to `floor`, slowly first and faster near the end.

        value(s) = floor + (1 - floor) (1 - x) / (1 - x / 2),   x = min(s / steps, 1)

    It is 1 at s = 0, and `floor` from s = steps on, which is one step after the last update.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> [round(Rex(4)(s), 4) for s in (0, 2, 4)]
        [1.0, 0.6667, 0.0]

    Ref: Chen, Wolfe and Kyrillidis 2022, "REX: Revisiting budgeted training with an improved
    schedule", arXiv:2107.04197. torch, optax and Keras have no such schedule.
    """

    steps: Steps = None
    floor: Floor = 0.0

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) (1 - x) / (1 - x / 2), x = s / steps."""
        x = progress(step, self.steps)
        return self.floor + (1.0 - self.floor) * ((1.0 - x) / (1.0 - x * 0.5))


@dataclass(frozen=True, slots=True, repr=False)
class Tanh(Shape):
    """Fall from the peak to `floor` along a hyperbolic tangent: slowly, fast, slowly.

        value(s) = floor + (1 - floor) (1 - tanh(low (1 - x) + high x)) / 2,   x = min(s / steps, 1)

    With the defaults it begins within 1e-6 of the peak and ends within 0.3 % of it above `floor`.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        low: The argument of the tangent at the start, below `high`.
        high: The argument of the tangent at the end.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> [round(Tanh(10)(s), 4) for s in (0, 7, 10)]
        [1.0, 0.5, 0.0025]

    Ref: Hsueh, Li and Wu 2019, "Stochastic gradient descent with hyperbolic-tangent decay on
    classification", arXiv:1806.01593. timm's `TanhLRScheduler` calls them `lb` and `ub`, and
    computes the same until its last update. torch and optax have no such schedule.
    """

    steps: Steps = None
    low: Annotated[float, Number()] = -7.0
    high: Annotated[float, Number()] = 3.0
    floor: Floor = 0.0

    def prepare(self) -> None:
        """Refuse `low` at or above `high`, where the schedule would not fall."""
        if self.low >= self.high:
            refuse("Tanh", "low", f"below high={self.high!r}", self.low)

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) (1 - tanh(low (1 - x) + high x)) / 2, x = s / steps."""
        x = progress(step, self.steps)
        fall = (1.0 - tanh(self.low * (1.0 - x) + self.high * x)) * 0.5
        return self.floor + (1.0 - self.floor) * fall


@dataclass(frozen=True, slots=True, repr=False)
class Saturating(Shape):
    """Rise towards the peak more and more slowly: an exponential warm-up for a product.

        value(s) = 1 - exp(-(s + 1) / every)

    The value is 63 % after `every` updates and never reaches 1. After its end it keeps its last value.
    It needs no length: `saturating(every=1000) * cosine()`.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        every: The time scale: steps above 0, not rounded, or a share of the run.

    Examples:
        >>> round(Saturating(every=10)(9), 4)
        0.6321

    Ref: Ma and Yarats 2021, "On the adequacy of untuned warmup for adaptive optimization",
    arXiv:1910.04209. pytorch_warmup's `ExponentialWarmup(warmup_period=every)` gives the same rates.
    """

    steps: Steps = None
    every: Period = "1%"

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is 1 - exp(-(s + 1) / every) at step s."""
        periods = (capped_step(step, self.steps) + 1.0) / self.every  # type: ignore[operator]  # bound
        return 1.0 - exp(-periods)
