"""The range test: what it measures, when it stops, when it refuses."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import learnrate
from learnrate import ArgumentError, RangeTest, UsualRate
from learnrate.testing import quadratic_task


@pytest.mark.parametrize("mode", ["exponential", "linear"])
def test_the_rates_reach_from_low_to_high(mode):
    result = learnrate.find(
        state=None,
        step=lambda lr: 1.0 - 0.01 * lr,
        low=1e-10,
        high=10.0,
        iters=50,
        mode=mode,
        repeats=1,
    )
    steps = np.diff(np.log(result.lr) if mode == "exponential" else result.lr)
    assert (result.lr[0], result.lr[-1]) == pytest.approx((1e-10, 10.0), rel=1e-12)
    assert steps == pytest.approx(np.full(49, steps[0]), rel=1e-6)


def test_the_defaults_are_the_full_range_of_the_field():
    result = learnrate.find(state=None, step=lambda lr: 1.0 / (1 + lr), repeats=1)
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
    assert text.endswith(f"diverged at {result.diverged_at:.2g}. {result.zones}.")
    endless = learnrate.find(state=None, step=lambda lr: 1 / (1 + lr), iters=60, repeats=1)
    assert f"; did not diverge. {endless.zones}." in str(endless)


def test_a_range_test_that_refuses_says_why():
    flat = learnrate.find(state=None, step=lambda lr: 1.0, iters=60, repeats=1)
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

    result = learnrate.find(state=None, step=step, low=1e-6, high=1.0, iters=61, repeats=1)
    first_bad = result.lr[result.lr >= 0.1][0]
    assert calls[-1] == first_bad == result.diverged_at
    assert np.isfinite(result.to_dict()["loss"]).all()


def test_a_nan_never_becomes_the_suggestion():
    result = learnrate.find(
        state=None, step=lambda lr: 2 - 1 / (1 + 1e-3 / lr) if lr < 0.09 else math.nan, repeats=1
    )
    assert result.suggestion < 0.09


def test_a_repeat_ends_when_the_loss_has_diverged():
    result = learnrate.find(
        state=None,
        step=lambda lr: 2 - 1.5 / (1 + 1e-3 / lr) + (lr / 0.1) ** 2,
        repeats=1,
        iters=200,
    )
    assert 0.1 < result.diverged_at < 1.0


@pytest.mark.parametrize("tail", [1.0, 2.0])
@pytest.mark.parametrize("level", [0.0, 5.0, -1000.0])
def test_losses_of_single_examples_that_scatter_are_not_a_divergence(tail, level):
    """Squared errors of single examples, and their squares: from near 0 to many times their mean."""
    random = np.random.default_rng(0)

    def step(lr):
        return level + abs(float(random.standard_normal())) ** (2 * tail)

    test = learnrate.find(step=step, state=None, repeats=20)
    assert (test.reached == len(test.lr)).sum() >= 19


def test_an_explosion_among_scattered_losses_ends_the_repeat_within_a_few_rates():
    random = np.random.default_rng(0)

    def step(lr):
        return float(random.standard_normal()) ** 2 * max(1.0, lr / 1e-3) ** 4

    test = learnrate.find(step=step, state=None, repeats=20)
    ends = np.array([test.lr[reached - 1] for reached in test.reached])
    assert (ends > 1e-3).all()
    assert (ends < 1e-1).all()


LRS = np.geomspace(1e-8, 1.0, 200)


def range_test_lowest_at(*rates, usual=None):
    """A range test whose repeats have their lowest losses at some of `LRS`."""
    losses = np.array([1.0 + np.abs(np.log10(LRS / LRS[place])) for place in rates])
    return RangeTest(lr=LRS, loss=losses, mode="exponential", seed=0, memory=0.0, usual=usual)


def usual_of(lr):
    return UsualRate(lr=lr, low=lr / 3, high=lr * 3, matrices=1)


def test_the_suggestion_is_a_third_of_the_geometric_mean_of_the_lowest_rates():
    test = range_test_lowest_at(120, 130, 128)
    lowest = LRS[[120, 130, 128]]
    assert test.suggestion == pytest.approx(np.prod(lowest) ** (1 / 3) / 3)
    assert test.reason.endswith("(one rate per repeat); a third of their geometric mean")


def test_a_usual_rate_counts_as_much_as_the_curve():
    curve = range_test_lowest_at(120, 130).suggestion
    usual = usual_of(curve / 4)
    test = range_test_lowest_at(120, 130, usual=usual)
    assert test.suggestion == pytest.approx(curve / 2)
    assert test.reason.endswith(
        f"a third of their geometric mean is {curve:.2g}, and the usual rate is {usual.lr:.2g}; the "
        "geometric mean of both is suggested"
    )


def test_a_usual_rate_raises_the_suggestion_to_the_lowest_rate_of_the_repeats_at_most():
    test = range_test_lowest_at(120, 130, usual=usual_of(1e3))
    assert test.suggestion == LRS[120]
    assert test.reason.endswith("is higher, so the lowest of these rates is suggested")


def test_repeats_that_differ_much_suggest_the_lowest_of_their_rates():
    test = range_test_lowest_at(115, 138, 138, 138)
    assert np.prod(LRS[[115, 138, 138, 138]]) ** (1 / 4) / 3 > LRS[115]
    assert test.suggestion == LRS[115]
    assert test.reason.endswith("is higher, so the lowest of these rates is suggested")


def test_a_rule_of_the_user_ignores_the_usual_rate():
    test = replace(range_test_lowest_at(120, 130, usual=usual_of(1e-5)), rule="minimum")
    assert test.suggestion == test.rules["minimum"]


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
    result = learnrate.find(state=None, step=losses, repeats=2)
    assert result.suggestion is None
    assert result.to_dict()["suggestion"] is None
    assert re.search(reason, result.reason)


@pytest.mark.parametrize("rule", [None, "minimum"])
def test_a_lower_start_is_advised_only_where_the_loss_rises_from_the_start(rule):
    def refusal(loss, low):
        return learnrate.find(
            state=None, step=loss, low=low, high=10.0, iters=160, repeats=1, rule=rule
        ).refusal

    rising = refusal(lambda lr: 1 + lr / 1e-7, 1e-7)
    assert rising.endswith("Start lower than 1e-07, or use a longer test (more iters).")
    late = refusal(lambda lr: 1 + lr, 1e-7)  # flat for five decades: lower rates are flat too
    assert "Start lower" not in late
    assert re.search(
        r"rises significantly only from [\d.e-]+ on, so lower rates would not help", late
    )
    early = refusal(
        lambda lr: 1.0 if lr < 1.5e-7 else 0.9 + lr, 1e-7
    )  # falls before any rate counts
    assert "Start lower" not in early


def test_pure_noise_is_flat():
    random = np.random.default_rng(0)
    result = learnrate.find(
        state=None, step=lambda lr: 2.3 + 0.1 * random.standard_normal(), repeats=3
    )
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
        ({"high": 1e308}, "at least one rate per factor of 10 from low=1e-10 to high=1e"),
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
        learnrate.find(**({"step": lambda lr: 1.0, "state": None} | arguments))


# Zones


def test_the_zones_are_where_the_loss_falls_and_where_it_is_lowest():
    def loss(lr):  # flat, then a straight fall over two decades, then a rise
        return 1.0 - 0.2 * np.clip(np.log10(lr / 1e-3), 0, 2) + 0.3 * max(0.0, np.log10(lr / 0.1))

    zones = learnrate.find(state=None, step=loss, low=1e-6, high=1.0, iters=601, repeats=1).zones
    assert zones.falling_from == pytest.approx(1e-3, rel=0.1)
    assert zones.rising_from == pytest.approx(0.1, rel=0.2)  # the smooth loss lags a few rates
    assert str(zones) == (
        f"Too low: below {zones.falling_from:.2g}, where the loss does not fall visibly; falling: "
        f"from {zones.falling_from:.2g} to {zones.rising_from:.2g}; too high: above "
        f"{zones.rising_from:.2g}"
    )


def test_nothing_is_too_high_if_the_loss_falls_to_the_end():
    test = learnrate.find(
        state=None, step=lambda lr: 1 / (1 + lr), low=1e-4, high=1.0, iters=60, repeats=1
    )
    assert test.zones.rising_from is None
    assert str(test.zones).endswith("to the last rate, 1")
    assert "too high" not in str(test.zones)


def test_a_refused_test_has_no_zones():
    assert learnrate.find(state=None, step=lambda lr: 1.0, iters=60, repeats=1).zones is None


# Curves that mislead


def test_repeats_that_disagree_by_more_than_a_decade_support_no_suggestion():
    lowest = iter([1e-3, 0.3])

    def step(lr):
        nonlocal centre
        centre = next(lowest) if lr == 1e-6 else centre
        return np.log10(lr / centre) ** 2

    centre = None
    test = learnrate.find(state=None, step=step, low=1e-6, high=10.0, iters=141, repeats=2)
    assert test.suggestion is None
    assert re.match(r"the repeats disagree: the loss is lowest at 0\.001\d*, 0\.\d+;", test.reason)


@pytest.mark.parametrize("every", [8, 25])
def test_the_short_last_batch_of_a_summed_loss_changes_no_answer(every):
    def sum_over(lr, examples):
        return examples * (2.0 - 0.5 * lr / (lr + 0.01) + 0.1 * lr)

    whole = learnrate.find(
        state=None, step=lambda lr: sum_over(lr, 64), low=1e-8, high=10.0, repeats=1
    )
    count = iter(range(1, 1000))
    short = learnrate.find(
        state=None,
        step=lambda lr: sum_over(lr, 64 if next(count) % every else 5),
        low=1e-8,
        high=10.0,
        repeats=1,
    )
    assert short.suggestion == pytest.approx(whole.suggestion, rel=0.3)
    assert short.rules["steepest"] == pytest.approx(whole.rules["steepest"], rel=0.5)


def test_a_linear_test_with_hardly_a_rate_below_divergence_says_so():
    test = learnrate.find(
        quadratic_task(steepest=10.0), mode="linear", low=1e-6, high=1000.0, repeats=2
    )
    assert re.match(
        r"the loss diverged below the rate \S+, after only \d of 200 rates", test.reason
    )
    assert "mode='exponential'" in test.reason


# A rule and a validation loss of the user's


def test_a_rule_by_name_or_a_function_gives_the_suggestion():
    task = quadratic_task(steepest=10.0)
    named = learnrate.find(task, iters=80, rule="valley")
    assert named.suggestion == named.rules["valley"]
    assert named.reason.endswith("the rule valley on their mean smooth loss")

    def half_of_the_lowest(lr, loss):
        assert lr.shape == loss.shape
        return lr[loss.argmin()] / 2

    test = learnrate.find(task, iters=80, rule=half_of_the_lowest)
    assert test.suggestion == pytest.approx(5 * named.rules["minimum"])
    assert "half_of_the_lowest" in test.reason


def test_a_rule_that_gives_no_rate_is_refused():
    test = learnrate.find(quadratic_task(), iters=80, rule=lambda lr, loss: math.nan)
    assert test.suggestion is None
    assert test.reason == "the rule <lambda> gave nan for this curve."
    with pytest.raises(ArgumentError, match=r"rule must be one of steepest, .*; got 'best'"):
        learnrate.find(quadratic_task(), rule="best")


def test_the_validation_loss_after_each_update_is_measured():
    task = quadratic_task(steepest=10.0)
    test = learnrate.find(task, iters=40, repeats=1, validate=True)
    plain = learnrate.find(task, iters=40, repeats=1)
    assert test.loss_name == "validation loss"
    assert not np.array_equal(test.loss, plain.loss, equal_nan=True)
    assert test.loss[0, 0] == pytest.approx(task.validate(task.model()), rel=1e-6)


def test_a_validation_needs_a_task_that_validates():
    task = quadratic_task()
    without = learnrate.Task(model=task.model, loss=task.loss, data=task.data)
    with pytest.raises(ArgumentError, match="the task has no validate"):
        learnrate.find(without, validate=True)
    with pytest.raises(ArgumentError, match=r"step=\.\.\. returns the loss itself"):
        learnrate.find(state=None, step=lambda lr: lr, validate=True)


def test_a_loop_without_anything_to_restore_is_warned_of_once_and_none_says_that_it_is_meant():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def step(lr):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        optimizer.step()
        return loss

    options = {"low": 1e-3, "high": 0.1, "iters": 12, "repeats": 2}
    with pytest.warns(UserWarning, match=r"state=\[model, optimizer\]"):
        learnrate.find(step=step, **options)
    assert weight.item() != 1.0
    before = weight.item()
    learnrate.find(step=step, state=[optimizer, torch.nn.ParameterList([weight])], **options)
    assert weight.item() == before
    learnrate.find(step=step, state=None, **options)


def test_what_is_neither_a_task_nor_a_function_is_refused():
    with pytest.raises(ArgumentError, match=r"find\(task=\.\.\.\) must be a learnrate\.Task"):
        learnrate.find("my_task.py:task")
    with pytest.raises(ArgumentError, match=r"find\(step=\.\.\.\) must be a function of a rate"):
        learnrate.find(step=0.1, state=None)
