"""Which warm-up and decay are taken: only another one that is surely better."""

import math

import pytest

from learnrate.planning._shapes import candidates, chosen

USUAL, *OTHERS = candidates()


def by(change):
    """The height of each, lower by what `change` says."""
    return {one: 1.0 - change(one) for one in candidates()}


def test_where_nothing_differs_the_usual_ones_stay():
    taken, said = chosen(by(lambda one: 0.0), noise=0.01)
    assert taken == USUAL
    assert "the warm-up does not matter; the decay does not matter" in said


def test_a_gain_within_the_noise_does_not_count():
    taken, _ = chosen(by(lambda one: 0.1 if one.decay == "cosine" else 0.0), noise=0.04)
    assert taken == USUAL


def test_a_gain_beyond_the_noise_is_taken():
    taken, said = chosen(by(lambda one: 0.1 if one.decay == "cosine" else 0.0), noise=0.01)
    assert (taken.warmup, taken.decay) == (USUAL.warmup, "cosine")
    assert "the decay matters (cosine: -9.5% loss)" in said


def test_warm_up_and_decay_are_chosen_apart():
    def gain(one):
        return 0.2 * (one.warmup == "10 % warm-up") + 0.1 * (one.decay == "cosine")

    taken, _ = chosen(by(gain), noise=0.01)
    assert str(taken.shape) == "warmup(10%) >> cosine()"


def test_a_warm_up_that_training_needs_is_kept_and_said():
    taken, said = chosen(
        by(lambda one: -math.inf if one.warmup == "no warm-up" else 0.0), noise=0.01
    )
    assert taken == USUAL
    assert "no warm-up: did not finish" in said


@pytest.mark.parametrize("one", candidates())
def test_every_candidate_is_a_shape_that_ends_at_its_last_share(one):
    values = one.shape.over(1000).table()
    assert values.max() == 1.0
    assert values[-1] < 0.01
