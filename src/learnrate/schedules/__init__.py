"""Schedules: pure values that map a step to a rate."""

from learnrate._records import written_as_text
from learnrate.schedules._abstract import Shape, Wrapper
from learnrate.schedules._algebra import Chain, Product, Scaled
from learnrate.schedules._base import Schedule
from learnrate.schedules._cyclic import CosineRestarts, ExpRange, Triangular, Triangular2
from learnrate.schedules._decays import (
    InverseSqrt,
    InverseTime,
    MultiStep,
    OneMinusSqrt,
    OneMinusSquare,
    PowerDecay,
    Rex,
    Saturating,
    Tanh,
)
from learnrate.schedules._durations import Clock, Deadline, Span
from learnrate.schedules._json import from_json
from learnrate.schedules._pieces import Cut, Shortened, Skip
from learnrate.schedules._recipes import (
    d2z,
    decay_then_constant,
    flat_cosine,
    noam,
    one_cycle,
    one_cycle_momentum,
    one_cycle_torch,
    power_lr,
    sgdr,
    untuned_warmup,
    warmup_cosine,
    wsd,
    wsd_s,
)
from learnrate.schedules._shapes import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    Polynomial,
    Step,
    Warmup,
)
from learnrate.schedules._tables import FromFunction, Interpolated, Piecewise, Table
from learnrate.schedules._text import ready_schedule, schedule, shape, timed
from learnrate.schedules._wrappers import Clamp, Delay, Noise, Repeat, Shift, Staircase

written_as_text(Schedule, schedule)

__all__ = [
    "Chain",
    "Clamp",
    "Clock",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Cut",
    "Deadline",
    "Delay",
    "ExpRange",
    "Exponential",
    "FromFunction",
    "Interpolated",
    "InverseSqrt",
    "InverseTime",
    "Linear",
    "MultiStep",
    "Noise",
    "OneMinusSqrt",
    "OneMinusSquare",
    "Piecewise",
    "Polynomial",
    "PowerDecay",
    "Product",
    "Repeat",
    "Rex",
    "Saturating",
    "Scaled",
    "Schedule",
    "Shape",
    "Shift",
    "Shortened",
    "Skip",
    "Span",
    "Staircase",
    "Step",
    "Table",
    "Tanh",
    "Triangular",
    "Triangular2",
    "Warmup",
    "Wrapper",
    "d2z",
    "decay_then_constant",
    "flat_cosine",
    "from_json",
    "noam",
    "one_cycle",
    "one_cycle_momentum",
    "one_cycle_torch",
    "power_lr",
    "ready_schedule",
    "schedule",
    "sgdr",
    "shape",
    "timed",
    "untuned_warmup",
    "warmup_cosine",
    "wsd",
    "wsd_s",
]
