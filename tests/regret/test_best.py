import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from regret.best import best_of

SEEDS = [3, 5, 7]
LRS = [10 ** (index / 6) for index in range(-18, -1)]


def table_of(log_losses, seeds=SEEDS):
    losses = np.exp(log_losses)
    return {
        "seeds": seeds,
        "lr": LRS,
        "loss": [
            [loss if math.isfinite(loss) else None for loss in row] for row in losses.tolist()
        ],
    }


def valley(best, curvature, levels=(0.0, 0.1, -0.2)):
    log_loss = curvature * (np.log(LRS) - math.log(best)) ** 2
    return log_loss[:, None] + np.array(levels)


@given(st.floats(6e-3, 0.08), st.floats(0.01, 0.05))
def test_a_parabola_without_noise_gives_its_vertex_and_losses(vertex, curvature):
    best = best_of(table_of(valley(vertex, curvature)))
    assert best.rate == pytest.approx(vertex, rel=1e-6)
    assert best.loss == pytest.approx(dict(zip(SEEDS, np.exp([0, 0.1, -0.2]), strict=True)))


def test_an_interval_that_the_truth_cannot_exclude_reaches_its_range_or_half_a_step_of_its_grid():
    best = best_of(
        table_of(valley(0.02, 0.05))
    )  # without noise, so the range is the best rate alone
    half_step = 10 ** (1 / 12)
    assert best.cannot_exclude(0.01, 0.02 / half_step * 1.01)
    assert best.cannot_exclude(0.02 * half_step * 0.99, 0.1)
    assert not best.cannot_exclude(0.01, 0.02 / half_step * 0.98)
    assert not best.cannot_exclude(0.02 * half_step * 1.02, 0.1)


def test_the_best_loss_is_less_biased_than_the_lowest_mean():
    draws = np.random.default_rng(0)
    lowest, fitted = [], []
    for _ in range(200):
        noisy = valley(0.02, 0.02) + draws.normal(0, 0.02, (len(LRS), 3))
        lowest.append(noisy.mean(axis=1).min())
        fitted.append(np.mean(np.log([*best_of(table_of(noisy)).loss.values()])))
    level = np.mean([0, 0.1, -0.2])
    assert np.mean(lowest) - level < -0.007
    assert abs(np.mean(fitted) - level) < 0.004


def test_the_error_is_the_standard_deviation_of_the_best_loss():
    draws = np.random.default_rng(1)
    fits = [
        best_of(table_of(valley(0.02, 0.02) + draws.normal(0, 0.02, (len(LRS), 3))))
        for _ in range(300)
    ]
    deviation = np.std([np.mean(np.log([*fit.loss.values()])) for fit in fits])
    assert deviation == pytest.approx(np.mean([fit.error for fit in fits]), rel=0.4)
    assert np.mean([fit.noise for fit in fits]) == pytest.approx(0.02, rel=0.15)


def test_a_cliff_next_to_the_best_rate_does_not_change_the_fit():
    logs = valley(0.02, 0.02)
    logs[np.array(LRS) > 0.04] = [2.0, 0.5, np.inf]
    best = best_of(table_of(logs))
    assert best.rate == pytest.approx(0.02, rel=0.05)
    assert best.loss[3] == pytest.approx(1.0, rel=0.01)


def test_the_excess_compares_only_runs_with_the_same_seeds():
    best = best_of(table_of(valley(0.02, 0.02)))
    assert best.excess({5: 1.1 * math.exp(0.1)})[0] == pytest.approx(0.1)
    assert best.excess({3: 1.0, 5: math.inf})[0] == math.inf


def test_the_expected_excess_at_a_rate_of_the_grid_is_the_measured_one():
    best = best_of(table_of(valley(0.02, 0.02)))
    lr = LRS[4]
    assert best.expected(lr) == pytest.approx(math.exp(0.02 * math.log(lr / 0.02) ** 2) - 1)
    assert best.expected(1e-9) is None


def test_a_table_in_which_every_rate_diverged_has_no_best():
    with pytest.raises(ValueError, match="no rate finished"):
        best_of(table_of(np.full((len(LRS), 3), np.inf)))
