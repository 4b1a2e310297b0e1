"""Measures of whole runs: validation at equal training loss, and the highest usable rate."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnrate import Task, schedule
from learnrate.claims._loss_history import (
    LossHistory,
    loss_histories,
    ratio_at_equal_training_loss,
)
from learnrate.claims._measures import highest_below
from learnrate.claims._trials import ClaimTrials
from learnrate.trials import Trial, preserved, run_trial


def history(training, validation):
    return LossHistory(np.arange(len(training)), np.array(training), np.array(validation))


@given(st.floats(0.2, 5.0), st.integers(5, 40), st.integers(5, 40))
def test_a_run_at_the_same_validation_loss_for_every_training_loss_has_the_ratio_one(power, n, m):
    quick, slow = (np.geomspace(2.0, 0.1, count) for count in (n, m))
    assert ratio_at_equal_training_loss(
        history(quick, quick**power), history(slow, slow**power)
    ) == (pytest.approx(1.0, rel=1e-9))


def test_losses_above_half_way_down_do_not_count():
    training = np.geomspace(1.0, 0.01, 21)
    other = np.where(training > 0.1 + 1e-9, 5.0, 1.0) * training
    plain = history(training, training)
    assert ratio_at_equal_training_loss(history(training, other), plain) == pytest.approx(1.0)


def test_a_run_that_rises_again_counts_where_it_first_reached_a_level():
    fall = [1.0, 0.5, 0.25, 0.5, 0.25]
    once, again = history(fall[:3], [1.0, 1.0, 1.0]), history(fall, [1.0, 1.0, 1.0, 9.0, 9.0])
    assert ratio_at_equal_training_loss(again, once) == pytest.approx(1.0)


def test_runs_that_share_no_training_loss_have_no_ratio():
    assert math.isnan(
        ratio_at_equal_training_loss(history([2.0, 1.5], [1, 1]), history([1.0, 0.5], [1, 1]))
    )


def test_the_highest_usable_rate_is_the_first_crossing_above_the_best_one():
    rates = np.array([0.01, 0.1, 1.0, 10.0])
    learns, lucky = [3.0, 0.2, 0.5, 0.9], [0.5, 0.4, 1.6, 0.6]
    actual = highest_below(rates, np.array([learns, lucky]).T, np.array([1.0, 1.0]))
    assert actual == pytest.approx([10.0, math.sqrt(0.1)])


def test_a_loss_history_ends_with_the_losses_of_the_training_itself():
    x = torch.linspace(-1, 1, 32)[:, None]
    criterion = torch.nn.MSELoss()
    task = Task(
        model=lambda: torch.nn.Linear(1, 1),
        loss=criterion,
        data=[(x, 3 * x)],
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        validate=lambda model: criterion(model(x), 3 * x).item(),
        total_steps=40,
    )
    bound = (0.1 * schedule("constant()")).over(40)
    ((actual,),) = loss_histories(ClaimTrials((1,), progress=False), [(task, bound)], marks=10)
    with preserved(task):
        curve, _ = run_trial(task, Trial(bound, 1))
    assert actual.steps.tolist() == list(range(4, 41, 4))
    assert actual.validation[-1] == pytest.approx(curve.validation)
    assert actual.training[0] == pytest.approx(curve.loss[1:7].mean())
