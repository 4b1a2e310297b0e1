"""The loss with two minima: its derivative, its barrier, and when descent leaves a minimum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.claims._basins import SHARP, WIDE, TwoBasins

places = st.floats(-5.0, 10.0)
widths = st.floats(0.1, 2.0)


@given(places, widths, widths)
def test_the_gradient_is_the_derivative_of_the_loss(place, sharp, wide):
    basins, gap = TwoBasins(sharp, wide), 1e-5
    after, before = basins.loss(np.array([place + gap, place - gap]))
    assert basins.gradient(np.array([place]))[0] == pytest.approx(
        (after - before) / (2 * gap), rel=1e-3, abs=1e-2
    )


@given(widths, widths)
def test_at_the_barrier_both_minima_pull_with_equal_weight(sharp, wide):
    barrier = TwoBasins(sharp, wide).barrier
    assert barrier / sharp == pytest.approx((WIDE - barrier) / wide)


def test_without_noise_a_low_rate_settles_in_the_minimum_it_starts_in():
    start = np.array([SHARP + 0.1, WIDE - 0.1])
    ends, passed = TwoBasins().descend(start, np.full(300, 0.05), 0.0, seed=0)
    assert ends == pytest.approx([SHARP, WIDE], abs=0.05)
    assert passed.tolist() == [301, 1]  # the second one starts beyond the barrier


def test_the_first_update_beyond_the_barrier_counts():
    _, passed = TwoBasins().descend(np.array([0.2]), np.full(9, -1.0), 0.0, seed=0)
    assert passed.tolist() == [1]
