"""The tests beneath the controllers, against SciPy and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from learnrate import ArgumentError
from learnrate._statistics import (
    fitted_line,
    mean_half_width,
    rising_rank_p,
    student_quantile,
    student_tail,
)
from learnrate.controllers._evidence import BATCHES, BatchMeans

numbers = st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=10, max_size=32)


# SciPy's tail with one degree of freedom is off by 2e-9 where |t| is about 1e-8.
@given(t=st.floats(-50, 50).map(lambda t: round(t, 6)))
def test_the_tail_of_students_t_has_its_closed_forms(t):
    assert student_tail(t, 1) == pytest.approx(0.5 - math.atan(t) / math.pi, abs=1e-9)
    assert student_tail(t, 2) == pytest.approx(0.5 - t / (2 * math.sqrt(2 + t * t)), abs=1e-9)


@given(tail=st.floats(1e-4, 0.49), freedom=st.integers(1, 60))
def test_the_quantile_of_students_t_is_where_its_tail_begins(tail, freedom):
    assert student_tail(student_quantile(tail, freedom), freedom) == pytest.approx(tail, rel=1e-6)


@given(values=numbers.filter(lambda v: np.std(v) > 1e-2))
def test_the_fitted_line_is_scipys(values):
    line, oracle = fitted_line(values), stats.linregress(range(len(values)), values)
    assert line.slope == pytest.approx(oracle.slope, rel=1e-6, abs=1e-9)
    if line.error > 0:
        assert line.error == pytest.approx(oracle.stderr, rel=1e-5)
        expected = stats.t.cdf(oracle.slope / oracle.stderr, len(values) - 2)
        assert line.falling_p == pytest.approx(expected, abs=1e-6)


def test_a_line_without_residuals_is_certain_to_rise_or_to_fall():
    assert fitted_line([3.0, 2.0, 1.0, 0.0]).falling_p == 0.0
    assert fitted_line([0.0, 1.0, 2.0, 3.0]).falling_p == 1.0
    assert fitted_line([0.1] * 9).falling_p == 0.5


def test_the_half_width_is_scipys():
    values = [0.3, 1.2, -0.4, 0.8, 0.1]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert mean_half_width(values, 0.95) == pytest.approx((high - low) / 2, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(values=numbers)
def test_a_rank_test_sees_order_alone_and_both_sides_add_up(values):
    p, q = rising_rank_p(values), rising_rank_p([-value for value in values])
    assert rising_rank_p([2.0 * value + 1.0 for value in values]) == pytest.approx(p, rel=1e-6)
    assert 1.0 - 1e-9 <= p + q <= 1.5  # 1, and what the continuity correction gives away twice


def test_without_any_order_a_rank_test_says_nothing():
    assert rising_rank_p([1.0] * 16) == 0.5


def test_the_rank_test_rejects_as_often_as_it_says_under_correlated_noise():
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((2000, 24))
    for i in range(1, 24):
        noise[:, i] = 0.3 * noise[:, i - 1] + 0.91**0.5 * noise[:, i]
    rejected = np.mean([rising_rank_p(row.tolist()) < 0.05 for row in noise])
    assert rejected < 0.07


def filled(values, keep=0.5, at_least=1):
    series = BatchMeans()
    for value in values:
        series = series.added(value, keep=keep, at_least=at_least)
    return series


@given(
    n=st.integers(0, 3000),
    keep=st.sampled_from([0.125, 0.5]),
    at_least=st.sampled_from([1, 100]),
)
@settings(max_examples=30, deadline=None)
def test_a_series_keeps_the_recent_values_in_few_batches(n, keep, at_least):
    series = filled(map(float, range(n)), keep, at_least)
    assert series.count == n
    assert len(series.means) < 2 * BATCHES
    assert series.length + series.filled >= min(n, max(at_least, keep * n))
    assert series.length <= max(at_least, keep * n) + 3 * series.size
    last = n - series.filled
    ends = [last - series.size * i for i in range(len(series.means))]
    expected = [end - (series.size + 1) / 2 for end in reversed(ends)]
    assert list(series.means) == pytest.approx(expected)


@pytest.mark.parametrize("counts", [(0, 0, 0), (4, 4, 4), (4, -1, 0), (4, 3, 2)])
def test_a_series_that_cannot_be_is_refused(counts):
    size, filled, count = counts
    with pytest.raises(ArgumentError, match="at least 1, below size, at least filled"):
        BatchMeans(size=size, filled=filled, count=count)


def test_a_series_always_has_enough_batches_for_a_test():
    series = BatchMeans()
    for n in range(1, 2000):
        series = series.added(1.0, keep=0.125, at_least=2 * BATCHES)
        assert len(series.means) >= min(n, BATCHES)
