"""Shapes that come back: restarts and triangles."""

import math
from dataclasses import dataclass
from typing import Annotated

from learnrate.schedules._abstract import Shape, until
from learnrate.schedules._arithmetic import Value, choose, cos, floor, highest, least, log, powers
from learnrate.schedules._fields import Factor, Floor, Number, Period, Steps

__all__ = ["CosineRestarts", "ExpRange", "Triangular", "Triangular2"]

Rise = Annotated[float, Number(low=0, high=1, low_out=True)]


@dataclass(frozen=True, slots=True, repr=False)
class CosineRestarts(Shape):
    """Cosine after cosine: each falls to `floor`, the next begins at once at its own peak.

        value(s) = floor + (1 - floor) decay^i (1 + cos(pi x)) / 2
        cycle i is every growth^i steps long; x is the share of it that has passed

    `every` is the length of the first cycle, a number of steps (not rounded) or a share of the
    run; each next cycle is `growth` times as long and reaches `decay` times as high above `floor`,
    a share of the first peak. 1 at s = 0. The end of the part ends the last cycle: where the
    cycles fit exactly the value stays at `floor`. It may stay open.

    Examples:
        >>> [round(CosineRestarts(every=10, growth=2.0, decay=0.5)(s), 3) for s in (0, 5, 10, 20, 30)]
        [1.0, 0.5, 0.5, 0.25, 0.25]

    Ref: Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983.

    torch's `CosineAnnealingWarmRestarts(T_0, T_mult)` is this with decay 1 and a whole `growth`.
    Keras's `CosineDecayRestarts` is this with `first_decay_steps`, `t_mul`, `m_mul` and `alpha`
    for `every`, `growth`, `decay` and `floor`.
    """

    steps: Steps = None
    every: Period = "25%"
    growth: Annotated[float, Number(low=1, high=100)] = 1.0
    decay: Factor = 1.0
    floor: Floor = 0.0

    endless = True

    def formula(self, step: Value) -> Value:
        """The value at a step."""
        held = until(step, self.steps, 1.0) / self.every  # type: ignore[operator]  # bound
        passed = until(step, self.steps) / self.every  # type: ignore[operator]  # bound
        cycle, length = self._cycle(held)
        before = cycle if self.growth == 1.0 else (length - 1.0) / (self.growth - 1.0)
        x = least((passed - before) / length, 1.0)
        height = (1.0 - self.floor) * powers(self.decay, cycle)
        return self.floor + height * ((1.0 + cos(math.pi * x)) * 0.5)

    def _cycle(self, periods: Value) -> tuple[Value, Value]:
        """The cycle, and its length in first cycles."""
        growth = self.growth
        if growth == 1.0:
            return floor(periods), 1.0
        cycle = highest(floor(log(1.0 + periods * (growth - 1.0)) / math.log(growth)), 0.0)
        length = powers(growth, cycle)
        # The logarithm may miss a boundary by its last bit, so it is only the first guess.
        late = (length * growth - 1.0) / (growth - 1.0) <= periods
        cycle = choose(late, cycle + 1.0, cycle)
        length = choose(late, length * growth, length)
        early = (length - 1.0) / (growth - 1.0) > periods
        return choose(early, cycle - 1.0, cycle), choose(early, length / growth, length)


@dataclass(frozen=True, slots=True, repr=False)
class Triangular(Shape):
    """Up and down in straight lines, over and over.

        value(s) = floor + (1 - floor) z;   z rises 0 -> 1 over `rise` of a cycle, then falls

    `every` is the length of one cycle, up and down: a number of steps (not rounded) or a share of
    the run. `rise` is the share of the cycle spent rising, `floor` a share of the peak. `floor` at
    s = 0; after its end the value stays. It may stay open.

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
        """The value at a step."""
        _, height = _triangle(step, self.steps, self.every, self.rise)
        return self.floor + (1.0 - self.floor) * height


@dataclass(frozen=True, slots=True, repr=False)
class Triangular2(Shape):
    """Up and down in straight lines, each peak half as far above the floor as the last.

        value(s) = floor + (1 - floor) z / 2^i;   z and cycles as in `Triangular`

    `every`, `rise` and `floor` as in `Triangular`. `floor` at s = 0; after its end the value
    stays. It may stay open.

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
        """The value at a step."""
        cycle, height = _triangle(step, self.steps, self.every, self.rise)
        return self.floor + (1.0 - self.floor) * height * powers(0.5, cycle)


@dataclass(frozen=True, slots=True, repr=False)
class ExpRange(Shape):
    """Up and down in straight lines under an exponential envelope.

        value(s) = floor + (1 - floor) z factor^(s / every);   z as in `Triangular`

    `factor` is what the envelope loses within one cycle; `every`, `rise` and `floor` are as in
    `Triangular`. `floor` at s = 0; after its end the value stays. It may stay open.

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
        """The value at a step."""
        _, height = _triangle(step, self.steps, self.every, self.rise)
        passed = until(step, self.steps) / self.every  # type: ignore[operator]  # bound
        return self.floor + (1.0 - self.floor) * height * powers(self.factor, passed)


def _triangle(step: Value, steps: object, every: object, rise: float) -> tuple[Value, Value]:
    """The cycle, and the height within it: 0 at its ends, 1 after `rise` of it."""
    cycles = until(step, steps) / every  # type: ignore[operator, arg-type]  # bound
    cycle = floor(cycles)
    x = cycles - cycle
    # rise = 1 never falls: the next cycle begins at the bottom.
    fall = (1.0 - x) / (1.0 - rise) if rise < 1.0 else 1.0
    return cycle, least(x / rise, fall)
