"""Joining, scaling, multiplying, wrapping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ScheduleError
from learnrate.schedules import (
    Chain,
    Clamp,
    Constant,
    Cosine,
    Cut,
    Delay,
    Linear,
    Noise,
    OneMinusSqrt,
    Product,
    Repeat,
    Scaled,
    Skip,
    Step,
    Warmup,
    schedule,
    warmup_cosine,
)

STEPS = st.integers(1, 200)


@given(boundary=STEPS, step=st.integers(0, 600), rest=STEPS)
def test_each_part_counts_steps_from_its_own_start(boundary, step, rest):
    left, right = Warmup(boundary), Cosine(rest)
    expected = left(step) if step < boundary else right(step - boundary)
    assert expected == left.then(right)(step)


@given(sizes=st.lists(STEPS, min_size=2, max_size=8), data=st.data())
def test_unordered_steps_have_the_values_of_ordered_ones(sizes, data):
    chain = Chain(tuple(Linear(size) for size in sizes))
    steps = np.array(data.draw(st.permutations(range(min(sum(sizes) + 5, 60)))))
    assert [chain(int(step)) for step in steps] == chain(steps).tolist()


def test_chains_flatten_and_count_their_length():
    a, b, c = Warmup(3), Constant(4), Linear(5)
    assert a.then(b, c) == a.then(b).then(c) == a.then(b.then(c)) == Chain((a, b, c))
    assert a.then(b, c).total_steps == 12


@pytest.mark.parametrize("other", [Linear(4), "linear()", 5])
def test_there_is_no_shift_operator_in_python(other):
    message = r"joined with a\.then\(b\) in Python, or with >> in a text"
    with pytest.raises(ScheduleError, match=message):
        Warmup(3) >> other
    with pytest.raises(ScheduleError, match=message):
        other >> (3e-4 * Warmup(3))


@pytest.mark.parametrize(
    "joined",
    [
        lambda: 3e-4 * Linear,
        lambda: Linear * Warmup(3),
        lambda: Warmup(3) * Linear,
        lambda: Linear >> Warmup(3),
        lambda: Warmup(3) >> Linear,
        lambda: schedule(Linear),
    ],
)
def test_a_class_that_was_not_called_is_named(joined):
    with pytest.raises(ScheduleError, match=r"Linear is a class.*Call it, as in Linear\(\.\.\.\)"):
        joined()


def test_a_function_that_makes_a_schedule_is_no_schedule():
    with pytest.raises(ScheduleError, match=r"must return a number at each step; got a Chain"):
        schedule(warmup_cosine)(3)


@given(factor=st.floats(0, 10), step=st.integers(0, 20))
def test_a_number_scales_from_either_side(factor, step):
    shape = Linear(10)
    assert factor * shape == shape * factor == np.float64(factor) * shape
    assert (factor * shape)(step) == factor * shape(step)
    assert (factor, shape) == (factor * shape).split()


def test_scalings_fold():
    assert Scaled(6.0, Linear(5)) == 2 * (3 * Linear(5))
    assert (None, Linear(5)) == Linear(5).split()


def test_a_negative_factor_needs_ascend(refused):
    message = refused(lambda: -3e-4 * Linear(5))
    assert "Scaled(factor=...) must be at least 0; got -0.0003." in message
    assert "For gradient ascent write ascend(3e-4 * ...)." in message
    up = (3e-4 * Linear(5)).ascending()
    assert up == Scaled(-3e-4, Linear(5), ascend=True) == schedule("ascend(3e-4 * linear(5))")
    assert up(0) == -3e-4
    assert 3e-4 * Linear(5) == up.ascending()
    assert str(Linear(5).ascending()) == "ascend(linear(5))"
    assert str(2 * up) == "ascend(6e-4 * linear(5))"


def test_zero_is_a_rate():
    assert (0 * Linear(5))(0) == 0.0
    assert str(-0.0 * Linear(5)) == "0 * linear(5)"


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 10**400])
def test_a_factor_must_be_finite(factor):
    with pytest.raises(ScheduleError, match="must be a finite number"):
        factor * Linear(5)


@pytest.mark.parametrize("other", ["2", True, None, [1]])
def test_only_numbers_and_schedules_multiply(other):
    with pytest.raises(TypeError):
        Linear(5) * other


@given(step=st.integers(0, 100))
def test_a_product_is_the_product_of_the_values(step):
    a, b = Cosine(50), Step(every=7)
    assert a(step) * b(step) == (a * b)(step)


def test_factors_of_a_product_move_to_the_front():
    a, b = Cosine(50), Step(every=7)
    product = (2 * a) * (3 * b)
    assert product == 6 * (a * b) == schedule("2 * cosine(50) * (3 * step(every=7))")
    assert str(product) == "6 * cosine(50) * step(every=7)"
    with pytest.raises(ScheduleError, match=r"Write a \* b"):
        Product((2 * a, b))


def test_a_part_of_a_product_without_a_length_takes_that_of_the_others():
    product = (Warmup("10%").then(Linear()) * Step(every="50%")).over(100)
    assert str(product) == "warmup(10) >> linear(90) * step(100, every=50)"


def test_the_schedules_of_a_product_are_equally_long(refused):
    assert "equally long" in refused(lambda: Linear(5) * Linear(6))
    assert "equally long" in refused(lambda: (Linear("50%") * Linear(6)).over(100))


def test_a_clamp_bounds_values_in_their_units():
    clamped = (1e-3 * Linear(10)).clamp(low=2e-4, high=8e-4)
    assert [clamped(0), clamped(5), clamped(10)] == [8e-4, 5e-4, 2e-4]
    with pytest.raises(ScheduleError, match="at most high=0"):
        Clamp(Linear(5), low=0.2, high=0.1)


@given(wait=STEPS, step=st.integers(0, 400))
def test_a_delay_waits_at_the_first_value(wait, step):
    assert Cosine(100)(max(step - wait, 0)) == Cosine(100).delay(wait)(step)
    assert wait + 100 == Delay(Cosine(100), wait).total_steps


@pytest.mark.parametrize("shape", [Constant(0), Cosine(0), Warmup(0)])
def test_a_repeat_of_a_shape_without_a_step_has_the_last_value_of_the_shape(shape):
    repeated = shape.repeat(3)
    assert repeated(0) == repeated(7) == shape(0)
    assert repeated(np.arange(4)).tolist() == [shape(0)] * 4


@given(times=st.integers(1, 5), step=st.integers(0, 300))
def test_a_repeat_begins_again(times, step):
    repeated = Cosine(40).repeat(times)
    expected = Cosine(40)(step % 40) if step < 40 * times else 0.0
    assert expected == repeated(step)


@given(times=st.integers(1, 5), total_steps=st.integers(20, 300))
def test_copies_that_cannot_be_equal_are_written_out(times, total_steps):
    repeated = Repeat(Cosine(), times).over(total_steps)
    assert total_steps == repeated.total_steps
    assert isinstance(repeated, Repeat) or total_steps % times


@given(seed=st.integers(0, 9), scale=st.floats(0.01, 1))
def test_noise_stays_within_its_scale_and_depends_on_nothing_but_seed_and_step(seed, scale):
    noisy = Noise(Constant(200), scale=scale, seed=seed)
    values = noisy.table()
    assert (abs(values - 1) <= scale).all()
    assert values[::-1].tolist() == [noisy(step) for step in range(199, -1, -1)]
    assert noisy == Constant(200).noisy(scale, seed)


def test_a_cut_stays_at_the_value_reached():
    assert pytest.approx([Cut(Linear(10), 5)(step) for step in (4, 5, 9)]) == [0.6, 0.5, 0.5]
    with pytest.raises(ScheduleError, match=r"Cut\(inner=...\) must be bound"):
        Cut(Linear(), 5)


@given(skipped=st.integers(1, 99), step=st.integers(0, 200))
def test_a_skip_leaves_the_first_steps_out(skipped, step):
    skipping = Skip(Cosine(100), skipped)
    assert Cosine(100)(step + skipped) == skipping(step)
    assert 100 - skipped == skipping.total_steps
    assert skipping == skipping.over(100 - skipped)
    with pytest.raises(ScheduleError, match="less than the length, 100; got 100"):
        Skip(Cosine(100), 100)


@given(total_steps=st.integers(10, 5000), data=st.data())
def test_a_shortened_run_keeps_its_warm_up_and_compresses_the_rest(total_steps, data):
    whole = schedule("3e-4 * warmup(5%) >> constant(45%) >> linear()").over(total_steps)
    steps = data.draw(st.integers(1, total_steps))
    trial = whole.shortened(steps)
    warmup = trial.warmup_steps
    assert trial.total_steps == trial.over(steps).total_steps == steps
    assert warmup == min(whole.warmup_steps, round(0.3 * steps))
    left, pace = steps - warmup, (total_steps - whole.warmup_steps) / (steps - warmup)
    if warmup == whole.warmup_steps:
        assert trial.table()[:warmup].tolist() == whole.table()[:warmup].tolist()
    else:
        expected = 3e-4 * np.arange(1, warmup + 1) / (warmup + 1)
        assert trial.table()[:warmup] == pytest.approx(expected)
    expected = [whole.formula(whole.warmup_steps + pace * step) for step in range(left)]
    assert trial.table()[warmup:] == pytest.approx(expected, abs=1e-15)
    assert whole.shortened(total_steps).table().tolist() == whole.table().tolist()


@given(steps=st.integers(1, 1000))
def test_a_schedule_without_warm_up_is_shortened_as_if_it_were_bound_to_fewer_steps(steps):
    assert Cosine().over(1000).shortened(steps).table() == pytest.approx(
        Cosine().over(steps).table(), abs=1e-12
    )


def test_a_warm_up_that_is_longer_than_three_tenths_of_a_run_keeps_its_share():
    whole = schedule("warmup(40%) >> cosine()").over(1000)
    assert whole.shortened(100).warmup_steps == 40
    assert whole.shortened(100).shortened(50).warmup_steps == 20


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("3e-4 * warmup(20) >> cosine(100)", 20),
        ("clamp(warmup(20) >> cosine(100), high=0.5)", 20),
        ("noise(repeat(warmup(3) >> cosine(9), times=4))", 3),
        ("(warmup(20) >> constant(80)) * rex(100)", 20),
        ("cut(warmup(20) >> cosine(100), steps=10)", 10),
        ("skip(warmup(20) >> cosine(100), steps=5)", 15),
        ("delay(warmup(20) >> cosine(100), steps=5)", 25),
        ("delay(cosine(100), steps=5)", 0),
        ("cosine(60) >> warmup(40)", 0),
        ("warmup(5%) >> cosine()", 0),
    ],
)
def test_a_schedule_knows_how_long_it_warms_up(text, steps):
    assert schedule(text).warmup_steps == steps


def test_shortening_needs_a_length_and_fewer_steps(refused):
    assert "is not bound; call .over(total_steps)" in refused(
        lambda: schedule(TRAPEZOID).shortened(50)
    )
    whole = schedule(TRAPEZOID).over(100)
    assert "must be at most the length, 100; got 101" in refused(lambda: whole.shortened(101))
    assert "must be a whole number of at least 1; got 0" in refused(lambda: whole.shortened(0))
    assert "must be a whole number of at least 1; got '9'" in refused(lambda: whole.shortened("9"))
    message = refused(lambda: schedule("shortened(warmup(5) >> linear(95), steps=50, warmup=6)"))
    assert "warmup" in message
    assert "at most the inner warm-up, 5; got 6" in message


TRAPEZOID = "3e-4 * warmup(5%) >> constant() >> linear(20%)"


@given(total_steps=st.integers(20, 2000), extra=st.integers(0, 2000))
def test_stretching_changes_nothing_until_the_stable_phase_used_to_end(total_steps, extra):
    before = schedule(TRAPEZOID).over(total_steps)
    after = before.stretch(total_steps + extra)
    assert total_steps + extra == after.total_steps
    decay = before.split()[1].parts[-1].total_steps
    steps = np.arange(total_steps - decay)
    assert before(steps).tolist() == after(steps).tolist()
    last = np.arange(decay + 1)
    assert (
        before(last + total_steps - decay).tolist()
        == after(last + total_steps + extra - decay).tolist()
    )


def test_stretching_needs_a_stable_phase_a_length_and_a_longer_run(refused):
    message = refused(lambda: schedule("warmup(5) >> cosine(95)").stretch(200))
    assert "cannot be stretched without a jump: it has no constant part to lengthen" in message
    assert "is not bound; call .over(total_steps)" in refused(
        lambda: schedule(TRAPEZOID).stretch(200)
    )
    message = refused(lambda: schedule(TRAPEZOID).over(100).stretch(50))
    assert "stretch(total_steps=...) must be at least its length, 100; got 50." in message


@given(step=st.integers(60, 700), steps=STEPS)
def test_a_cooldown_branches_off_without_a_jump(step, steps):
    base = schedule(TRAPEZOID).over(1000)
    cooled = base.cooldown(step, steps)
    until = np.arange(step + 1)
    assert base(until).tolist() == cooled(until).tolist()
    assert step + steps == cooled.total_steps
    assert cooled(step + steps) == 0.0


def test_a_cooldown_takes_any_shape_and_starts_anywhere():
    base = schedule(TRAPEZOID).over(1000)
    cooled = base.cooldown(500, 100, OneMinusSqrt(floor=0.1))
    expected = "3e-4 * warmup(50) >> constant(450) >> one_minus_sqrt(100, floor=0.1)"
    assert expected == str(cooled)
    midway = base.cooldown(900, 50)
    assert base(np.arange(900)).tolist() == midway(np.arange(900)).tolist()
    assert midway(900) == pytest.approx(base(900), rel=1e-12)
    assert midway == schedule(str(midway))


def test_a_cooldown_may_branch_off_an_endless_phase():
    cooled = schedule("warmup(50) >> constant()").cooldown(10_000, 500)
    assert str(cooled) == "warmup(50) >> constant(9950) >> linear(500)"


def test_a_cooldown_begins_within_the_run(refused):
    base = schedule(TRAPEZOID).over(1000)
    assert "must be within its 1,000 steps; got 1001" in refused(lambda: base.cooldown(1001, 5))
    assert "must be a step of at least 1; got 0" in refused(lambda: base.cooldown(0, 5))
