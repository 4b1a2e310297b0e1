"""How a trial ends, and what its curve has."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import learnrate
from learnrate import ArgumentError
from learnrate.schedules import Constant, Linear
from learnrate.testing import quadratic_task
from learnrate.trials import DivergenceTest, Status, Trial, preserved, run_trial


def run(task, schedule, **hooks):
    with preserved(task):
        return run_trial(task, Trial(schedule, seed=0), **hooks)[0]


def test_a_stable_rate_finishes_and_an_unstable_one_diverges_at_once():
    task = quadratic_task(steepest=10.0, noise=0.0)
    stable = run(task, 0.19 * Constant(300))
    unstable = run(task, 0.21 * Constant(300))
    assert (stable.status, stable.steps) == (Status.FINISHED, 300)
    assert unstable.status is Status.DIVERGED
    assert unstable.steps < 60
    assert unstable.final == math.inf


def test_the_curve_holds_the_rates_that_were_used():
    schedule = 0.1 * Linear(40)
    assert np.array_equal(run(quadratic_task(), schedule).lr, schedule.table())


def sum_task(first=None, outputs=1):
    """A task whose gradient is 1 for each of four weights an output."""

    def make_model():
        model = torch.nn.Linear(4, outputs, bias=False)
        if first is not None:
            torch.nn.init.constant_(model.weight, first)
        return model

    return learnrate.Task(
        model=make_model,
        loss=lambda model, batch: model(batch).sum(),
        data=[torch.ones(1, 4)],
        optimizer=torch.optim.SGD,
    )


@pytest.mark.parametrize(
    ("first", "unit"),
    [(3.0, 3.0 * math.sqrt(20)), (0.5, math.sqrt(5))],  # of its own weights, or of usual ones
)
def test_the_distance_of_the_weights_is_counted_in_norms_of_the_first_ones(first, unit):
    schedule = 0.01 * Linear(40)
    curve = run(sum_task(first, outputs=5), schedule)
    moved = schedule.table().sum() * math.sqrt(20)
    assert curve.distance == pytest.approx(moved / unit, rel=1e-5)


def only_frozen(model):
    frozen = torch.nn.Parameter(torch.ones(3), requires_grad=False)
    return torch.optim.SGD([frozen], lr=0.1)


def test_weights_that_start_at_zero_diverged_or_are_frozen_have_no_distance():
    frozen = run(replace(sum_task(first=1.0), optimizer=only_frozen), 0.01 * Constant(10))
    assert (frozen.status, frozen.distance) == (Status.FINISHED, None)
    assert run(sum_task(first=0.0), 0.01 * Constant(10)).distance is None
    assert run(quadratic_task(steepest=10.0, noise=0.0), 0.21 * Constant(300)).distance is None


def test_without_validation_the_last_tenth_of_the_training_loss_judges():
    curve = run(quadratic_task(validated=False), 0.05 * Constant(50))
    assert curve.validation is None
    assert curve.final == float(np.mean(curve.loss[-5:]))


def test_an_error_in_the_users_code_fails_the_trial_and_keeps_its_message():
    def hook(update):
        if update.step == 3:
            raise ValueError("the disk of the user")

    curve = run(quadratic_task(), 0.01 * Constant(10), on_update=hook)
    assert (curve.status, curve.steps) == (Status.FAILED, 4)
    assert curve.error == "ValueError: the disk of the user"


def test_ctrl_c_keeps_the_updates_made():
    def hook(update):
        if update.step == 3:
            raise KeyboardInterrupt

    curve = run(quadratic_task(), 0.01 * Constant(10), on_update=hook)
    assert (curve.status, curve.steps, curve.final) == (Status.INTERRUPTED, 4, math.inf)


def test_a_schedule_without_a_length_is_refused():
    with pytest.raises(ArgumentError, match=r"Bind it with \.over\(total_steps\)"):
        Trial(Constant(), seed=0)


def ends_at(losses):
    test = DivergenceTest()
    return next((i for i, loss in enumerate(losses) if test.diverged(loss)), None)


def test_a_spike_is_not_divergence_and_a_level_that_is_far_above_for_good_is():
    calm = [1.0, 1.1] * 10
    assert ends_at([*calm, 1e9, *calm]) is None
    assert ends_at([*calm, *[100.0] * 19, *calm]) is None  # a catapult comes back
    assert ends_at([*calm, *[100.0] * 20]) == 39
    assert ends_at([*calm * 3, *[100.0] * 59]) is None
    assert ends_at([*calm * 3, *[100.0] * 60]) == 119


def test_losses_of_single_examples_that_begin_small_do_not_diverge():
    losses = np.random.default_rng(0).lognormal(0.0, 2.0, 2000)
    assert ends_at([1e-6, *losses]) is None


def test_a_run_that_learned_and_then_stays_far_above_its_start_has_diverged():
    learned = np.geomspace(2.3, 0.1, 100)
    assert ends_at([*learned, *[20.0] * 100]) == 199
    assert ends_at([*learned, *[5.0] * 200]) is None  # it lost what it had learned, but is bounded


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.integers(0, 9))
def test_the_scale_and_offset_of_a_loss_do_not_matter(factor, shift, seed):
    random = np.random.default_rng(seed)
    losses = 1.0 + random.normal(0.0, 0.1, 300) + np.where(np.arange(300) > 20 * seed, 5.0, 0.0)
    assert ends_at(losses) == ends_at(factor * losses + shift)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_trial(bad):
    assert ends_at([1.0, 1.0, bad]) == 2
