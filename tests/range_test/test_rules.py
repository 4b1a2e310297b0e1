"""The rules that read a curve, against slow references of what their authors describe."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.range_test import RULES, smoothed, without_dips

curves = st.lists(st.floats(0.125, 8, width=32), min_size=20, max_size=60, unique=True)


def rates(n):
    return np.geomspace(1e-6, 1, n)


def slow_valley(lr, loss):
    n = len(loss)
    length, end = [1] * n, 0
    for i in range(1, n):
        for j in range(i):
            if loss[i] < loss[j] and length[i] < length[j] + 1:
                length[i] = length[j] + 1
            if length[end] < length[i]:
                end = i
    section = length[end] / 3
    return lr[max(0, end - length[end] + int(section) + int(section / 2))]


def slow_slide(lr, loss):
    slope = np.gradient(loss)
    right, left = -1, -1 - min(15, len(loss) - 1)
    rate = lr[left]
    while left >= -len(loss) and abs(slope[right] - slope[left]) > 0.005:
        rate = lr[left]
        right, left = right - 1, left - 1
    return rate


def slow_steepest(lr, loss):
    """Central differences on log-spaced rates, written out."""
    slopes = [
        (loss[min(i + 1, len(loss) - 1)] - loss[max(i - 1, 0)])
        / (np.log(lr[min(i + 1, len(lr) - 1)]) - np.log(lr[max(i - 1, 0)]))
        for i in range(len(loss))
    ]
    return lr[int(np.argmin(slopes))]


def slow_minimum(lr, loss):
    return lr[list(loss).index(min(loss))] / 10


REFERENCES = {
    "steepest": slow_steepest,
    "valley": slow_valley,
    "slide": slow_slide,
    "minimum": slow_minimum,
}


@pytest.mark.parametrize("name", RULES)
@given(loss=curves)
def test_a_rule_answers_as_its_reference_does(name, loss):
    lr = rates(len(loss))
    expected = REFERENCES[name](lr, np.array(loss))
    assert RULES[name](lr, np.array(loss)) == pytest.approx(expected, rel=1e-12)


def s_curve(n=200, falls_at=1e-3, explodes_at=1e-1):
    lr = np.geomspace(1e-8, 1, n)
    fall = 1 / (1 + (lr / falls_at) ** -2)
    return lr, 2.3 - 2 * fall + (lr / explodes_at) ** 4


def test_on_a_clean_curve_the_steepest_rule_finds_the_middle_of_the_fall():
    assert RULES["steepest"](*s_curve()) == pytest.approx(1e-3, rel=0.1)


def test_on_a_clean_curve_the_minimum_rule_stays_a_tenth_below_the_lowest_loss():
    lr, loss = s_curve()
    assert RULES["minimum"](lr, loss) == lr[np.argmin(loss)] / 10


@pytest.mark.parametrize("name", RULES)
def test_a_rule_depends_on_log_rates_not_on_their_unit(name):
    lr, loss = s_curve()
    assert RULES[name](100 * lr, loss) == pytest.approx(100 * RULES[name](lr, loss), rel=1e-9)


@given(value=st.floats(-100, 100), memory=st.floats(0, 0.99), n=st.integers(1, 50))
def test_smoothing_a_constant_gives_that_constant_from_the_first_value_on(value, memory, n):
    assert smoothed(np.full(n, value), memory) == pytest.approx(np.full(n, value), abs=1e-9)


def test_smoothing_is_the_weighted_mean_of_the_past():
    loss = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
    expected = [
        np.average(loss[: i + 1], weights=0.7 ** np.arange(i, -1, -1)) for i in range(len(loss))
    ]
    assert smoothed(loss, 0.7) == pytest.approx(expected, rel=1e-12)


def test_smoothing_is_nan_from_the_first_loss_that_is_not_finite():
    loss = np.array([1.0, 2.0, np.inf, 1.0])
    assert np.isfinite(smoothed(loss, 0.5)).tolist() == [True, True, False, False]


def test_the_last_loss_before_the_end_is_never_taken_for_a_dip():
    loss = np.array([1.0, 1.01, 1.0, 1.01, 1.0, 0.2, np.nan, np.nan])
    assert np.array_equal(without_dips(loss), loss, equal_nan=True)


def test_three_differences_nearby_are_enough_to_see_a_dip():
    loss = np.array([8.0, 8.1, 1.0, 8.1, 8.0, 8.1])
    assert without_dips(loss).tolist() == [8.0, 8.1, 8.1, 8.1, 8.0, 8.1]
    assert without_dips(loss[1:]).tolist() == loss[1:].tolist()  # two are not
