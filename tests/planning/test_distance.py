"""What the distance of the weights says of the best rate of a whole run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.planning._distance import log_distances
from learnrate.planning._loss_scale import TrialLoss
from learnrate.planning._surface import Surface

TOTAL = 1000


def trials_at(distances, *, steps=100, loss=0.0):
    """Trials a factor of e apart, from a log rate of 0 on."""
    return tuple(
        TrialLoss(steps, float(place), loss, log_distance=math.log(distance))
        for place, distance in enumerate(distances)
    )


def expected(trials, log_lrs, start=1.0):
    return np.exp(log_distances(trials, start, TOTAL, np.asarray(log_lrs, dtype=float)))


def test_weights_that_keep_their_direction_move_further_in_a_longer_run():
    straight = trials_at(0.01 * np.exp(np.arange(4.0)))
    log_lrs = np.array([-2.0, 0.0, 1.5, 3.0, 5.0])
    assert expected(straight, log_lrs) == pytest.approx(0.01 * np.exp(log_lrs) * 10**0.8)


def test_weights_that_have_arrived_hardly_move_further_in_a_longer_run():
    arrived = trials_at([0.9, 0.9, 0.9])
    assert expected(arrived, [0.0, 1.0, 2.0]) == pytest.approx([0.9 * 10**0.2] * 3)
    assert expected(arrived, [-1.0])[0] == pytest.approx(0.9 * 10**0.2 / math.e)


def test_of_one_trial_the_distance_is_proportional_to_the_rate():
    assert expected(trials_at([0.5]), [-1.0, 0.0, 1.0]) == pytest.approx(
        0.5 * 10**0.8 * np.exp([-1.0, 0.0, 1.0])
    )


def test_only_the_longest_trials_that_learned_something_count():
    counted = trials_at([0.5, 0.8])
    others = (
        *trials_at([3.0, 4.0], steps=50),
        TrialLoss(100, 2.0, 1.5, log_distance=math.log(1e6)),  # above the start: thrown away
        TrialLoss(100, 3.0, math.inf),  # diverged
    )
    log_lrs = [-1.0, 0.5, 4.0]
    assert expected(counted + others, log_lrs) == pytest.approx(expected(counted, log_lrs))
    assert log_distances((TrialLoss(100, 0.0, 0.5),), 1.0, TOTAL, np.zeros(1)) is None


@given(st.lists(st.floats(-6.0, 4.0), min_size=1, max_size=6))
def test_the_distance_never_falls_with_the_rate(log_came):
    trials = trials_at(np.exp(log_came))
    came = expected(trials, np.linspace(-5.0, len(log_came) + 5.0, 61))
    assert np.isfinite(came).all()
    assert (np.diff(came) > 0.0).any()
    assert (np.diff(came) >= -1e-9 * came[1:]).all()


def surface_of(distances):
    """Trials with the lowest loss in the middle, whose fit leaves much open."""
    log_losses = (-0.55, -0.6, -0.58)
    trials = tuple(
        TrialLoss(100, math.log(lr), loss, log_distance=math.log(distance))
        for lr, loss, distance in zip((0.003, 0.01, 0.03), log_losses, distances, strict=True)
    )
    return Surface(trials, TOTAL, math.log(0.01), 0.0)


def test_the_best_rate_is_expected_where_the_distance_is_about_the_initial_norm():
    unknown, near, usual, far = (
        surface_of(distances).best(TOTAL)
        for distances in ([math.nan] * 3, [0.003, 0.01, 0.03], [0.3, 0.5, 0.8], [3.0, 10.0, 30.0])
    )
    assert far.best < 0.7 * unknown.best
    assert near.best > 1.3 * unknown.best
    assert usual.best == pytest.approx(unknown.best, rel=0.3)
    assert usual.high / usual.low < unknown.high / unknown.low
