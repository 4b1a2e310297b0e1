"""SasaPlus and LossSlope on hand-made series."""

import math

import numpy as np
import pytest

from learnrate import ArgumentError
from learnrate._statistics import mean_half_width
from learnrate.controllers import LossSlope, Observation, SasaPlus, replay
from learnrate.controllers._evidence import BatchMeans

both_tests = pytest.mark.parametrize("kind", [SasaPlus, LossSlope])


def with_deltas(deltas, first=0):
    return [
        Observation(step=first + i, signals={"inner": delta, "squared": 0.0, "lr": 0.1})
        for i, delta in enumerate(deltas)
    ]


def swinging(n, shift=0.0):
    return (np.random.default_rng(0).standard_normal(n) + shift).tolist()


def test_deltas_that_swing_about_0_are_stationary():
    change = replay(SasaPlus(min_samples=100, test_every=20), with_deltas(swinging(400)))[0]
    assert change.step in range(200, 400, 20)
    assert change.after == 0.1
    assert "no more progress at this rate: over the last 1" in change.reason
    assert "does not show that now is the best moment" in change.reason


@pytest.mark.parametrize("shift", [0.5, -0.5])
def test_deltas_away_from_0_are_not_stationary(shift):
    policy = SasaPlus(min_samples=100, test_every=20)
    assert replay(policy, with_deltas(swinging(600, shift=shift))) == ()


def test_a_mean_that_crosses_0_in_the_transient_does_not_count():
    crossing = np.linspace(3.0, -3.0, 400) + 0.0
    policy = SasaPlus(min_samples=100, test_every=1, keep=0.9)
    assert replay(policy, with_deltas(crossing)) == ()


def test_the_delta_is_the_fall_of_the_squared_norm_per_twice_the_rate():
    # <x', d> + (lr/2) |d|^2 with lr/2 |d|^2 = 1 and <x', d> = -1: stationary.
    run = [
        Observation(step=i, signals={"inner": -1.0 + swing, "squared": 20.0, "lr": 0.1})
        for i, swing in enumerate(swinging(400))
    ]
    policy = SasaPlus(min_samples=100, test_every=20)
    expected = replay(policy, with_deltas(swinging(400)))
    assert [c.step for c in replay(policy, run)] == [c.step for c in expected] != []


def test_the_interval_is_of_batch_means_not_of_single_deltas(noisy):
    # Means of 600 values with correlation 0.9: how many 95 % intervals contain the true mean?
    by_batches = by_singles = 0
    for seed in range(100):
        values, series = np.array(noisy([1.0] * 600, 1.0, seed, rho=0.9)) - 1.0, BatchMeans()
        for value in values.tolist():
            series = series.added(value, keep=0.5, at_least=600)
        by_batches += abs(np.mean(series.means)) <= mean_half_width(series.means, 0.95)
        by_singles += abs(np.mean(values)) <= mean_half_width(values.tolist(), 0.95)
    assert by_batches >= 80
    assert by_singles <= 50


def test_updates_without_signals_are_skipped_and_an_incomplete_set_is_refused():
    policy = SasaPlus(min_samples=100, test_every=20)
    run = with_deltas(swinging(400))
    sparse = [Observation(step=2 * row.step, signals=row.signals) for row in run]
    between = [Observation(step=2 * row.step + 1, loss=1.0) for row in run]
    mixed = sorted(sparse + between, key=lambda row: row.step)
    expected = [2 * change.step - 1 for change in replay(policy, run)]
    assert [change.step for change in replay(policy, mixed)] == expected != []
    with pytest.raises(ArgumentError, match=r"lacks lr, squared. measured_step\(optimizer\)"):
        policy.decide(policy.start(), Observation(step=0, signals={"inner": 1.0}))


def test_a_falling_loss_shows_its_slope_and_is_left_alone(observed, noisy):
    falling = np.exp(-np.arange(2000) / 500)
    policy = LossSlope(min_samples=100, test_every=20)
    assert replay(policy, observed(noisy(falling, 0.1, seed=1))) == ()


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_a_loss_that_stays_is_changed_at_the_first_test_in_most_runs(rho, observed, noisy):
    policy = LossSlope(min_samples=100, test_every=20)
    runs = [replay(policy, observed(noisy([1.0] * 210, 0.1, seed, rho))) for seed in range(40)]
    at_first_test = [bool(changes) and changes[0].step == 200 for changes in runs]
    assert np.mean(at_first_test) >= 0.75


def test_the_reason_gives_the_slope_and_the_losses_left_out(observed):
    losses = [1.0, math.nan] + [1.0] * 210
    (change,) = replay(LossSlope(min_samples=100, test_every=20), observed(losses))
    assert "over the last 100 losses the slope is +0 per loss" in change.reason
    assert "1 left out because they are not finite" in change.reason
    assert "does not show that now is the best moment" in change.reason


@both_tests
def test_warm_up_and_cooldown_are_not_evidence(kind, observed):
    policy = kind(min_samples=100, test_every=20, warmup=50, cooldown=30)
    run = [
        Observation(step=a.step, loss=b.loss, signals=a.signals)
        for a, b in zip(with_deltas(swinging(900)), observed([1.0] * 900), strict=True)
    ]
    first, second = (change.step for change in replay(policy, run)[:2])
    assert first in range(250, 450, 20)
    assert second in range(first + 230, first + 430, 20)


@both_tests
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1}, r"\(factor=...\) must be above 0 and not 1"),
        ({"confidence": 0.5}, r"\(confidence=...\) must be above 0.5; got 0.5. 0.95 is usual."),
        ({"confidence": 1.0}, r"\(confidence=...\) must be above 0 and below 1"),
        ({"keep": 1.0}, r"\(keep=...\) must be above 0 and below 1; got 1.0. 0.5 keeps"),
        ({"min_samples": 31}, r"\(min_samples=...\) must be a whole number of at least 32"),
        ({"test_every": 0}, r"\(test_every=...\) must be a whole number of at least 1"),
        ({"warmup": -1}, r"\(warmup=...\)"),
        ({"cooldown": "5"}, r"\(cooldown=...\) must be a whole number"),
    ],
)
def test_options_outside_their_rules_are_refused(kind, options, message):
    with pytest.raises(ArgumentError, match=kind.__name__ + message):
        kind(**options)
