"""Which rates the next trial with several rates may have."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from learnrate.planning._rates_decision import RatesDecision
from learnrate.planning._rates_ladder import RatesLadder, _candidates
from learnrate.planning._rates_survey import around_best, next_neighbour
from learnrate.planning._rung_losses import LadderTrial

DECADE = math.log(10)
HALF_DECADE = DECADE / 2


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
        counting=(tried((1.5, 1.5), math.inf),),
        _tried=(np.zeros(2), np.full(2, 2.0)),
    )
    low, high = sorted(math.log(rate) for rate in RatesDecision.rates.func(decision))
    assert high == pytest.approx(2.0, abs=1e-2)
    assert 0.5 < low < 1.5 - math.log(2)


def whole_runs(loss, *, most=40):
    """Whole runs on a lattice from (0, 0), each beside the best one, with the loss of a function of decades."""
    runs = [tried((0.0, 0.0), loss(0, 0))]
    while (place := next_neighbour(runs)) is not None and len(runs) < most:
        decades = [round(log_lr / DECADE) for log_lr in place]
        runs.append(tried(tuple(place.tolist()), loss(*decades)))
    return runs


def decades_of(trial):
    return tuple(round(log_lr / DECADE) for log_lr in trial.log_lrs)


def test_whole_runs_leave_a_flat_region_and_enclose_the_best():
    """Networks die at any high rate and end alike, and the dip lies two decades below in both rates."""

    def loss(first, second):
        return 1.0 if max(first, second) >= 0 else 0.2 * ((first + 2) ** 2 + (second + 2) ** 2)

    runs = whole_runs(loss)
    assert decades_of(min(runs, key=lambda run: run.log_loss)) == (-2, -2)
    beside = {(a, b) for a in (-3, -2, -1) for b in (-3, -2, -1)}
    assert beside <= {decades_of(run) for run in runs}
    assert {decades_of(run) for run in around_best(runs)} == beside
    assert len(runs) == len({decades_of(run) for run in runs}) <= 20


def test_in_a_flat_region_whole_runs_stay_where_they_began():
    runs = whole_runs(lambda first, second: 0.002 * (first + second))
    assert len(runs) == 9
    assert max(abs(decade) for run in runs for decade in decades_of(run)) == 1


def test_once_the_best_is_enclosed_only_runs_around_it_count():
    runs = whole_runs(lambda first, second: 0.3 * ((first - 2) ** 2 + second**2))
    ladder = RatesLadder(
        4000, 100, 0.0, expected=(0.0, 0.0), expected_stds=(1.5, 1.5), names=("a", "b")
    )
    short = LadderTrial(0, 20, 0.0, 0, -9.0, 20, record=None, log_lrs=(-5.0, -5.0))
    assert len(ladder.counting([short, *runs[:-1]])) == len(runs)
    counting = ladder.counting([short, *runs])
    assert {decades_of(run) for run in counting} == {(a, b) for a in (1, 2, 3) for b in (-1, 0, 1)}
    best = np.median(ladder.posterior([short, *runs]).log_optima(100), axis=0)
    assert np.abs(best - (2 * DECADE, 0.0)).max() < HALF_DECADE


def test_a_small_budget_pays_for_no_survey():
    runs = [tried((0.0, 0.0), 1.0)]
    small, large = (
        RatesLadder(
            runs * 100, 100, 0.0, expected=(0.0, 0.0), expected_stds=(1.5, 1.5), names=("a", "b")
        )
        for runs in (15, 16)
    )
    assert "decade" in large.next(runs).reason
    assert "decade" not in small.next(runs).reason


def test_further_trials_are_made_after_the_most_that_a_budget_pays_for():
    runs = whole_runs(lambda first, second: 0.3 * (first**2 + second**2 + first * second))
    places = np.random.default_rng(0).uniform(-DECADE, DECADE, (24 - len(runs), 2))
    # As if every run had its own noise, so that the best rates stay uncertain.
    runs += [
        tried(tuple(place), 0.2 + 0.3 * number / 24)
        for number, place in enumerate(places.tolist())
    ]
    ladder = RatesLadder(
        4000, 100, 0.0, expected=(0.0, 0.0), expected_stds=(1.5, 1.5), names=("a", "b")
    )
    assert ladder.next(runs) is None
    assert ladder.extended(runs).next(runs).steps == 100
