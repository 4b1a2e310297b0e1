"""Plateau: when it cuts the rate, and when it does not."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from learnrate import ArgumentError
from learnrate.controllers import Plateau, replay

STEADY = 2.0 * np.exp(-np.arange(1000) / 1000)  # falls by a tenth of a per cent an update


def with_outlier(losses, step=20, loss=0.01):
    losses = list(losses)
    losses[step] = loss
    return losses


def torch_cuts(losses):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    rates = [0.1]
    for loss in losses:
        scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return sum(after < before for before, after in pairwise(rates))


@pytest.mark.parametrize("window", [10, 20, 50, 200])
def test_one_low_outlier_in_a_steady_fall_makes_torch_cut_and_not_plateau(window, observed):
    losses = with_outlier(STEADY)
    assert torch_cuts(losses) >= 5
    assert replay(Plateau(window=window, improvement=0.001), observed(losses)) == ()


@pytest.mark.parametrize("step", [0, 3, 9, 12, 19, 25, 31])
@pytest.mark.parametrize("loss", [-1e6, 0.0, 1e6])
def test_one_outlier_anywhere_never_cuts_a_steady_fall(step, loss, observed):
    policy = Plateau(window=20, improvement=0.005)
    assert replay(policy, observed(with_outlier(STEADY[:200], step, loss))) == ()


def test_a_flat_loss_is_cut_after_one_window_with_the_reason(observed):
    (change,) = replay(Plateau(window=30), observed([1.0] * 35))
    assert (change.step, change.before, change.after) == (30, 1.0, 0.1)
    assert change.reason.startswith(
        "plateau: over the last 30 losses the loss changed by +0 per 30"
    )
    assert "does not show that now is the best moment" in change.reason


def test_a_rising_loss_is_cut_too(observed):
    changes = replay(Plateau(window=30), observed([1.0 + 0.1 * step for step in range(31)]))
    assert [change.step for change in changes] == [30]


@pytest.mark.parametrize("level", [-1000.0, 0.0, 76.25])
def test_the_level_of_a_constant_loss_does_not_matter(level, observed):
    changes = replay(Plateau(window=30), observed([level] * 65))
    assert [change.step for change in changes] == [30, 60]


def test_a_noisy_loss_that_never_fell_is_not_cut(observed):
    losses = np.random.default_rng(0).standard_normal(1000)
    assert replay(Plateau(window=50), observed(losses.tolist())) == ()


def test_a_negative_loss_may_fall_for_ever(observed):
    losses = [-1.0 - 0.01 * step for step in range(400)]
    assert replay(Plateau(window=20), observed(losses)) == ()


def test_steps_of_warm_up_and_cooldown_are_not_evidence(observed):
    policy = Plateau(window=20, warmup=100, cooldown=50)
    changes = replay(policy, observed([1.0] * 300))
    assert [change.step for change in changes] == [120, 190, 260]


@pytest.mark.parametrize("window", [20, 200])
def test_a_loss_that_fell_in_the_warm_up_alone_is_on_a_plateau_after_it(window, observed):
    """The fall is that of the whole run, whether a part of it was the warm-up or not."""
    noise = 0.01 * np.random.default_rng(0).standard_normal(12 * window)
    step = np.arange(12 * window)
    losses = (1.0 + 3.0 * np.maximum(0.0, 1.0 - step / window) + noise).tolist()
    policy = Plateau(window=window, warmup=2 * window)
    assert len(replay(policy, observed(losses))) >= 1


def test_without_a_warm_up_the_first_losses_are_those_of_the_first_window(observed):
    losses = np.random.default_rng(1).standard_normal(400).cumsum().tolist()
    state = Plateau(window=30).start()
    for observation in observed(losses[:29]):
        state, _ = Plateau(window=30).decide(state, observation)
    assert state.first == state.evidence.series


def test_it_can_raise(observed):
    changes = replay(Plateau(window=20, factor=2.0), observed([1.0] * 45))
    assert [change.after for change in changes] == [2.0, 4.0]


def test_it_can_raise_on_progress_and_lower_without(observed):
    losses = [10.0 - 0.1 * min(step, 50) for step in range(70)]
    policy = Plateau(window=20, factor=0.5, factor_on_progress=2.0)
    changes = replay(policy, observed(losses))
    assert [(change.step, change.after) for change in changes] == [(20, 2.0), (40, 4.0), (70, 2.0)]
    assert changes[0].reason.startswith("progress: over the last 20 losses")


def test_the_reason_says_how_many_losses_were_left_out(observed):
    losses = [1.0, math.nan, 1.0, math.inf] + [1.0] * 18
    (change,) = replay(Plateau(window=20), observed(losses))
    assert "2 left out because they are not finite" in change.reason


def test_the_required_progress_is_relative_and_per_window(observed):
    # It falls by 1 in 100 losses, and then by 0.2 % of that per 20 losses.
    losses = [2.0 - 0.01 * min(step, 100) - 0.0001 * max(step - 100, 0) for step in range(400)]
    assert replay(Plateau(window=20, improvement=0.003), observed(losses)) != ()
    assert replay(Plateau(window=20, improvement=0.001), observed(losses)) == ()


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("noise", [0.01, 0.1])
@pytest.mark.parametrize("window", [20, 100])
def test_progress_exactly_as_required_is_cut_in_under_5_per_cent_of_test_windows(
    window, noise, rho, observed, noisy
):
    # The hardest case: 1 % per window is required, and the loss falls by 1 % per window.
    falling = np.exp(-0.01 * np.arange(window) / window)
    runs = 200
    cut = sum(
        bool(replay(Plateau(window=window), observed(noisy(falling, noise, seed, rho))))
        for seed in range(runs)
    )
    assert cut / runs < 0.05


def test_progress_well_above_the_required_one_is_hardly_ever_cut_in_long_runs(observed, noisy):
    falling = np.exp(-0.05 * np.arange(1000) / 100)
    policy = Plateau(window=100)
    cut = sum(bool(replay(policy, observed(noisy(falling, 0.05, seed)))) for seed in range(30))
    assert cut <= 1


@pytest.mark.parametrize(("noise", "windows"), [(0.005, 1.5), (0.02, 5), (0.1, 16)])
def test_a_true_plateau_is_found_the_sooner_the_less_noise(noise, windows, observed):
    """The noise is a share of the fall."""
    window, onset = 100, 500
    curve = np.maximum(0.0, 1.0 - np.arange(3000) / onset)
    delays = []
    for seed in range(11):
        losses = curve + noise * np.random.default_rng(seed).standard_normal(3000)
        changes = replay(Plateau(window=window), observed(losses.tolist()))
        assert changes[0].step > onset
        delays.append((changes[0].step - onset) / window)
    assert np.median(delays) <= windows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, r"Plateau\(factor=...\) must be above 0 and not 1"),
        ({"factor": 0.0}, "above 0 and not 1"),
        ({"factor": -0.5}, "above 0 and not 1"),
        ({"factor": math.nan}, r"Plateau\(factor=...\) must be a finite number; got nan"),
        ({"factor_on_progress": 1}, r"Plateau\(factor_on_progress=...\)"),
        ({"window": 9}, r"Plateau\(window=...\) must be a whole number of at least 10; got 9"),
        ({"window": 20.0}, "got 20.0. Fewer losses show no trend."),
        ({"improvement": 0.0}, r"Plateau\(improvement=...\) must be above 0; got 0.0"),
        ({"significance": 0.5}, r"Plateau\(significance=...\) must be below 0.5"),
        ({"significance": 0.0}, "above 0 and below 1"),
        ({"warmup": -1}, r"Plateau\(warmup=...\) must be a whole number of at least 0; got -1"),
        ({"cooldown": 1.5}, r"Plateau\(cooldown=...\)"),
    ],
)
def test_options_outside_their_rules_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        Plateau(**options)
