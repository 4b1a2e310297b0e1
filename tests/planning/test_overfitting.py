"""How likely overfitting limits the best rate, from training and validation losses of trials."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.planning._overfitting import overfitting
from learnrate.planning._result import RungTrial
from learnrate.planning._rung_losses import LadderTrial

HALF_DECADE = 0.5 * math.log(10)


def trials_of(log_losses, log_trains, steps=100, passes=None):
    """Trials half a decade apart, with their log losses."""
    return [
        LadderTrial(
            rung=0,
            steps=steps,
            log_lr=place * HALF_DECADE,
            repeat=0,
            log_loss=log_loss,
            cost=steps,
            record=RungTrial(1.0, 0, 1.0, "finished", steps, passes=passes),
            log_train=log_train,
        )
        for place, (log_loss, log_train) in enumerate(zip(log_losses, log_trains, strict=True))
    ]


def probability(trials, start, train_start):
    return overfitting(trials, start, train_start).probability


def test_losses_that_rise_together_are_not_overfitting():
    trials = trials_of([-0.5, -1.0, -0.2], [-0.5, -1.0, -0.2])
    assert probability(trials, 0.0, 0.0) < 0.02


def test_a_training_loss_that_falls_on_where_the_validation_loss_rises_is_overfitting():
    trials = trials_of([-0.5, -1.0, -0.9], [-0.5, -1.0, -3.0])
    assert probability(trials, 0.0, 0.0) > 0.8


def test_a_fall_that_the_validation_loss_does_not_share_is_overfitting():
    trials = trials_of([-0.1, -0.4, 0.2], [-0.5, -1.0, -0.2])
    assert probability(trials, 0.0, 0.0) > 0.9


def test_data_that_were_read_once_are_not_overfitted():
    losses = [-0.1, -0.4, 0.2], [-0.5, -1.0, -0.2]
    assert probability(trials_of(*losses, passes=1), 0.0, 0.0) == 0.0
    assert probability(trials_of(*losses, passes=2), 0.0, 0.0) > 0.9


def test_a_validation_loss_that_falls_far_more_than_the_training_loss_is_not_overfitting():
    assert probability(trials_of([-5.0], [-0.02]), 0.0, 0.0) == 0.0


def test_falls_within_the_noise_are_not_overfitting():
    assert probability(trials_of([0.0, 0.01, 0.02], [-0.003, 0.0, 0.0]), 0.0, 0.0) < 0.5
    assert probability(trials_of([0.1, 0.2, 0.3], [0.0, 0.1, 0.1]), 0.0, 0.0) < 0.02


@pytest.mark.parametrize(("steps", "likely"), [(13, False), (4000, True)])
def test_the_training_loss_of_a_few_batches_says_little(steps, likely):
    trials = trials_of([-0.2, -0.3, 0.2], [-0.4, -0.6, -0.2], steps=steps)
    answer = overfitting(trials, 0.0, 0.0, train_noise=0.4)
    assert (answer.probability > 0.5) is likely


def test_only_the_longest_trials_count():
    short = trials_of([-0.5, -1.0, -0.9], [-0.5, -1.0, -3.0], steps=20)
    long = trials_of([-0.5, -1.0, -0.2], [-0.5, -1.0, -0.2], steps=100)
    assert probability([*short, *long], 0.0, 0.0) < 0.02


@pytest.mark.parametrize("unknown", [math.nan, math.inf])
def test_without_training_losses_nothing_is_said(unknown):
    trials = trials_of([-0.1, -0.4, 0.2], [-0.5, -1.0, -0.2])
    assert probability(trials, 0.0, unknown) == 0.0
    assert probability(trials_of([-1.0], [unknown]), 0.0, 0.0) == 0.0
    assert probability([], 0.0, 0.0) == 0.0


losses = st.lists(st.integers(-3000, 1000).map(lambda n: n / 1000), min_size=3, max_size=3)


@given(log_losses=losses, log_trains=losses, units=st.floats(-9, 9), apart=st.floats(-1, 1))
def test_the_units_of_the_losses_do_not_matter(log_losses, log_trains, units, apart):
    before = probability(trials_of(log_losses, log_trains), 0.0, 0.0)
    scaled = trials_of(
        [loss + units for loss in log_losses], [loss + units + apart for loss in log_trains]
    )
    assert 0.0 <= before <= 1.0
    assert probability(scaled, units, units + apart) == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("train_start", [math.log(30), -math.log(30)])
def test_losses_of_different_kinds_are_compared_by_their_ranks_alone(train_start):
    unshared = trials_of([-0.1, -0.4, 0.2], [loss + train_start for loss in (-0.5, -1.0, -0.2)])
    assert probability(unshared, 0.0, train_start) == 0.0
    falls_on = trials_of([-0.5, -1.0, -0.9], [loss + train_start for loss in (-0.5, -1.0, -3.0)])
    assert probability(falls_on, 0.0, train_start) > 0.8


def test_the_reason_names_what_was_measured_and_nothing_without_it():
    both_fall = trials_of([-0.5, -1.0, -0.2], [-0.5, -1.0, -0.2])
    assert overfitting(both_fall, 0.0, 0.0).reason == ""
    gap = trials_of(
        [-0.1, -0.4, 0.2], [-0.5, -1.0, -0.2], steps=13
    )  # higher rates end higher in both
    assert overfitting(gap, 0.0, 0.0).reason == (
        "the training loss of 13 updates at 1 fell further than the validation loss"
    )
    lag = trials_of([-0.5, -1.0, -0.9], [-0.5, -1.0, -3.0])
    assert "the training loss ended lower at " in overfitting(lag, 0.0, 0.0).reason
