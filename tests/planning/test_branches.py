"""What branches of a run say about its rate."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.planning import RateBelief
from learnrate.planning._branches import highest_in_proportion, next_factor, preferred_factor

FACTORS = st.floats(1.5, 1e6)


def parabola(best):
    """The loss at a factor, if `best` is the factor of the lowest: 1 before, falling by 2 f / best at first."""
    return lambda factor: 1.0 - 2 * factor / best + (factor / best) ** 2


def climbed(loss_of, highest, room=40):
    losses = {}
    while len(losses) < room:
        factor = next_factor(losses, 1.0, highest)
        if factor is None:
            break
        losses[factor] = loss_of(factor)
    return losses


@given(FACTORS, st.floats(10, 1e6))
def test_the_climb_ends_within_a_factor_of_4_of_the_best_rate_of_a_parabola(best, above):
    losses = climbed(parabola(best), best * above)
    reached = highest_in_proportion(losses, 1.0)
    assert reached <= 2 * best  # the halves of several intervals may add up
    assert 4 * reached > best * (1 - 1e-9) or reached == 1
    assert len(losses) <= 12


@given(st.floats(0.1, 3.4))
def test_a_rate_near_the_best_is_compared_with_four_times_it_and_a_too_high_one_with_a_quarter(
    best,
):
    losses = climbed(parabola(best), 1e6)
    assert sorted(losses) == ([0.25] if parabola(best)(1.0) > 1 else []) + [1.0, 4.0]
    assert highest_in_proportion(losses, 1.0) == 1.0


def test_a_loss_that_rises_or_is_not_known_before_is_not_a_proportion():
    assert highest_in_proportion({1.0: 1.1, 4.0: 1.05}, 1.0) == 1.0
    assert highest_in_proportion({1.0: 0.9, 4.0: 0.1}, None) == 1.0
    assert next_factor({1.0: 0.9, 4.0: 0.1}, None, 1e6) is None
    assert highest_in_proportion({1.0: 0.9, 4.0: math.inf}, 1.0) == 1.0


def test_a_proportion_bounds_the_rate_from_below_and_the_plan_is_weighted_else():
    plan = RateBelief(1e-3, 1e-3 / math.exp(2.56), 1e-3 * math.exp(2.56))  # as unsure as branches
    far_too_low = {1.0: 0.99, 4.0: 0.96, 64.0: 0.5, 512.0: math.inf}
    near = {0.25: 0.97, 1.0: 0.95, 4.0: 0.94}
    assert plan.after(1e-3, near, 1.0).rate == pytest.approx(2e-3, rel=0.01)
    raised = plan.after(1e-3, far_too_low, 1.0)
    assert raised.rate == raised.bound == pytest.approx(0.064)
    lower_won = {0.25: 0.4, 1.0: 0.5, 4.0: 0.6}
    assert raised.after(0.064, lower_won, 1.0).rate == pytest.approx(0.064)
    diverged = {0.25: 0.4, 1.0: math.inf, 4.0: math.inf}
    assert raised.after(0.064, diverged, 1.0).rate < 0.016
    sure = RateBelief(1.0, 1 - 1e-9, 1 + 1e-9)
    assert sure.after(1e-3, far_too_low, 1.0).rate == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("at_present", [1.1, math.inf])
def test_a_lower_rate_is_evidence_only_if_the_loss_rises_at_the_present_one(at_present):
    plan = RateBelief(1e-3, 1e-5, 1e-1)
    assert plan.after(2e-3, {0.25: 0.4, 1.0: 0.5, 4.0: 0.6}, 1.0).rate == 2e-3
    rises = {1.0: at_present, 4.0: math.inf}
    assert next_factor(rises, 1.0, 1e6) == 0.25
    assert plan.after(2e-3, rises | {0.25: 0.4}, 1.0).rate < 1e-3


def test_the_present_rate_is_preferred_among_equals():
    assert preferred_factor({0.25: 1.0, 1.0: 1.0, 4.0: 1.0}) == 1.0
    assert preferred_factor({0.25: 0.5, 1.0: 1.0, 4.0: np.inf}) == 0.25
