"""The best rate of whole runs: the lowest point of a parabola, with the noise of its losses."""

import math

import numpy as np
import pytest

from learnrate.planning._loss_scale import TrialLoss
from learnrate.planning._whole_runs import WholeRuns

RATES = math.log(0.1) + math.log(10) * np.array([-0.5, -0.25, 0.0, 0.25, 0.5])


def runs(best, noise=0.0, count=3, curvature=0.3, seed=0):
    random = np.random.default_rng(seed)
    shifts = noise / math.sqrt(count) * random.standard_normal(len(RATES))
    losses = 0.5 * curvature * (RATES - math.log(best)) ** 2 + shifts
    trial_losses = tuple(
        TrialLoss(100, float(log_lr), float(loss), count)
        for log_lr, loss in zip(RATES, losses, strict=True)
    )
    return WholeRuns(trial_losses, max(noise, 1e-4))


@pytest.mark.parametrize("best", [0.06, 0.1, 0.17])
def test_the_lowest_point_of_a_parabola_is_found(best):
    low, median, high = runs(best).log_best
    assert math.exp(median) == pytest.approx(best, rel=0.01)
    assert low < median < high


def test_the_interval_holds_the_best_rate_about_as_often_as_it_says():
    hits = 0
    for seed in range(60):
        low, _, high = runs(0.12, noise=0.03, seed=seed).log_best
        hits += low < math.log(0.12) < high
    assert hits >= 40  # of 60; 48 expected at 80 %


def test_more_seeds_narrow_the_interval():
    def width(count):
        low, _, high = runs(0.1, noise=0.05, count=count).log_best
        return high - low

    assert width(16) < width(1)


def test_the_expected_regret_is_that_of_a_parabola_and_of_what_lies_between_the_rates():
    whole = runs(0.1)
    rise = 0.15 * (math.log(10) / 4) ** 2  # of the neighbours of the best rate
    between = whole.expected_regret(math.log(0.1))
    assert between == pytest.approx(0.1 * rise, rel=0.05)
    further = whole.expected_regret(math.log(0.2)) - between
    assert further == pytest.approx(0.15 * math.log(2) ** 2, rel=0.05)


def test_rates_on_the_cliff_do_not_bend_the_parabola():
    near = runs(0.1).losses
    cliff = (TrialLoss(100, math.log(0.5), 3.0), TrialLoss(100, math.log(1.0), math.inf))
    assert WholeRuns((*near, *cliff), 1e-4).log_best == runs(0.1).log_best


def test_three_rates_are_enough():
    three = tuple(
        loss for loss in runs(0.1).losses if loss.log_lr in (RATES[0], RATES[2], RATES[4])
    )
    assert math.exp(WholeRuns(three, 1e-4).log_best[1]) == pytest.approx(0.1, rel=0.02)


def test_a_rate_that_ends_higher_by_chance_is_not_a_cliff():
    """Seeds that differ by more than the rates leave the best rate open."""
    noisy = runs(0.1, noise=1.5, count=2, curvature=3.0)
    low, _, high = noisy.log_best
    assert high - low > math.log(3)


def test_the_interval_reaches_half_way_to_a_rate_that_diverged():
    falling = [TrialLoss(100, float(log_lr), -float(log_lr)) for log_lr in RATES]
    diverged = TrialLoss(100, float(RATES[-1]) + 1.0, math.inf)
    assert WholeRuns((*falling, diverged), 1e-4).log_best[2] >= RATES[-1] + 0.5


def test_the_parabola_goes_through_the_rates_within_six_tenths_of_a_decade():
    far = TrialLoss(100, float(RATES[2]) + 0.7 * math.log(10), 0.2)
    near = WholeRuns((*runs(0.1).losses, far), 1e-4)._near
    assert [loss.log_lr for loss in near] == RATES.tolist()
