"""What the usual rate of an optimizer says of the best rate of a whole run."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import learnrate
from learnrate.planning._loss_scale import TrialLoss
from learnrate.planning._surface import Surface
from learnrate.planning._usual_rate import log_prior_of_usual_rate
from learnrate.testing import quadratic_task

TOTAL = 1000


@given(usual=st.floats(-12.0, 3.0), distance=st.floats(0.0, 30.0))
def test_the_prior_falls_on_both_sides_and_never_below_that_of_an_unusual_training(
    usual, distance
):
    centre, lower, higher, far = log_prior_of_usual_rate(
        np.array([usual, usual - distance, usual + distance, usual + 50.0]), usual
    )
    assert lower == pytest.approx(higher)
    assert centre >= lower >= far
    assert far == pytest.approx(math.log(0.2 / 16))


def test_without_a_usual_rate_all_rates_are_equally_likely():
    assert (log_prior_of_usual_rate(np.linspace(-9.0, 1.0, 11), math.nan) == 0.0).all()


def planned(usual_lr):
    """The best rate of trials that hardly tell rates apart, and the width of its interval."""
    losses = zip((0.003, 0.01, 0.03), (-0.58, -0.6, -0.57), strict=True)
    trials = tuple(TrialLoss(100, math.log(lr), loss) for lr, loss in losses)
    log_lr = math.nan if usual_lr is None else math.log(usual_lr)
    best = Surface(trials, TOTAL, math.log(0.01), 0.0, usual_log_lr=log_lr).best(TOTAL)
    return best.best, best.high / best.low


def test_the_best_rate_moves_towards_the_usual_one_unless_that_is_far_away():
    unknown, width = planned(None)
    low, _ = planned(unknown / 5)
    high, _ = planned(unknown * 5)
    assert low < unknown / 1.2
    assert high > unknown * 1.2
    assert planned(unknown)[1] < width
    assert planned(unknown * 1e5)[0] == pytest.approx(unknown, rel=0.15)


def test_a_plan_with_sgd_states_no_usual_rate():
    plan = learnrate.plan(quadratic_task(total_steps=400), budget=0.5, progress=False)
    assert plan.usual_lr is None
    assert "usual_lr" not in plan.to_dict()
    assert "such an optimizer" not in plan.reason


def test_a_plan_states_the_usual_rate_and_keeps_it(tmp_path):
    def matrix():
        torch.manual_seed(0)
        return torch.nn.Linear(8, 8)

    def loss(model, batch):
        return (model(batch) - batch.flip(1)).square().mean()

    rows = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
    task = learnrate.Task(
        model=matrix,
        loss=loss,
        data=[rows[:32], rows[32:]],
        optimizer=torch.optim.Adam,
        validate=lambda model: loss(model, rows),
        total_steps=400,
    )
    plan = learnrate.plan(task, budget=0.5, out=tmp_path, progress=False)
    usual = learnrate.usual_rate(torch.optim.Adam(matrix().parameters()))
    assert plan.usual_lr == pytest.approx(usual.lr)
    assert "With such an optimizer and weights of this size" in plan.reason
    plan.write(tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text())["usual_lr"] == plan.usual_lr
    again = learnrate.plan(task, budget=0.5, out=tmp_path, progress=False)
    assert (again.peak, again.usual_lr) == (plan.peak, plan.usual_lr)
