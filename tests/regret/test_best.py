import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from regret.best import best_of

SEEDS = [3, 5, 7]
LRS = [10 ** (at / 6) for at in range(-18, -1)]


def table_of(log_losses, seeds=SEEDS):
    losses = np.exp(log_losses)
    return {
        "seeds": seeds,
        "lr": LRS,
        "loss": [[one if math.isfinite(one) else None for one in row] for row in losses.tolist()],
    }


def valley(best, curvature, levels=(0.0, 0.1, -0.2)):
    height = curvature * (np.log(LRS) - math.log(best)) ** 2
    return height[:, None] + np.array(levels)


@given(st.floats(6e-3, 0.08), st.floats(0.01, 0.05))
def test_a_parabola_without_noise_gives_its_own_vertex_and_losses(best, curvature):
    found = best_of(table_of(valley(best, curvature)))
    assert found.rate == pytest.approx(best, rel=1e-6)
    assert found.loss == pytest.approx(dict(zip(SEEDS, np.exp([0, 0.1, -0.2]), strict=True)))


def test_the_best_loss_is_less_lucky_than_the_lowest_mean():
    draws = np.random.default_rng(0)
    lowest, fitted = [], []
    for _ in range(200):
        noisy = valley(0.02, 0.02) + draws.normal(0, 0.02, (len(LRS), 3))
        lowest.append(noisy.mean(axis=1).min())
        fitted.append(np.mean(np.log([*best_of(table_of(noisy)).loss.values()])))
    level = np.mean([0, 0.1, -0.2])
    assert np.mean(lowest) - level < -0.007
    assert abs(np.mean(fitted) - level) < 0.004


def test_the_stated_error_is_the_deviation_of_the_best_loss():
    draws = np.random.default_rng(1)
    found = [
        best_of(table_of(valley(0.02, 0.02) + draws.normal(0, 0.02, (len(LRS), 3))))
        for _ in range(300)
    ]
    spread = np.std([np.mean(np.log([*one.loss.values()])) for one in found])
    assert spread == pytest.approx(np.mean([one.error for one in found]), rel=0.4)
    assert np.mean([one.noise for one in found]) == pytest.approx(0.02, rel=0.15)


def test_a_cliff_beside_the_best_rate_does_not_bend_the_fit():
    logs = valley(0.02, 0.02)
    logs[np.array(LRS) > 0.04] = [2.0, 0.5, np.inf]
    found = best_of(table_of(logs))
    assert found.rate == pytest.approx(0.02, rel=0.05)
    assert found.loss[3] == pytest.approx(1.0, rel=0.01)


def test_excess_compares_runs_with_the_same_seeds_alone():
    found = best_of(table_of(valley(0.02, 0.02)))
    assert found.excess({5: 1.1 * math.exp(0.1)})[0] == pytest.approx(0.1)
    assert found.excess({3: 1.0, 5: math.inf})[0] == math.inf


def test_what_is_read_off_the_truth_is_what_was_measured_at_its_rates():
    found = best_of(table_of(valley(0.02, 0.02)))
    at = LRS[4]
    assert found.expected(at) == pytest.approx(math.exp(0.02 * math.log(at / 0.02) ** 2) - 1)
    assert found.expected(1e-9) is None


def test_a_table_in_which_every_rate_diverged_has_no_best():
    with pytest.raises(ValueError, match="no rate finished"):
        best_of(table_of(np.full((len(LRS), 3), np.inf)))
