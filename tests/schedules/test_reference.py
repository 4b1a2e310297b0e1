"""Schedules that torch does not have, against slow, plain references.

Each reference is the formula of the paper or of the other library, one step at a time.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    Interpolated,
    InverseSqrt,
    InverseTime,
    Noise,
    OneMinusSqrt,
    OneMinusSquare,
    Piecewise,
    Polynomial,
    Rex,
    Saturating,
    Step,
    Tanh,
    Warmup,
    noam,
    one_cycle,
    schedule,
    untuned_warmup,
)

STEPS = st.integers(1, 60)
FLOORS = st.sampled_from([0.0, 0.05, 0.5])


def same(reference, schedule, upto):
    expected = [reference(step) for step in range(upto)]
    actual = [schedule(step) for step in range(upto)]
    assert expected == pytest.approx(actual, rel=1e-12, abs=1e-15)


@given(steps=STEPS, floor=FLOORS)
def test_the_cooldowns_are_the_formulas_of_their_paper(steps, floor):
    def cooldown(shape):
        return lambda s: floor + (1 - floor) * shape(min(s / steps, 1))

    same(cooldown(lambda x: 1 - math.sqrt(x)), OneMinusSqrt(steps, floor=floor), 3 * steps)
    same(cooldown(lambda x: 1 - x**2), OneMinusSquare(steps, floor=floor), 3 * steps)
    rex = cooldown(lambda x: (1 - x) / (0.5 + 0.5 * (1 - x)))
    same(rex, Rex(steps, floor=floor), 3 * steps)


@given(rate=st.floats(0, 3), every=STEPS)
def test_inverse_time_is_kerass(rate, every):
    same(lambda s: 1 / (1 + rate * s / every), InverseTime(rate=rate, every=every), 200)
    stairs = InverseTime(rate=rate, every=every, staircase=True)
    same(lambda s: 1 / (1 + rate * math.floor(s / every)), stairs, 200)


@given(warmup=STEPS, timescale=STEPS)
def test_inverse_sqrt_after_a_warmup_is_transformers(warmup, timescale):
    def reference(step):
        if step < warmup:
            return step / max(1, warmup)
        return 1 / math.sqrt((step + timescale - warmup) / timescale)

    same(reference, Warmup(warmup, start=0).then(InverseSqrt(every=timescale)), 200)


@given(warmup=st.integers(1, 40), rest=st.integers(1, 80))
def test_linear_and_cosine_after_a_warmup_from_zero_are_transformers(warmup, rest):
    total_steps = warmup + rest

    def linear(step):
        if step < warmup:
            return step / max(1, warmup)
        return max(0.0, (total_steps - step) / max(1, total_steps - warmup))

    def cosine(step):
        if step < warmup:
            return step / max(1, warmup)
        return max(
            0.0, 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total_steps - warmup)))
        )

    same(linear, schedule(f"warmup({warmup}, start=0) >> linear({rest})"), total_steps + 1)
    expected = [cosine(step) for step in range(total_steps + 1)]
    chain = schedule(f"warmup({warmup}, start=0) >> cosine({rest})")
    assert expected == pytest.approx(
        [chain(s) for s in range(total_steps + 1)], rel=1e-9, abs=1e-15
    )


@given(warmup=st.integers(2, 60), width=st.sampled_from([64, 512]))
def test_noam_is_the_formula_of_its_paper(warmup, width):
    def reference(step):
        return width**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)

    same(reference, noam(warmup, width), 300)


@given(every=STEPS, growth=st.sampled_from([1.0, 1.5, 2.0, 10.0]), decay=st.floats(0.1, 1))
def test_cosine_restarts_are_kerass(every, growth, decay):
    floor = 0.1

    def reference(step):
        cycle, begin, length = 0, 0.0, float(every)
        while step >= begin + length:
            begin, length, cycle = begin + length, length * growth, cycle + 1
        half = 0.5 * decay**cycle * (1 + math.cos(math.pi * (step - begin) / length))
        return (1 - floor) * half + floor

    restarts = CosineRestarts(every=every, growth=growth, decay=decay, floor=floor)
    same(reference, restarts, 400)


def test_a_restart_is_not_missed_where_the_logarithm_rounds():
    restarts = CosineRestarts(every=1, growth=10.0)
    starts = [sum(10**i for i in range(n)) for n in range(1, 12)]
    assert [restarts(start) for start in starts] == [1.0] * 11


@given(period=STEPS)
def test_the_warmups_of_pytorch_warmup(period):
    same(lambda s: 1 - math.exp(-(s + 1) / period), Saturating(every=period), 200)
    if period > 1:
        linear = Warmup(period - 1, start=1 / period)
        same(lambda s: min(1.0, (s + 1) / period), linear, 200)


def test_the_untuned_warmup_takes_its_length_from_beta2():
    same(lambda s: min(1.0, (s + 1) / 2000), untuned_warmup(0.999), 2500)
    smooth = untuned_warmup(0.999, "exponential")
    same(lambda s: 1 - math.exp(-(s + 1) * 0.001), smooth, 2500)


@given(steps=STEPS, start=st.sampled_from([None, 0.01, 0.3]))
def test_the_other_curves_of_a_warmup(steps, start):
    first = 1 / (steps + 1) if start is None else start

    def cosine(step):
        return first + (1 - first) * (1 - math.cos(math.pi * min(step / steps, 1))) / 2

    def exponential(step):
        return first ** (1 - min(step / steps, 1))

    same(cosine, Warmup(steps, start=start, curve="cosine"), 2 * steps)
    same(exponential, Warmup(steps, start=start, curve="exponential"), 2 * steps)

    def one_minus_sqrt(step):
        return first + (1 - first) * (1 - math.sqrt(1 - min(step / steps, 1)))

    same(one_minus_sqrt, Warmup(steps, start=start, curve="one_minus_sqrt"), 2 * steps)


@given(boundaries=st.lists(st.integers(1, 50), min_size=1, max_size=4).map(sorted), data=st.data())
def test_piecewise_is_optaxs_and_inclusive_is_kerass(boundaries, data):
    size = len(boundaries) + 1
    values = data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
    same(
        lambda s: values[sum(s >= b for b in boundaries)],
        Piecewise(boundaries=boundaries, values=values),
        60,
    )
    inclusive = Piecewise(boundaries=boundaries, values=values, inclusive=True)
    same(lambda s: values[sum(s > b for b in boundaries)], inclusive, 60)


@given(
    boundaries=st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True).map(sorted),
    curve=st.sampled_from(["linear", "cosine"]),
    data=st.data(),
)
def test_interpolated_is_optaxs(boundaries, curve, data):
    size = len(boundaries) + 1
    values = data.draw(st.lists(st.floats(0.1, 1), min_size=size, max_size=size))
    knots = [0, *boundaries]

    def reference(step):
        for i, (low, high) in enumerate(zip(knots, boundaries, strict=False)):
            if low <= step < high:
                x = (step - low) / (high - low)
                x = (1 - math.cos(math.pi * x)) / 2 if curve == "cosine" else x
                return values[i] + (values[i + 1] - values[i]) * x
        return values[-1]

    same(reference, Interpolated(boundaries=boundaries, values=values, curve=curve), 70)


@given(total_steps=st.integers(10, 200))
def test_one_cycle_is_optaxs(total_steps):
    peak_at = int(0.3 * total_steps)

    def reference(step):
        half = 0.5 * (1 - math.cos(math.pi * min(step / peak_at, 1)))
        fall = 0.5 * (
            1 + math.cos(math.pi * min(max(step - peak_at, 0) / (total_steps - peak_at), 1))
        )
        return 0.04 + 0.96 * half if step < peak_at else 4e-6 + (1 - 4e-6) * fall

    same(reference, one_cycle(peak_at).over(total_steps), total_steps + 20)


def test_noise_is_splitmix64():
    # The first outputs of the published generator for seed 0 are well known.
    def splitmix(state):
        z = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    assert splitmix(0) == 0xE220A8397B1DCDAF
    noise = Noise(Constant(), scale=0.5)
    for step in range(5):
        unit = (splitmix(step * 0x9E3779B97F4A7C15 % 2**64) >> 11) / 2**53
        assert 1 + 0.5 * (2 * unit - 1) == noise(step)


def test_noise_is_uniform_and_differs_by_seed():
    values = [Noise(Constant(), scale=1.0, seed=seed).table(20_000) for seed in (0, 1)]
    for drawn in values:
        assert drawn.mean() == pytest.approx(1, abs=0.02)
        assert drawn.std() == pytest.approx(1 / math.sqrt(3), abs=0.01)
    assert abs(((values[0] - 1) * (values[1] - 1)).mean()) < 0.01


@given(steps=STEPS, floor=FLOORS)
def test_tanh_is_timms(steps, floor):
    def decay(step):
        x = min(step / steps, 1)
        return floor + 0.5 * (1 - floor) * (1 - math.tanh(-7 * (1 - x) + 3 * x))

    same(decay, Tanh(steps, floor=floor), 2 * steps)


@given(steps=STEPS, floor=FLOORS, k=st.sampled_from([0.5, 1.0, 1.7, 3.0]))
def test_k_decay_is_timms(steps, floor, k):
    def passed(step):
        return min(step, steps) ** k / steps**k

    def cosine(step):
        return floor + 0.5 * (1 - floor) * (1 + math.cos(math.pi * passed(step)))

    def polynomial(step):
        return floor + (1 - floor) * max(1 - passed(step), 0) ** 2

    same(cosine, Cosine(steps, floor=floor, k_decay=k), 2 * steps)
    same(polynomial, Polynomial(steps, power=2, floor=floor, k_decay=k), 2 * steps)


@given(steps=STEPS, start=st.sampled_from([0.0, 0.1, 0.7]), power=st.sampled_from([0.5, 1.0, 3.0]))
def test_a_rising_polynomial_is_that_of_optax_and_keras(steps, start, power):
    def rise(step):
        return (start - 1) * (1 - min(step, steps) / steps) ** power + 1

    same(rise, Warmup(steps, start=start, curve="polynomial", power=power), 2 * steps)


@pytest.mark.parametrize("factor", [1.01, 1.5])
def test_growth_is_a_power_until_1e30(factor):
    def grown(step):
        return 1e30 if step * math.log10(factor) > 30 else factor**step

    same(grown, Exponential(factor=factor, every=1), 400)
    same(lambda step: grown(step // 3), Step(factor=factor, every=3), 400)
    assert Exponential(factor=factor, every=1)(10**9) == pytest.approx(1e30)
