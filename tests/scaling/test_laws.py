"""The laws of the literature."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ArgumentError, scaling

above_zero = st.floats(1e-6, 1e9)
CLOSED = {
    "linear": (scaling.linear_batch(0.1, batch=256, new_batch=8192), 3.2),
    "square root": (scaling.sqrt_batch(0.001, batch=100, new_batch=900), 0.003),
    "at the noise scale half": (scaling.noise_scale_batch(0.2, batch=64, noise_scale=64), 0.1),
    "at the noise scale the peak": (scaling.surge_batch(0.2, batch=64, noise_scale=64), 0.2),
    "width": (scaling.mup_width(0.02, width=128, new_width=512), 0.005),
    "step law": (scaling.step_law(1.0, 1.0), 1.79),
    "step law in N": (scaling.step_law(1e9, 1e10) / scaling.step_law(1e8, 1e10), 10**-0.713),
    "step law in D": (scaling.step_law(1e9, 1e11) / scaling.step_law(1e9, 1e10), 10**0.307),
    "its batch": (scaling.step_law_batch(1e10) / scaling.step_law_batch(1e9), 10**0.571),
    "horizon": (scaling.token_horizon(1.0, tokens=1, new_tokens=10), 10**-0.32),
    "horizon, own exponent": (
        scaling.token_horizon(2.0, tokens=1, new_tokens=4, exponent=-0.5),
        1.0,
    ),
}


@pytest.mark.parametrize(("value", "expected"), CLOSED.values(), ids=CLOSED)
def test_a_law_has_its_closed_form(value, expected):
    assert value == pytest.approx(expected, rel=1e-12)


@given(lr=above_zero, first=above_zero, second=above_zero, third=above_zero)
@pytest.mark.parametrize("rule", [scaling.linear_batch, scaling.sqrt_batch])
def test_two_steps_of_batch_equal_one(rule, lr, first, second, third):
    between = rule(lr, batch=first, new_batch=second)
    twice = rule(between, batch=second, new_batch=third)
    assert twice == pytest.approx(rule(lr, batch=first, new_batch=third), rel=1e-9)


@given(noise_scale=above_zero)
def test_far_below_the_noise_scale_the_rate_is_linear_and_far_above_flat(noise_scale):
    small = [
        scaling.noise_scale_batch(1.0, batch=noise_scale * 1e-6 * k, noise_scale=noise_scale)
        for k in (1, 2)
    ]
    assert small[1] / small[0] == pytest.approx(2.0, rel=1e-5)
    large = scaling.noise_scale_batch(1.0, batch=noise_scale * 1e6, noise_scale=noise_scale)
    assert large == pytest.approx(1.0, rel=1e-5)


@given(noise_scale=above_zero, ratio=st.floats(1.001, 1e6))
def test_the_surge_is_symmetrical_about_the_noise_scale_and_highest_there(noise_scale, ratio):
    above = scaling.surge_batch(1.0, batch=noise_scale * ratio, noise_scale=noise_scale)
    below = scaling.surge_batch(1.0, batch=noise_scale / ratio, noise_scale=noise_scale)
    assert above == pytest.approx(below, rel=1e-9)
    assert above < 1.0


@given(k=st.floats(0.01, 9.0))
def test_adam_scaled_there_and_back_is_as_it_was(k):
    start = scaling.AdamSettings(1e-3, 0.9, 0.999, 1e-8)
    back = scaling.adam_batch(
        scaling.adam_batch(start, batch=1, new_batch=k), batch=k, new_batch=1
    )
    assert (back.lr, back.beta1, back.beta2, back.eps) == pytest.approx(
        (start.lr, start.beta1, start.beta2, start.eps), rel=1e-9
    )


def test_adams_averages_cover_as_many_examples_at_every_batch_size():
    start = scaling.AdamSettings(1e-3, 0.9, 0.999, 1e-8)
    scaled = scaling.adam_batch(start, batch=32, new_batch=128)
    for name in ("beta1", "beta2"):
        examples = 32 / (1 - getattr(start, name))
        assert 128 / (1 - getattr(scaled, name)) == pytest.approx(examples, rel=1e-9)


CALLS = {
    "lr": lambda bad: scaling.linear_batch(bad, batch=1, new_batch=2),
    "batch": lambda bad: scaling.sqrt_batch(1.0, batch=bad, new_batch=2),
    "new_batch": lambda bad: scaling.linear_batch(1.0, batch=1, new_batch=bad),
    "noise_scale": lambda bad: scaling.noise_scale_batch(1.0, batch=1, noise_scale=bad),
    "lr_max": lambda bad: scaling.surge_batch(bad, batch=1, noise_scale=1),
    "width": lambda bad: scaling.mup_width(1.0, width=bad, new_width=2),
    "parameters": lambda bad: scaling.step_law(bad, 1.0),
    "tokens": scaling.step_law_batch,
    "new_tokens": lambda bad: scaling.token_horizon(1.0, tokens=1, new_tokens=bad),
}


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(("name", "call"), CALLS.items(), ids=CALLS)
def test_what_is_not_above_zero_is_refused_by_name(name, call, bad):
    with pytest.raises(ArgumentError, match=f"{name} must be a finite number above 0; got {bad}"):
        call(bad)


BAD_ADAM = {
    "a beta of 1": (
        scaling.AdamSettings(1e-3, 1.0, 0.99, 1e-8),
        2,
        "beta1 must lie between 0 and 1",
    ),
    "a beta that is nan": (scaling.AdamSettings(1e-3, 0.9, math.nan, 1e-8), 2, "beta2 must lie"),
    "a negative eps": (scaling.AdamSettings(1e-3, 0.9, 0.99, -1e-8), 2, "eps must be"),
    "too large a batch": (
        scaling.AdamSettings(1e-3, 0.9, 0.99, 0.0),
        11,
        "below 10 times batch, where beta1 = 0.9 becomes 0",
    ),
}


@pytest.mark.parametrize(("settings", "k", "message"), BAD_ADAM.values(), ids=BAD_ADAM)
def test_adam_outside_the_rule_is_refused(settings, k, message):
    with pytest.raises(ArgumentError, match=message):
        scaling.adam_batch(settings, batch=1, new_batch=k)


def test_an_exponent_that_is_not_a_number_is_refused():
    with pytest.raises(ArgumentError, match="exponent must be a finite number"):
        scaling.token_horizon(1.0, tokens=1, new_tokens=2, exponent=math.nan)


def test_a_number_in_quotes_is_refused_by_name():
    with pytest.raises(ArgumentError, match=r"lr must be a finite number above 0; got '0\.1'"):
        scaling.linear_batch("0.1", batch=32, new_batch=128)


def test_numbers_of_numpy_are_numbers():
    expected = scaling.linear_batch(0.5, batch=32, new_batch=128)
    assert scaling.linear_batch(np.float32(0.5), batch=np.int64(32), new_batch=128) == expected
