"""Shapes that repeat: restarts and triangles."""

import math
from dataclasses import dataclass
from typing import Annotated

from learnrate.schedules._abstract import Shape, capped_step
from learnrate.schedules._arithmetic import (
    Value,
    choose,
    cos,
    floor,
    log,
    maximum,
    minimum,
    powers,
)
from learnrate.schedules._fields import Factor, Floor, Number, Period, Steps

__all__ = ["CosineRestarts", "ExpRange", "Triangular", "Triangular2"]

Rise = Annotated[float, Number(low=0, high=1, exclude_low=True)]


@dataclass(frozen=True, slots=True, repr=False)
class CosineRestarts(Shape):
    """Fall along a cosine to `floor`, jump back up, and repeat.

        value(s) = floor + (1 - floor) decay^i (1 + cos(pi x)) / 2
        cycle i has every growth^i steps; x is the share of it that has passed

    The last cycle ends with the part: if the cycles fit exactly, the value stays at `floor`. It may
    stay without a length.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        every: Length of the first cycle: steps above 0, not rounded, or a share of the run.
        growth: How many times as long each cycle is as the one before, from 1 to 100.
        decay: How many times as high above `floor` each peak is as the one before, above 0 and at
            most 1.
        floor: Lowest value, a share of the first peak from 0 to 1.

    Examples:
        >>> [round(CosineRestarts(every=10, growth=2.0, decay=0.5)(s), 3) for s in (0, 5, 10, 20, 30)]
        [1.0, 0.5, 0.5, 0.25, 0.25]

    Ref: Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983.

    torch's `CosineAnnealingWarmRestarts(T_0, T_mult)` is this with decay 1 and a whole `growth`.
    Keras's `CosineDecayRestarts` calls `every`, `growth`, `decay` and `floor` `first_decay_steps`,
    `t_mul`, `m_mul` and `alpha`.
    """

    steps: Steps = None
    every: Period = "25%"
    growth: Annotated[float, Number(low=1, high=100)] = 1.0
    decay: Factor = 1.0
    floor: Floor = 0.0

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) decay^cycle (1 + cos(pi x)) / 2, x from 0 to 1 in a cycle."""
        last_update = capped_step(step, self.steps, 1.0) / self.every  # type: ignore[operator]
        periods = capped_step(step, self.steps) / self.every  # type: ignore[operator]  # bound
        cycle, length = self._cycle(last_update)
        start = cycle if self.growth == 1.0 else (length - 1.0) / (self.growth - 1.0)
        x = minimum((periods - start) / length, 1.0)
        height = (1.0 - self.floor) * powers(self.decay, cycle)
        return self.floor + height * ((1.0 + cos(math.pi * x)) * 0.5)

    def _cycle(self, periods: Value) -> tuple[Value, Value]:
        """The index of the cycle, and its length as a multiple of the first cycle's."""
        growth = self.growth
        if growth == 1.0:
            return floor(periods), 1.0
        cycle = maximum(floor(log(1.0 + periods * (growth - 1.0)) / math.log(growth)), 0.0)
        length = powers(growth, cycle)
        # The logarithm may miss a boundary by its last bit, so it is only the first guess.
        late = (length * growth - 1.0) / (growth - 1.0) <= periods
        cycle = choose(late, cycle + 1.0, cycle)
        length = choose(late, length * growth, length)
        early = (length - 1.0) / (growth - 1.0) > periods
        return choose(early, cycle - 1.0, cycle), choose(early, length / growth, length)


@dataclass(frozen=True, slots=True, repr=False)
class Triangular(Shape):
    """Rise and fall on straight lines, again and again.

        value(s) = floor + (1 - floor) z;   z rises 0 -> 1 over `rise` of a cycle, then falls

    It is `floor` at s = 0. After its end it keeps its last value. It needs no length.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        every: Length of a cycle, rise and fall: steps above 0, not rounded, or a share of the run.
        rise: The share of a cycle in which the value rises, above 0 and at most 1.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> [Triangular(every=10, floor=0.2)(s) for s in (0, 5, 10, 15)]
        [0.2, 1.0, 0.2, 1.0]

    Ref: Smith 2017, "Cyclical learning rates", arXiv:1506.01186.

    torch's `CyclicLR(base_lr, max_lr, step_size_up)` is this with `every = 2 step_size_up` and
    `floor = base_lr / max_lr`; `step_size_down` other than `step_size_up` sets `rise`.
    """

    steps: Steps = None
    every: Period = "20%"
    rise: Rise = 0.5
    floor: Floor = 0.1

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) h, h the height of the triangle, 0 to 1."""
        _, height = _triangle(step, self.steps, self.every, self.rise)
        return self.floor + (1.0 - self.floor) * height


@dataclass(frozen=True, slots=True, repr=False)
class Triangular2(Shape):
    """Rise and fall on straight lines; each peak is half as far above the floor as the one before.

        value(s) = floor + (1 - floor) z / 2^i;   z and cycle i as in `Triangular`

    It is `floor` at s = 0. After its end it keeps its last value. It needs no length.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        every: Length of a cycle, rise and fall: steps above 0, not rounded, or a share of the run.
        rise: The share of a cycle in which the value rises, above 0 and at most 1.
        floor: Lowest value, a share of the first peak from 0 to 1.

    Examples:
        >>> [Triangular2(every=10, floor=0.0)(s) for s in (0, 5, 15, 25)]
        [0.0, 1.0, 0.5, 0.25]

    Ref: Smith 2017, "Cyclical learning rates", arXiv:1506.01186. torch: `CyclicLR` with
    `mode="triangular2"`.
    """

    steps: Steps = None
    every: Period = "20%"
    rise: Rise = 0.5
    floor: Floor = 0.1

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) h / 2^cycle, h the height of the triangle, 0 to 1."""
        cycle, height = _triangle(step, self.steps, self.every, self.rise)
        return self.floor + (1.0 - self.floor) * height * powers(0.5, cycle)


@dataclass(frozen=True, slots=True, repr=False)
class ExpRange(Shape):
    """Rise and fall on straight lines below an exponentially falling bound.

        value(s) = floor + (1 - floor) z factor^(s / every);   z as in `Triangular`

    It is `floor` at s = 0. After its end it keeps its last value. It needs no length.

    Args:
        steps: Optimizer updates or a share of the run; by default the rest of the run.
        every: Length of a cycle, rise and fall: steps above 0, not rounded, or a share of the run.
        factor: What the bound is multiplied by in each cycle, above 0 and at most 1.
        rise: The share of a cycle in which the value rises, above 0 and at most 1.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> [round(ExpRange(every=10, factor=0.25, floor=0.0)(s), 4) for s in (0, 5, 10, 15)]
        [0.0, 0.5, 0.0, 0.125]

    Ref: Smith 2017, "Cyclical learning rates", arXiv:1506.01186. torch: `CyclicLR` with
    `mode="exp_range"`, whose `gamma` is per step: `factor = gamma^every`.
    """

    steps: Steps = None
    every: Period = "20%"
    factor: Factor = 0.5
    rise: Rise = 0.5
    floor: Floor = 0.1

    endless = True

    def formula(self, step: Value) -> Value:
        """The value is floor + (1 - floor) h factor^periods, h the height of the triangle, 0 to 1."""
        _, height = _triangle(step, self.steps, self.every, self.rise)
        periods = capped_step(step, self.steps) / self.every  # type: ignore[operator]  # bound
        return self.floor + (1.0 - self.floor) * height * powers(self.factor, periods)


def _triangle(step: Value, steps: object, every: object, rise: float) -> tuple[Value, Value]:
    """The index of the cycle, and the height within it: 0 at its ends, 1 after `rise` of it."""
    cycles = capped_step(step, steps) / every  # type: ignore[operator, arg-type]  # bound
    cycle = floor(cycles)
    x = cycles - cycle
    # With rise = 1 there is no fall: the next cycle begins at the bottom.
    fall = (1.0 - x) / (1.0 - rise) if rise < 1.0 else 1.0
    return cycle, minimum(x / rise, fall)
