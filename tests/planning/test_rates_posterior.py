"""The posterior over several rates finds what the losses were made of."""

import math

import numpy as np
import pytest

from learnrate.planning._loss_scale import compress, linex
from learnrate.planning._rates_posterior import RatesLoss, RatesPosterior

BEST = np.array([-3.0, -6.0])
DEPTHS = np.array([0.25, 0.03])
PLACES = [(-3.5, -6.5), (-3.0, -5.0), (-2.0, -6.0), (-3.2, -8.0), (-1.5, -7.0), (-4.5, -5.5)]


def made_of(places, best=BEST, depths=DEPTHS, steps=400):
    """Losses of the model itself, without noise."""
    return tuple(
        RatesLoss(
            steps,
            place,
            -1.0 + float(compress((depths * linex(np.array(place) - best, 1.2)).sum())),
        )
        for place in places
    )


@pytest.fixture(scope="module")
def posterior():
    return RatesPosterior(made_of(PLACES), 400, (-3.5, -5.0), (1.5, 1.5), start=1.0)


def test_it_finds_the_best_rates_and_which_of_them_matters(posterior):
    low, middle, high = np.quantile(posterior.log_optima(400), [0.05, 0.5, 0.95], axis=0)
    assert np.all(low < BEST)
    assert np.all(high > BEST)
    assert abs(middle[0] - BEST[0]) < 0.3
    assert high[0] - low[0] < 0.5 * (high[1] - low[1])
    assert posterior.shares[0] > 0.75


def test_the_expected_excess_is_least_near_the_best_rates(posterior):
    places = np.array([BEST, BEST + np.array([1.5, 0.0]), BEST - np.array([1.5, 0.0])])
    at_best, above, below = posterior.expected_excess(places, 400)
    assert at_best < 0.5 * below < 0.5 * above


def test_equal_losses_give_equal_posteriors(posterior):
    again = RatesPosterior(made_of(PLACES), 400, (-3.5, -5.0), (1.5, 1.5), start=1.0)
    assert np.array_equal(again.points.rows, posterior.points.rows)


def test_without_trials_it_is_the_prior_of_the_range_tests():
    prior = RatesPosterior((), 400, (-3.5, -5.0), (0.5, 1.5))
    low, middle, high = np.quantile(prior.log_optima(400), [0.25, 0.5, 0.75], axis=0)
    assert middle == pytest.approx([-3.5, -5.0], abs=0.2)
    # Student's t with three degrees of freedom: half of it lies within 0.765 standard deviations.
    assert (high - low) / 2 == pytest.approx(np.array([0.5, 1.5]) * 0.765, rel=0.15)


def test_a_longer_run_has_lower_rates_and_is_less_certain(posterior):
    longer = posterior.log_optima(4000)
    assert np.all(np.median(longer, axis=0) < np.median(posterior.log_optima(400), axis=0))
    assert np.all(longer.std(axis=0) > posterior.log_optima(400).std(axis=0))


def test_some_likely_best_rates_are_below_those_of_a_trial_that_diverged():
    losses = (*made_of(PLACES[:3]), RatesLoss(400, (-2.5, -5.5), math.inf))
    posterior = RatesPosterior(losses, 400, (-1.0, -3.0), (1.5, 1.5), start=1.0)
    optima = posterior.log_optima(400)
    beyond = (optima > np.array([-2.3, -5.3])).all(axis=1)
    assert beyond.mean() < 0.02


def test_the_best_value_of_a_rate_that_hardly_matters_is_not_sought_far_from_what_was_tried():
    """Far from the trials the model is flat too, and would explain equal losses as well."""
    losses = {  # of whole runs on a table of patients, by the decades of both rates
        (0, 0): -0.609, (0, -1): -0.615, (0, -2): -0.605, (1, 0): -0.59, (1, -1): -0.596,
        (1, -2): -0.597, (-1, 0): -0.54, (-1, -1): -0.236, (-1, -2): -0.145,
    }  # fmt: skip
    trials = tuple(
        RatesLoss(200, (first * math.log(10), second * math.log(10)), loss)
        for (first, second), loss in losses.items()
    )
    posterior = RatesPosterior(trials, 200, (0.0, -math.log(10)), (1.15, 1.15), start=-0.03)
    low, high = np.quantile(posterior.log_optima(200), [0.02, 0.98], axis=0) / math.log(10)
    assert np.all(low > [-2.5, -3.5])
    assert np.all(high < [2.0, 1.0])
    assert posterior.expected_excess(np.array([[0.0, 0.0]]), 200)[0] < 0.05


def test_a_ratio_that_matters_is_found():
    # As of a generator and a discriminator: along the ratio it is steep, along the mean nearly flat.
    places = [(-4.0, -5.0), (-3.0, -6.0), (-2.0, -7.0), (-3.0, -5.0), (-2.0, -5.0), (-4.0, -7.0)]
    losses = tuple(
        RatesLoss(400, place, 0.05 * (place[0] - place[1] - 3.0) ** 2) for place in places
    )
    posterior = RatesPosterior(losses, 400, (-3.0, -6.0), (1.5, 1.5), start=2.0)
    together, apart = posterior.expected_excess(np.array([(-3.5, -6.5), (-3.5, -5.5)]), 400)
    assert together < 0.85 * apart
