"""Further decays. Each has peak 1 and counts steps from its own start."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Annotated, cast

import numpy as np

from learnrate.schedules._abstract import Shape, ends, progress, until
from learnrate.schedules._arithmetic import Value, exp, powers, sqrt
from learnrate.schedules._fields import Ats, Factor, Flag, Floor, Number, Period, Steps
from learnrate.schedules._shapes import stairs

__all__ = [
    "InverseSqrt",
    "InverseTime",
    "MultiStep",
    "OneMinusSqrt",
    "OneMinusSquare",
    "Rex",
    "Saturating",
]


@dataclass(frozen=True, slots=True, repr=False)
class MultiStep(Shape):
    """Fall by `factor` at once at each step of `at`.

        value(s) = factor^(number of `at` that are <= s)

    `at` holds steps from the start of the part, or shares of the run, in rising order. 1 before
    the first; the step itself is the first at the lower rate; after its end the last value stays.

    Examples:
        >>> [MultiStep(factor=0.5, at=(10, 15))(s) for s in (9, 10, 15, 99)]
        [1.0, 0.5, 0.25, 0.25]

    torch's `MultiStepLR` is this one; a boundary listed twice counts twice here as there.
    """

    steps: Steps = None
    factor: Factor = 0.1
    at: Ats = ("30%", "60%", "90%")

    endless = True

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        held = until(step, self.steps, 1.0)
        if isinstance(held, float):
            passed: Value = float(bisect_right(cast("tuple[int, ...]", self.at), held))
        else:
            passed = np.searchsorted(ends(self.at), held, side="right").astype(np.float64)
        return powers(self.factor, passed)


@dataclass(frozen=True, slots=True, repr=False)
class InverseTime(Shape):
    """Fall as one over the time passed.

        value(s) = 1 / (1 + rate s / every),   or with floor(s / every) with `staircase`

    `every` is a number of steps (not rounded) or a share of the run; `rate` is at least 0. 1 at
    s = 0; after its end the last value stays. It may stay open: `inverse_time(every=100)`.

    Examples:
        >>> [InverseTime(every=100)(s) for s in (0, 100, 300)]
        [1.0, 0.5, 0.25]

    Keras's `InverseTimeDecay` is this one, with `decay_rate` for `rate` and `decay_steps` for
    `every`. torch and optax have none.
    """

    steps: Steps = None
    rate: Annotated[float, Number(low=0)] = 1.0
    every: Period = "10%"
    staircase: Flag = False

    endless = True

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        if self.staircase:
            return 1.0 / (1.0 + self.rate * stairs(step, self.steps, self.every))
        periods = until(step, self.steps) / self.every  # type: ignore[operator]  # bound
        return 1.0 / (1.0 + self.rate * periods)


@dataclass(frozen=True, slots=True, repr=False)
class InverseSqrt(Shape):
    """Fall as one over the square root of the time passed.

        value(s) = sqrt(every / (s + every))

    `every` is a number of steps (not rounded) or a share of the run: after `3 every` the value is
    1/2. 1 at s = 0; after its end the last value stays. It may stay open:
    `warmup(4000) >> inverse_sqrt(every=4000)` has a value at every step.

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
        """The value at a step."""
        return sqrt(self.every / (until(step, self.steps) + self.every))  # type: ignore[operator]


@dataclass(frozen=True, slots=True, repr=False)
class OneMinusSqrt(Shape):
    """Fall from the peak to `floor` as 1 - sqrt: fast first, then slowly.

        value(s) = floor + (1 - floor) (1 - sqrt(x)),   x = min(s / steps, 1)

    `steps` counts optimizer updates, `floor` is a share of the peak. 1 at s = 0, `floor` at
    s = steps, which is one past the last update of the part, and ever after.

    Examples:
        >>> [OneMinusSqrt(4)(s) for s in (0, 1, 4)]
        [1.0, 0.5, 0.0]

    Ref: Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training
    durations", arXiv:2405.18392: the best cool-down of a warm-up-stable-decay schedule.

    pytorch_optimizer's ramp goes to 0 and only its last value is the minimum: that is
    `one_minus_sqrt(n) >> floor`. torch and optax have none.
    """

    steps: Steps = None
    floor: Floor = 0.0

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        return self.floor + (1.0 - self.floor) * (1.0 - sqrt(progress(step, self.steps)))


@dataclass(frozen=True, slots=True, repr=False)
class OneMinusSquare(Shape):
    """Fall from the peak to `floor` as 1 - square: slowly first, then fast.

        value(s) = floor + (1 - floor) (1 - x^2),   x = min(s / steps, 1)

    `steps` counts optimizer updates, `floor` is a share of the peak. 1 at s = 0, `floor` at
    s = steps, which is one past the last update of the part, and ever after.

    Examples:
        >>> [OneMinusSquare(4)(s) for s in (0, 2, 4)]
        [1.0, 0.75, 0.0]

    pytorch_optimizer's ramp goes to 0 and only its last value is the minimum: that is
    `one_minus_square(n) >> floor`. torch and optax have none.
    """

    steps: Steps = None
    floor: Floor = 0.0

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        x = progress(step, self.steps)
        return self.floor + (1.0 - self.floor) * (1.0 - x * x)


@dataclass(frozen=True, slots=True, repr=False)
class Rex(Shape):
    """Fall from the peak to `floor`, above the straight line all the way.

        value(s) = floor + (1 - floor) (1 - x) / (1 - x / 2),   x = min(s / steps, 1)

    `steps` counts optimizer updates, `floor` is a share of the peak. 1 at s = 0, `floor` at
    s = steps, which is one past the last update of the part, and ever after.

    Examples:
        >>> [round(Rex(4)(s), 4) for s in (0, 2, 4)]
        [1.0, 0.6667, 0.0]

    Ref: Chen, Wolfe and Kyrillidis 2022, "REX: Revisiting budgeted training with an improved
    schedule", arXiv:2107.04197. torch, optax and Keras have none.
    """

    steps: Steps = None
    floor: Floor = 0.0

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        x = progress(step, self.steps)
        return self.floor + (1.0 - self.floor) * ((1.0 - x) / (1.0 - x * 0.5))


@dataclass(frozen=True, slots=True, repr=False)
class Saturating(Shape):
    """Rise towards the peak, ever more slowly: an exponential warm-up to multiply with.

        value(s) = 1 - exp(-(s + 1) / every)

    `every` is a number of steps (not rounded) or a share of the run: after `every` updates the
    value is 63 %. It never reaches 1; after its end the last value stays. It may stay open:
    `saturating(every=1000) * cosine()`.

    Examples:
        >>> round(Saturating(every=10)(9), 4)
        0.6321

    Ref: Ma and Yarats 2021, "On the adequacy of untuned warmup for adaptive optimization",
    arXiv:1910.04209. pytorch_warmup's `ExponentialWarmup(warmup_period=every)` is this one.
    """

    steps: Steps = None
    every: Period = "1%"

    endless = True

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        periods = (until(step, self.steps) + 1.0) / self.every  # type: ignore[operator]  # bound
        return 1.0 - exp(-periods)
