"""The range test: what it measures, when it stops, when it refuses."""

import math
import re

import numpy as np
import pytest
import torch

import learnrate
from learnrate import ArgumentError, RangeTest
from learnrate.testing import quadratic_task


@pytest.mark.parametrize("mode", ["exponential", "linear"])
def test_the_rates_reach_from_low_to_high(mode):
    result = learnrate.find(
        step=lambda lr: 1.0 - 0.01 * lr, low=1e-10, high=10.0, iters=50, mode=mode, repeats=1
    )
    steps = np.diff(np.log(result.lr) if mode == "exponential" else result.lr)
    assert (result.lr[0], result.lr[-1]) == pytest.approx((1e-10, 10.0), rel=1e-12)
    assert steps == pytest.approx(np.full(49, steps[0]), rel=1e-6)


def test_the_defaults_are_the_full_range_of_the_field():
    result = learnrate.find(step=lambda lr: 1.0 / (1 + lr), repeats=1)
    assert (result.lr[0], result.lr[-1], result.mode) == pytest.approx(
        (1e-10, 10.0, "exponential")
    )


def test_the_suggestion_is_stable_and_useful_on_a_problem_whose_limits_are_known():
    result = learnrate.find(quadratic_task(steepest=10.0))
    assert result.diverged_at is not None
    assert result.diverged_at > 0.2 > result.suggestion > 0.002


def test_its_text_has_the_suggestion_and_the_reason():
    result = learnrate.find(quadratic_task(steepest=10.0), iters=60)
    text = str(result)
    assert text.startswith(f"suggestion {result.suggestion:.3g}: {result.reason}")
    assert text.endswith(f"diverged at {result.diverged_at:.2g}.")
    endless = learnrate.find(step=lambda lr: 1 / (1 + lr), iters=60, repeats=1)
    assert str(endless).endswith("; did not diverge.")


def test_a_range_test_that_refuses_says_why():
    flat = learnrate.find(step=lambda lr: 1.0, iters=60, repeats=1)
    assert str(flat) == f"no suggestion: {flat.reason}"


def test_the_same_seed_gives_the_same_result_and_another_seed_another():
    first, again, other = (learnrate.find(quadratic_task(), iters=60, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.loss, again.loss, equal_nan=True)
    assert not np.array_equal(first.loss, other.loss, equal_nan=True)


def test_repeats_differ_and_make_a_band():
    result = learnrate.find(quadratic_task(noise=1.0), iters=60, repeats=4)
    low, high = result.band
    assert result.loss.shape == (4, 60)
    assert (low <= result.mean).all()
    assert (result.mean <= high).all()
    assert (low < high).any()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_repeat_ends_at_the_first_loss_that_is_not_finite(bad):
    calls = []

    def step(lr):
        calls.append(lr)
        return 1 - lr if lr < 0.1 else bad

    result = learnrate.find(step=step, low=1e-6, high=1.0, iters=61, repeats=1)
    first_bad = result.lr[result.lr >= 0.1][0]
    assert calls[-1] == first_bad == result.diverged_at
    assert np.isfinite(result.to_dict()["loss"]).all()


def test_a_nan_never_becomes_the_suggestion():
    result = learnrate.find(
        step=lambda lr: 2 - 1 / (1 + 1e-3 / lr) if lr < 0.09 else math.nan, repeats=1
    )
    assert result.suggestion < 0.09


def test_a_repeat_ends_when_the_loss_has_diverged():
    result = learnrate.find(
        step=lambda lr: 2 - 1.5 / (1 + 1e-3 / lr) + (lr / 0.1) ** 2, repeats=1, iters=200
    )
    assert 0.1 < result.diverged_at < 1.0


@pytest.mark.parametrize(("factor", "diverges"), [(3.5, False), (4.5, True)])
def test_a_repeat_ends_when_the_smooth_loss_exceeds_four_times_its_lowest(factor, diverges):
    def step(lr):
        if lr < 1e-6:
            return 2.0
        return 1.0 if lr < 1e-3 else factor

    result = learnrate.find(step=step, low=1e-9, high=1.0, iters=200, repeats=1)
    assert (result.diverged_at is not None) == diverges


def test_the_suggestion_is_a_quarter_of_the_lowest_rate_of_the_repeats():
    lowest_at = iter([1e-2, 1e-4, 1e-3])
    best = None

    def step(lr):
        nonlocal best
        if lr == 1e-8:
            best = next(lowest_at)
        return 1.0 + abs(math.log10(lr / best))

    result = learnrate.find(step=step, low=1e-8, high=1.0, iters=200, repeats=3)
    lowest = result.lr[np.argmin(result.smooth, axis=1)]
    assert lowest.argsort().tolist() == [1, 2, 0]
    assert lowest.max() > 10 * lowest.min()
    assert result.suggestion == lowest.min() / 4


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        (lambda lr: math.nan, "not finite within the first"),
        (lambda lr: 2.3, "the loss is flat"),
        (lambda lr: 1 + lr, "the loss only rises"),
        (lambda lr: 1.0 if lr < 1e-9 else math.inf, "the loss only rises|not finite"),
    ],
)
def test_a_curve_that_supports_no_suggestion_is_refused_with_its_reason(losses, reason):
    result = learnrate.find(step=losses, repeats=2)
    assert result.suggestion is None
    assert result.to_dict()["suggestion"] is None
    assert re.search(reason, result.reason)


def test_pure_noise_is_flat():
    random = np.random.default_rng(0)
    result = learnrate.find(step=lambda lr: 2.3 + 0.1 * random.standard_normal(), repeats=3)
    assert result.suggestion is None


def test_a_loop_of_the_user_is_restored_between_repeats():
    weight = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(weight.parameters(), lr=0.1)
    starts = []

    def step(lr):
        loss = (weight(torch.ones(1)) - 3).square().sum()
        if not optimizer.state_dict()["param_groups"][0].get("started"):
            starts.append(loss.item())
            optimizer.param_groups[0]["started"] = True
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    result = learnrate.find(step=step, state=[weight, optimizer], iters=40, repeats=3)
    assert len(starts) == 3
    assert len(set(starts)) == 1
    assert isinstance(result, RangeTest)


def test_every_rule_answers_by_name():
    result = learnrate.find(quadratic_task(), low=1e-5, iters=120)
    assert list(result.rules) == ["steepest", "valley", "slide", "minimum"]
    assert all(rate * 10.001 >= 1e-5 and rate <= 10 for rate in result.rules.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": -1e-3}, r"low must be a finite rate above 0; got -0.001"),
        ({"low": 0.0}, "low must be a finite rate above 0; got 0.0"),
        ({"high": math.inf}, "high must be a finite rate above 0; got inf"),
        ({"low": 1.0, "high": 0.1}, r"low must be below high; got low=1.0, high=0.1"),
        ({"iters": 9}, r"find\(iters=...\) must be a whole number from 10 to 1,000,000; got 9"),
        ({"iters": 10**15}, r"must be a whole number from 10 to 1,000,000; got 10000"),
        ({"high": 1e308}, "at least one rate in each factor of 10 from low=1e-10 to high=1e"),
        ({"seed": -1}, "whole number from 0 to 2.63 - 1; got -1"),
        ({"seed": 10**23}, "whole number from 0 to 2.63 - 1; got 1000"),
        ({"mode": "log"}, "mode must be 'exponential' or 'linear'; got 'log'"),
        ({"repeats": 0}, r"find\(repeats=...\) must be a whole number from 1 to 1,000; got 0"),
        ({"task": quadratic_task()}, "either a task or step"),
        ({"step": None}, "either a task or step"),
        ({"step": lambda lr: "high"}, r"step\(lr\) must return the loss as a number; got 'high'"),
    ],
)
def test_a_bad_argument_is_named_with_its_rule_and_value(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        learnrate.find(**({"step": lambda lr: 1.0} | arguments))
