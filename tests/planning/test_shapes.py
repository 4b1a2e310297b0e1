"""Which warm-up and decay are taken: another than the usual one only if it is surely better."""

import math

import pytest

from learnrate.planning._shapes import candidates, choose_shape

USUAL, *OTHERS = candidates()


def log_losses_lowered_by(gain):
    """The log loss of each candidate, 1 less its gain."""
    return {candidate: 1.0 - gain(candidate) for candidate in candidates()}


def test_where_nothing_differs_the_usual_ones_stay():
    shape, reason = choose_shape(log_losses_lowered_by(lambda candidate: 0.0), noise=0.01)
    assert shape == USUAL
    assert "the warm-up does not matter; the decay does not matter" in reason


def test_a_gain_within_the_noise_does_not_count():
    shape, _ = choose_shape(
        log_losses_lowered_by(lambda candidate: 0.1 if candidate.decay == "cosine" else 0.0),
        noise=0.04,
    )
    assert shape == USUAL


def test_a_gain_beyond_the_noise_is_taken():
    shape, reason = choose_shape(
        log_losses_lowered_by(lambda candidate: 0.1 if candidate.decay == "cosine" else 0.0),
        noise=0.01,
    )
    assert (shape.warmup, shape.decay) == (USUAL.warmup, "cosine")
    assert "the decay matters (cosine: -9.5% loss)" in reason


def test_warm_up_and_decay_are_chosen_apart():
    def gain(candidate):
        return 0.2 * (candidate.warmup == "10 % warm-up") + 0.1 * (candidate.decay == "cosine")

    shape, _ = choose_shape(log_losses_lowered_by(gain), noise=0.01)
    assert str(shape.shape) == "warmup(10%) >> cosine()"


def test_a_warm_up_that_training_needs_is_kept_and_reported():
    shape, reason = choose_shape(
        log_losses_lowered_by(
            lambda candidate: -math.inf if candidate.warmup == "no warm-up" else 0.0
        ),
        noise=0.01,
    )
    assert shape == USUAL
    assert "no warm-up: did not finish" in reason


@pytest.mark.parametrize("candidate", candidates())
def test_every_candidate_is_a_shape_that_ends_at_its_last_share(candidate):
    values = candidate.shape.over(1000).table()
    assert values.max() == 1.0
    assert values[-1] < 0.01
