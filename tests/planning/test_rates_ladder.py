"""Which rates the next trial with several rates may have."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from learnrate.planning._rates_decision import RatesDecision
from learnrate.planning._rates_ladder import RatesLadder, _candidates
from learnrate.planning._rung_losses import LadderTrial

HALF_DECADE = math.log(10) / 2


def tried(log_lrs, log_loss):
    return LadderTrial(1, 100, sum(log_lrs) / 2, 0, log_loss, 100, record=None, log_lrs=log_lrs)


def test_the_next_rates_lie_near_those_tried_and_below_those_that_diverged():
    trials = [tried((0.0, 0.0), 0.5), tried((1.0, 1.0), math.inf)]
    places = _candidates(np.array([5.0, 0.0]), trials)
    assert places[:, 0].max() == pytest.approx(1.0 + HALF_DECADE, abs=1e-5)
    assert places[:, 1].min() == pytest.approx(-HALF_DECADE, abs=1e-5)
    assert not (places >= 1.0).all(axis=1).any()
    assert not (np.abs(places) < 0.1).all(axis=1).any()  # what was tried is not new


def test_if_every_trial_diverged_the_next_one_is_half_a_decade_lower():
    ladder = RatesLadder(
        200, 100, 0.0, expected=(0.0, 0.0), expected_stds=(1.0, 1.0), names=("a", "b")
    )
    trials = [tried((0.0, 0.5), math.inf)]
    lower = ladder.next(trials).log_lrs
    assert lower == pytest.approx((-HALF_DECADE, 0.5 - HALF_DECADE))


def test_the_chosen_rates_are_not_all_above_half_of_those_that_diverged():
    """The excess falls towards high rates, so the limit decides."""
    decision = SimpleNamespace(
        ladder=SimpleNamespace(total_steps=100),
        posterior=SimpleNamespace(count=2, expected_excess=lambda places, _: -places.sum(axis=1)),
        trials=[tried((1.5, 1.5), math.inf)],
        _tried=(np.zeros(2), np.full(2, 2.0)),
    )
    low, high = sorted(math.log(rate) for rate in RatesDecision.rates.func(decision))
    assert high == pytest.approx(2.0, abs=1e-2)
    assert 0.5 < low < 1.5 - math.log(2)
