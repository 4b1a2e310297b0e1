"""The posterior over best rates, on losses made from its own model."""

import math

import numpy as np
import pytest

from learnrate.planning._loss_scale import LossScale, TrialLoss, linex
from learnrate.planning._surface import Surface

TOTAL = 1600


def surface_for(
    *,
    best=0.01,
    drift=-0.3,
    cliff=1.2,
    depth=0.3,
    noise=0.0,
    seed=0,
    horizons=(50, 100, 200),
    expected=1.0,
):
    """Losses of trials around the best rate of each horizon, `expected` times it."""
    random = np.random.default_rng(seed)
    trial_losses = []
    for steps in horizons:
        optimum = math.log(best) + drift * math.log(steps / TOTAL)
        for offset in (-1.5, -0.5, 0.5, 1.5):
            log_loss = -math.log(steps) + depth * float(linex(np.array(offset), cliff))
            trial_losses.append(
                TrialLoss(steps, optimum + offset, log_loss + noise * random.standard_normal())
            )
    return Surface(tuple(trial_losses), TOTAL, math.log(expected * best))


def test_the_cost_of_distance_is_zero_at_the_optimum_with_curvature_one():
    h = 1e-4
    costs = linex(np.array([-h, 0.0, h]), 1.7)
    assert costs[1] == 0.0
    assert (costs[0] - 2 * costs[1] + costs[2]) / h**2 == pytest.approx(1.0, rel=1e-4)


def test_too_high_costs_more_than_as_much_too_low():
    assert linex(np.array(1.4), 1.2) > 2 * linex(np.array(-1.4), 1.2)


@pytest.mark.parametrize("drift", [-0.5, -0.3, 0.0])
def test_the_best_rate_of_each_horizon_is_found(drift):
    surface = surface_for(drift=drift)
    for steps in (50, 100, 200):
        expected = 0.01 * (steps / TOTAL) ** drift
        assert surface.best(steps).best == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("drift", [-0.5, -0.3, -0.1])
def test_the_whole_runs_best_rate_lies_in_the_interval(drift):
    whole = surface_for(drift=drift).best(TOTAL)
    assert whole.low < 0.01 < whole.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(40):
        drift = float(np.random.default_rng(seed).normal(-0.3, 0.15))
        whole = surface_for(drift=drift, noise=0.04, seed=seed).best(TOTAL)
        hits += whole.low < 0.01 < whole.high
    assert hits >= 28  # of 40; 32 expected at 80 %, three standard deviations below


def test_the_steeper_the_loss_rises_above_the_best_rate_the_higher_is_the_expected_cliff():
    gentle, usual, steep = (surface_for(cliff=cliff).cliff for cliff in (0.7, 1.2, 3.0))
    assert 0.7 < gentle < usual < steep < 3.0
    assert usual == pytest.approx(1.2, abs=0.3)


def test_the_drift_is_shrunk_towards_what_is_published():
    assert -0.3 < surface_for(drift=0.1, noise=0.05).drift < 0.1


def test_noise_widens_the_interval():
    def width(noise):
        estimates = [surface_for(noise=noise, seed=seed).best(TOTAL) for seed in range(4)]
        return sum(estimate.high / estimate.low for estimate in estimates)

    assert width(0.0) < width(0.1) < width(0.2)


def test_further_beyond_the_longest_trial_the_interval_is_wider():
    surface = surface_for()
    widths = [surface.best(n).high / surface.best(n).low for n in (200, 800, 1600)]
    assert widths == sorted(widths)


def test_the_rate_of_least_regret_lies_below_the_middle_and_within_the_stated_factor():
    for noise in (0.0, 0.05, 0.15):
        surface = surface_for(noise=noise)
        ratio = surface.least_regret() / surface.best(TOTAL).best
        assert math.exp(-0.5) <= ratio < 1.0


def test_the_shift_of_the_rate_of_least_regret_is_that_of_linex_times_its_spread():
    surface = surface_for(noise=0.15)
    median, std = surface.log_best(TOTAL)
    truths = median + std * np.random.default_rng(0).standard_normal(100_000)
    tried = np.linspace(median - 2, median + 1, 301)
    regret = [
        np.mean(np.exp(surface.cliff * (x - truths)) - surface.cliff * (x - truths)) for x in tried
    ]
    linex_shift = tried[np.argmin(regret)] - median
    assert abs(linex_shift) > 0.05, "so much that the shift can be seen"
    assert math.log(surface.least_regret()) - median == pytest.approx(std * linex_shift, abs=0.02)


def test_the_expected_regret_is_lowest_about_where_the_rate_is_chosen():
    surface = surface_for(noise=0.05)
    chosen = surface.least_regret()
    factors = [0.1, 0.3, 1.0, 3.0, 10.0]
    regrets = [surface.expected_regret(factor * chosen) for factor in factors]
    assert min(regrets) == regrets[2]
    assert 0 < regrets[2] < 0.1


def test_trials_that_hardly_differ_leave_the_rate_open_but_cost_little():
    flat = surface_for(depth=0.02, noise=0.01)
    steep = surface_for(depth=1.0, noise=0.01)
    wide, narrow = flat.best(200), steep.best(200)
    assert wide.high / wide.low > narrow.high / narrow.low
    assert flat.expected_regret(flat.least_regret()) < 0.1


def test_where_trials_show_little_the_range_test_decides():
    vague = surface_for(depth=0.02, noise=0.05, horizons=(50,), expected=3.0).best(TOTAL)
    assert vague.best == pytest.approx(0.03, rel=0.4)


def test_where_trials_show_much_a_range_test_that_is_off_has_no_effect():
    assert surface_for(expected=3.0).best(TOTAL).best == pytest.approx(0.01, rel=0.35)


def test_each_rung_has_its_own_depth():
    flat, steep = surface_for(depth=0.1).trial_losses[:4], surface_for(depth=0.9).trial_losses[4:]
    surface = Surface((*flat, *steep), TOTAL, math.log(0.01))
    assert surface.depth(200) > 2 * surface.depth(50)


@pytest.mark.parametrize("slope", [0.05, 0.2, 1.0])
def test_the_slope_is_the_fall_of_the_lowest_log_loss_for_an_e_fold_of_horizon(slope):
    trial_losses = tuple(
        TrialLoss(steps, log_lr, abs(log_lr) - slope * math.log(steps))
        for steps in (50, 400)
        for log_lr in (-1.0, 0.0, 1.0)
    )
    assert Surface(trial_losses, TOTAL, 0.0).slope == pytest.approx(slope)


def test_one_horizon_has_no_slope():
    assert Surface(surface_for().trial_losses[:4], TOTAL, 0.0).slope is None


def test_trials_that_hardly_differ_count_as_flat_if_more_updates_hardly_help():
    def width(slope):
        trial_losses = [
            TrialLoss(steps, math.log(rate), rise - slope * math.log(steps))
            for steps in (50, 300)
            for rate, rise in ((0.005, 0.01), (0.02, 0.0))
        ]
        whole = Surface(tuple(trial_losses), TOTAL, math.log(0.01)).best(TOTAL)
        return whole.high / whole.low

    assert width(0.04) > 1.5 * width(1.0)


def test_trials_that_have_hardly_begun_to_learn_say_little_about_a_long_run():
    def drift(start):
        """Where the best rate rises with the horizon, with log losses of -3 and -5.3, and a slope of 1."""
        trial_losses = surface_for(drift=0.4, horizons=(20, 200)).trial_losses
        return Surface(trial_losses, TOTAL, math.log(0.01), start).drift

    assert drift(-2.9) < drift(0.0) == drift(math.inf)


def test_where_overfitting_limits_the_best_rate_it_falls_as_fast_as_the_run_is_longer():
    def best(overfitting):
        trial_losses = surface_for(horizons=(200,)).trial_losses
        surface = Surface(trial_losses, TOTAL, math.log(0.01), 0.0, overfitting)
        return surface.best(200).best / surface.best(TOTAL).best

    longer = TOTAL / 200
    assert longer**0.1 < best(0.0) < longer**0.4
    assert longer**0.9 < best(1.0) < longer**1.5
    assert best(0.0) < best(0.5) < best(1.0)


def test_a_run_longer_than_any_trial_is_expected_to_be_less_sensitive_to_the_rate():
    surface = surface_for()
    assert surface.depth(TOTAL) == pytest.approx(surface.depth(200) * (200 / TOTAL) ** 0.3)


def test_a_scaled_problem_has_a_scaled_answer():
    first, scaled = surface_for(), surface_for(best=0.1)
    assert scaled.best(TOTAL).best == pytest.approx(10 * first.best(TOTAL).best, rel=0.06)


def test_a_diverged_trial_pushes_the_best_rate_down_not_up():
    finished = surface_for().trial_losses
    optimum = math.log(0.01) - 0.3 * math.log(200 / TOTAL)
    diverged = TrialLoss(200, optimum + 0.8, math.inf)
    without = Surface(finished, TOTAL, math.log(0.01)).best(200).best
    assert Surface((*finished, diverged), TOTAL, math.log(0.01)).best(200).best <= without


@pytest.mark.parametrize(("start", "lowest"), [(2.3, 0.4), (1.5, -3.0), (-1.5, -1.5), (0.0, 0.0)])
def test_a_scale_and_its_inverse_agree(start, lowest):
    scale = LossScale(start, lowest)
    losses = np.array([0.3, 0.9, 2.0]) if lowest > 0 else np.array([-5.0, 0.0, 2.0])
    log_losses = np.array([scale.log_loss(loss) for loss in losses])
    assert scale.loss(log_losses) == pytest.approx(losses, rel=1e-12)
    assert (np.diff(log_losses) > 0).all()
    assert scale.log_loss(None) == math.inf
