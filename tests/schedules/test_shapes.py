"""Each shape in closed form at its joints, and one property of each."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ScheduleError
from learnrate.schedules import (
    Constant,
    Cosine,
    Exponential,
    FromFunction,
    Interpolated,
    InverseTime,
    Linear,
    MultiStep,
    OneMinusSqrt,
    OneMinusSquare,
    Piecewise,
    Polynomial,
    Rex,
    Shape,
    Step,
    Table,
    Tanh,
    Triangular,
    Warmup,
    schedule,
)
from learnrate.schedules._abstract import progress
from learnrate.schedules._arithmetic import choose
from learnrate.schedules._fields import Floor, Steps
from learnrate.testing import ScheduleContract

STEPS = st.integers(1, 500)
FLOORS = st.floats(0, 1)
DECAYS = [Linear, Cosine, Polynomial, OneMinusSqrt, OneMinusSquare, Rex]

JOINTS = {
    "constant()": {0: 1, 10**9: 1},
    "linear(8, floor=0.2)": {0: 1, 2: 0.8, 4: 0.6, 7: 0.3, 8: 0.2, 9: 0.2},
    "cosine(8, floor=0.2)": {0: 1, 4: 0.6, 2: 0.2 + 0.4 * (1 + math.sqrt(0.5)), 8: 0.2, 99: 0.2},
    "cosine(8, power=2)": {0: 1, 4: 0.25, 8: 0, 9: 0},
    "warmup(4, start=0, curve=one_minus_sqrt)": {0: 0, 3: 0.5, 4: 1, 5: 1},
    "polynomial(8, power=3)": {0: 1, 4: 0.125, 8: 0, 9: 0},
    "exponential(100, factor=0.95, every=1)": {0: 1, 1: 0.95, 50: 0.95**50, 100: 0.95**100, 101: 0.95**100},
    "exponential(every=10, factor=0.5, floor=0.1)": {0: 1, 10: 0.5, 30: 0.125, 40: 0.1, 900: 0.1},
    "exponential(40, every=10, factor=0.5, staircase=true)": {9: 1, 10: 0.5, 39: 0.125, 40: 0.125},
    "step(60, every=30)": {0: 1, 29: 1, 30: 0.1, 59: 0.1, 60: 0.1},
    "multi_step(boundaries=[3, 5])": {2: 1, 3: 0.1, 4: 0.1, 5: 0.01},
    "inverse_time(every=10, rate=2)": {0: 1, 10: 1 / 3, 20: 1 / 5},
    "inverse_sqrt(every=10)": {0: 1, 30: 0.5, 80: 1 / 3},
    "power_decay(every=10, exponent=0.5)": {0: 1, 10: 1, 40: 0.5, 90: 1 / 3},
    "power_decay(40, every=10, exponent=1)": {9: 1, 20: 0.5, 40: 0.25, 99: 0.25},
    "one_minus_sqrt(16, floor=0.5)": {0: 1, 4: 0.75, 16: 0.5, 17: 0.5},
    "one_minus_square(16, floor=0.5)": {0: 1, 8: 0.875, 16: 0.5, 17: 0.5},
    "rex(16)": {0: 1, 8: 2 / 3, 16: 0, 17: 0},
    "saturating(every=4)": {3: 1 - math.exp(-1), 7: 1 - math.exp(-2)},
    "warmup(4)": {0: 0.2, 3: 0.8, 4: 1, 5: 1},
    "warmup(4, start=0.2)": {0: 0.2, 2: 0.6, 4: 1, 5: 1},
    "warmup(4, start=0, curve=cosine)": {0: 0, 1: (1 - math.sqrt(0.5)) / 2, 2: 0.5, 4: 1},
    "warmup(4, start=1e-4, curve=exponential)": {0: 1e-4, 1: 1e-3, 2: 1e-2, 4: 1},
    "cosine_restarts(30, every=10, decay=0.5, floor=0.1)": {0: 1, 5: 0.55, 10: 0.55, 20: 0.325, 30: 0.1, 31: 0.1},
    "cosine_restarts(every=10, growth=2)": {10: 1, 20: 0.5, 30: 1, 50: 0.5, 70: 1},
    "triangular(20, every=10, floor=0.2)": {0: 0.2, 5: 1, 10: 0.2, 15: 1, 20: 0.2, 25: 0.2},
    "triangular(every=10, rise=0.2, floor=0)": {1: 0.5, 2: 1, 6: 0.5, 10: 0},
    "triangular2(every=10, floor=0.2)": {5: 1, 15: 0.6, 25: 0.4},
    "exp_range(every=10, factor=0.25, floor=0)": {0: 0, 5: 0.5, 10: 0, 15: 0.125},
    "piecewise(boundaries=[3, 5], values=[1, 0.5, 2])": {2: 1, 3: 0.5, 4: 0.5, 5: 2},
    "piecewise(boundaries=[3], values=[1, 0.5], inclusive=true)": {3: 1, 4: 0.5},
    "interpolated(boundaries=[4, 8], values=[0, 1, 0.5])": {0: 0, 2: 0.5, 4: 1, 6: 0.75, 8: 0.5, 9: 0.5},
    "interpolated(boundaries=[0, 4], values=[0.3, 1, 0])": {0: 1, 2: 0.5, 4: 0},
    "table([0.1, 0.2])": {0: 0.1, 1: 0.2, 2: 0.2},
}  # fmt: skip


@pytest.mark.parametrize("text", JOINTS)
def test_the_closed_form_at_the_joints(text):
    shape = schedule(text)
    expected = list(JOINTS[text].values())
    assert expected == pytest.approx([shape(step) for step in JOINTS[text]], rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("shape", DECAYS)
@given(steps=STEPS, floor=FLOORS)
def test_a_decay_falls_from_its_peak_to_its_floor(shape, steps, floor):
    decay = shape(steps, floor=floor)
    values = decay(np.arange(steps + 2))
    assert values[0] == pytest.approx(1, rel=1e-15)
    assert (np.diff(values) <= 1e-15).all()
    assert [floor] * 2 == values[-2:].tolist()


@given(steps=STEPS, curve=st.sampled_from(["linear", "cosine", "exponential"]))
def test_a_warmup_rises_spends_no_update_at_zero_and_ends_at_the_peak(steps, curve):
    warmup = Warmup(steps, curve=curve)
    values = warmup.table()
    assert values[0] > 0
    assert (np.diff(values) > 0).all()
    assert values[-1] < 1
    assert warmup(steps) == 1.0


@given(steps=STEPS, start=st.floats(0, 1))
def test_a_warmup_with_a_start_begins_there(steps, start):
    warmup = Warmup(steps, start=start)
    assert [start, 1.0] == [warmup(0), pytest.approx(warmup(steps), rel=1e-15)]


@given(factor=st.floats(0.01, 1), every=st.floats(0.3, 50), step=st.integers(0, 300))
def test_an_exponential_loses_its_factor_in_every_period(factor, every, step):
    exponential = Exponential(factor=factor, every=every)
    assert exponential(step) == pytest.approx(factor ** (step / every), rel=1e-12)
    stairs = Step(factor=factor, every=every)
    assert stairs(step) >= exponential(step) * (1 - 1e-12)


@given(values=st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_a_table_is_what_it_was_given(values):
    assert values == Table(values).table().tolist()
    assert Table(values) == Table(np.array(values))


def test_a_function_gets_whole_steps_from_the_start_of_its_part():
    steps = []

    def function(step):
        steps.append(step)
        return 0.5

    Constant(10).then(FromFunction(function))(13)
    assert steps == [3]
    assert type(steps[0]) is int


def test_a_function_must_give_finite_numbers():
    with pytest.raises(ScheduleError, match="finite numbers; got nan at step 3"):
        FromFunction(lambda step: step * math.nan)(3)


@dataclass(frozen=True, slots=True, repr=False)
class Halving(Shape):
    """Half the peak after a share of its steps, as a person would add it."""

    steps: Steps = None
    after: Floor = 0.5

    def formula(self, step):
        return choose(progress(step, self.steps) < self.after, 1.0, 0.5)


class TestANewShapeIsOneSmallClass(ScheduleContract):
    def make(self):
        return schedule("2 * halving(10, after=0.3) >> halving(5)")

    def test_it_has_its_values(self):
        assert [self.make()(step) for step in (2, 3, 12, 99)] == [2.0, 1.0, 2.0, 1.0]


REFUSED = [
    (lambda: Linear(-5), "Linear(steps=...) must be at least 0; got -5. Leave it out"),
    (lambda: Linear(2.5), "Linear(steps=...) must be a whole number of steps or a share"),
    (lambda: Linear(True), "Linear(steps=...) must be a whole number of steps or a share"),
    (lambda: Linear("5 %"), "Linear(steps=...): a duration is a whole number of steps, or text"),
    (lambda: Linear("101%"), "a share of the run must be at most 100%; got 101%"),
    (lambda: Exponential(every="0%"), "Exponential(every=...) must be above 0; got 0%."),
    (lambda: Warmup(5, power=2), "Warmup(power=...) must be given with curve=polynomial only"),
    (lambda: Tanh(low=3, high=3), "Tanh(low=...) must be below high=3.0; got 3.0."),
    (lambda: Linear(5, floor=1.5), "Linear(floor=...) must be from 0 to 1; got 1.5."),
    (lambda: Linear(5, floor=math.nan), "Linear(floor=...) must be a finite number; got nan."),
    (lambda: Linear(5, floor="0"), "Linear(floor=...) must be a number; got '0'."),
    (lambda: Polynomial(5, power=0), "Polynomial(power=...) must be above 0; got 0."),
    (lambda: Exponential(factor=0), "(factor=...) must be above 0; got 0."),
    (lambda: Exponential(every=0), "Exponential(every=...) must be above 0; got 0."),
    (lambda: Exponential(staircase=1), "Exponential(staircase=...) must be true or false; got 1."),
    (
        lambda: Warmup(5, curve="tanh"),
        "must be one of linear, cosine, one_minus_sqrt, exponential, polynomial; got 'tanh'.",
    ),
    (lambda: Warmup(5, start=0, curve="exponential"), "Warmup(start=...) must be above 0 with"),
    (
        lambda: MultiStep(boundaries=(5, 3)),
        "in rising order, so that no pieces overlap; got (5, 3).",
    ),
    (lambda: MultiStep(boundaries=("50%", "20%")), "in rising order"),
    (
        lambda: MultiStep(boundaries=()),
        "MultiStep(boundaries=...) must be a list of at least 1 element; got ().",
    ),
    (
        lambda: Piecewise(boundaries=(3,), values=(1,)),
        "one more than boundaries=, which has 1; got (1.0,).",
    ),
    (lambda: Interpolated(values=(1, -1, 0)), "Interpolated(values=...) must be at least 0"),
    (lambda: InverseTime(rate=-1), "InverseTime(rate=...) must be at least 0; got -1."),
    (lambda: Triangular(rise=0), "Triangular(rise=...) must be above 0 and at most 1; got 0."),
    (lambda: FromFunction(3), "FromFunction(function=...) must be a function of the step; got 3."),
    (lambda: Linear(5)(-1), "a step must be a whole number from 0 to 2**53"),
    (lambda: Linear(5)(1.0), "a step must be a whole number from 0 to 2**53"),
    (lambda: Linear(5)(True), "a step must be a whole number from 0 to 2**53"),
    (lambda: Linear(5)("1"), "a step must be a whole number from 0 to 2**53"),
    (lambda: Linear(5)(10**400), "a step must be a whole number from 0 to 2**53"),
    (lambda: Linear(5)(np.array([1.0])), "an array of steps must hold integers; got float64."),
    (lambda: Linear(5)(np.array([True])), "an array of steps must hold integers; got bool."),
    (lambda: Linear(5)(np.array([3, -1])), "steps must be from 0 to 2**53; got -1 to 3."),
    (lambda: Linear(5)(np.array([3, 2**53 + 1])), "got 3 to 9007199254740993."),
    (lambda: Linear()(3), "linear() is not bound to a run, so it has no value at a step"),
    (
        lambda: Linear("5%")(3),
        "Call .over(total_steps) with the number of steps of the whole run.",
    ),
    (lambda: Constant().table(), "has no fixed length; give table(total_steps=...)."),
    (
        lambda: Constant().table(10**10),
        "can be listed for at most 100,000,000 steps; got 10,000,000,000. Give a smaller",
    ),
]


@pytest.mark.parametrize(("call", "expected"), REFUSED)
def test_a_broken_rule_is_one_error_with_the_way_out(call, expected, refused):
    assert expected in refused(call)


def test_a_numpy_integer_is_a_step():
    assert [Linear(4)(1)] * 3 == [Linear(4)(kind(1)) for kind in (np.int64, np.uint8, np.int16)]
    assert type(Linear(4)(np.int64(1))) is float


def test_a_schedule_is_abstract_or_final():
    with pytest.raises(TypeError, match="abstract"):
        Shape()
    with pytest.raises(TypeError, match="final"):
        type("Steeper", (Linear,), {})
