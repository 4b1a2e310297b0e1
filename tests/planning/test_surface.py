"""The posterior over best rates, on losses made from its own model."""

import math

import numpy as np
import pytest

from learnrate.planning._heights import Observation, Scale, linex
from learnrate.planning._surface import Surface

TOTAL = 1600


def made(
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
    observations = []
    for steps in horizons:
        optimum = math.log(best) + drift * math.log(steps / TOTAL)
        for offset in (-1.5, -0.5, 0.5, 1.5):
            height = -math.log(steps) + depth * float(linex(np.array(offset), cliff))
            observations.append(
                Observation(steps, optimum + offset, height + noise * random.standard_normal())
            )
    return Surface(tuple(observations), TOTAL, math.log(expected * best))


def test_the_cost_of_distance_is_zero_at_the_optimum_with_curvature_one():
    h = 1e-4
    at = linex(np.array([-h, 0.0, h]), 1.7)
    assert at[1] == 0.0
    assert (at[0] - 2 * at[1] + at[2]) / h**2 == pytest.approx(1.0, rel=1e-4)


def test_too_high_costs_more_than_as_much_too_low():
    assert linex(np.array(1.4), 1.2) > 2 * linex(np.array(-1.4), 1.2)


@pytest.mark.parametrize("drift", [-0.5, -0.3, 0.0])
def test_the_best_rate_of_each_horizon_is_found(drift):
    surface = made(drift=drift)
    for steps in (50, 100, 200):
        expected = 0.01 * (steps / TOTAL) ** drift
        assert surface.best(steps).best == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("drift", [-0.5, -0.3, -0.1])
def test_the_whole_runs_best_rate_lies_in_the_interval(drift):
    whole = made(drift=drift).best(TOTAL)
    assert whole.low < 0.01 < whole.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    held = 0
    for seed in range(40):
        drift = float(np.random.default_rng(seed).normal(-0.3, 0.15))
        whole = made(drift=drift, noise=0.04, seed=seed).best(TOTAL)
        held += whole.low < 0.01 < whole.high
    assert held >= 28  # of 40; 32 expected at 80 %, three standard deviations below


def test_the_drift_is_shrunk_towards_what_is_published():
    assert -0.3 < made(drift=0.1, noise=0.05).drift < 0.1


def test_noise_widens_the_interval():
    def width(noise):
        found = [made(noise=noise, seed=seed).best(TOTAL) for seed in range(4)]
        return sum(one.high / one.low for one in found)

    assert width(0.0) < width(0.1) < width(0.2)


def test_further_beyond_the_longest_trial_the_interval_is_wider():
    surface = made()
    widths = [surface.best(n).high / surface.best(n).low for n in (200, 800, 1600)]
    assert widths == sorted(widths)


def test_the_rate_of_least_regret_lies_below_the_middle_and_within_the_stated_factor():
    for noise in (0.0, 0.05, 0.15):
        surface = made(noise=noise)
        ratio = surface.least_regret() / surface.best(TOTAL).best
        assert math.exp(-0.5) <= ratio < 1.0


def test_the_rate_of_least_regret_makes_its_spread_of_the_shift_that_linex_asks_for():
    surface = made(noise=0.15)
    middle, spread = surface.location(TOTAL)
    truths = middle + spread * np.random.default_rng(0).standard_normal(100_000)
    tried = np.linspace(middle - 2, middle + 1, 301)
    regret = [
        np.mean(np.exp(surface.cliff * (x - truths)) - surface.cliff * (x - truths)) for x in tried
    ]
    asked = tried[np.argmin(regret)] - middle
    assert abs(asked) > 0.05, "so much that the shift can be seen"
    assert math.log(surface.least_regret()) - middle == pytest.approx(spread * asked, abs=0.02)


def test_the_expected_regret_is_lowest_about_where_the_rate_is_chosen():
    surface = made(noise=0.05)
    chosen = surface.least_regret()
    factors = [0.1, 0.3, 1.0, 3.0, 10.0]
    regrets = [surface.expected_regret(factor * chosen) for factor in factors]
    assert min(regrets) == regrets[2]
    assert 0 < regrets[2] < 0.1


def test_trials_that_hardly_differ_leave_the_rate_open_but_cost_little():
    flat = made(depth=0.02, noise=0.01)
    steep = made(depth=1.0, noise=0.01)
    wide = flat.best(TOTAL).high / flat.best(TOTAL).low
    assert wide > steep.best(TOTAL).high / steep.best(TOTAL).low
    assert flat.expected_regret(flat.least_regret()) < 0.1


def test_where_trials_say_little_the_range_test_is_believed():
    vague = made(depth=0.02, noise=0.05, horizons=(50,), expected=3.0).best(TOTAL)
    assert vague.best == pytest.approx(0.03, rel=0.4)


def test_where_trials_say_much_a_range_test_that_is_off_is_not_believed():
    assert made(expected=3.0).best(TOTAL).best == pytest.approx(0.01, rel=0.35)


def test_each_rung_has_its_own_depth():
    flat, steep = made(depth=0.1).observations[:4], made(depth=0.9).observations[4:]
    surface = Surface((*flat, *steep), TOTAL, math.log(0.01))
    assert surface.depth(200) > 2 * surface.depth(50)


@pytest.mark.parametrize("slope", [0.05, 0.2, 1.0])
def test_the_slope_is_the_fall_of_the_lowest_height_for_an_e_fold_of_horizon(slope):
    seen = tuple(
        Observation(steps, at, abs(at) - slope * math.log(steps))
        for steps in (50, 400)
        for at in (-1.0, 0.0, 1.0)
    )
    assert Surface(seen, TOTAL, 0.0).slope == pytest.approx(slope)


def test_one_horizon_has_no_slope():
    assert Surface(made().observations[:4], TOTAL, 0.0).slope is None


def test_where_more_updates_hardly_help_so_are_trials_that_hardly_differ_taken_for_flat():
    def width(slope):
        seen = [
            Observation(steps, math.log(rate), rise - slope * math.log(steps))
            for steps in (50, 300)
            for rate, rise in ((0.005, 0.01), (0.02, 0.0))
        ]
        whole = Surface(tuple(seen), TOTAL, math.log(0.01)).best(TOTAL)
        return whole.high / whole.low

    assert width(0.04) > 1.5 * width(1.0)


def test_trials_that_have_hardly_begun_to_learn_say_little_of_a_long_run():
    def drift(start):
        """Where the best rate rises with the horizon, of heights of -3 and -5.3, and a slope of 1."""
        seen = made(drift=0.4, horizons=(20, 200)).observations
        return Surface(seen, TOTAL, math.log(0.01), start).drift

    assert drift(-2.9) < drift(0.0) < drift(math.inf)


def test_a_run_longer_than_any_trial_is_expected_to_mind_the_rate_less():
    surface = made()
    assert surface.depth(TOTAL) == pytest.approx(surface.depth(200) * (200 / TOTAL) ** 0.3)


def test_a_scaled_problem_has_a_scaled_answer():
    one, other = made(), made(best=0.1)
    assert other.best(TOTAL).best == pytest.approx(10 * one.best(TOTAL).best, rel=0.06)


def test_a_diverged_trial_pushes_the_best_rate_down_not_up():
    finished = made().observations
    optimum = math.log(0.01) - 0.3 * math.log(200 / TOTAL)
    diverged = Observation(200, optimum + 0.8, math.inf)
    without = Surface(finished, TOTAL, math.log(0.01)).best(200).best
    assert Surface((*finished, diverged), TOTAL, math.log(0.01)).best(200).best <= without


@pytest.mark.parametrize(("start", "lowest"), [(2.3, 0.4), (1.5, -3.0)])
def test_a_scale_and_its_inverse_agree(start, lowest):
    scale = Scale(start, lowest)
    losses = np.array([0.3, 0.9, 2.0]) if lowest > 0 else np.array([-5.0, 0.0, 2.0])
    heights = np.array([scale.height(loss) for loss in losses])
    assert scale.loss(heights) == pytest.approx(losses, rel=1e-12)
    assert (np.diff(heights) > 0).all()
    assert scale.height(None) == math.inf
