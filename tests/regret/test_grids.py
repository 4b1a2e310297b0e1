from types import SimpleNamespace

import numpy as np
import pytest
from regret.methods import Pick, fitted_domains
from regret.scores import Score

from learnrate.testing import quadratic_task
from regret import grids


def test_the_rates_are_half_a_decade_apart_around_the_given_one():
    assert grids.grid_around(0.1) == pytest.approx([0.01, 0.1 / 10**0.5, 0.1, 10**0.5 / 10, 1.0])


def test_the_grid_picks_the_lowest_loss_and_counts_every_update(monkeypatch):
    losses = {0.01: 3.0, 0.1 / 10**0.5: 2.0, 0.1: 1.0, 10**0.5 / 10: 4.0, 1.0: 5.0}
    test = SimpleNamespace(rules={"minimum": 0.1}, reached=np.array([20]))
    monkeypatch.setattr(grids, "fastai_test", lambda cell, seed: test)
    lengths = []

    def loss(budget, rate, steps):
        lengths.append(steps)
        budget.spent += steps
        return next(value for key, value in losses.items() if key == pytest.approx(rate))

    monkeypatch.setattr(grids.TrialBudget, "loss", loss)
    method = next(method for method in grids.METHODS if method.name.endswith("T/10"))
    pick = method.pick(SimpleNamespace(total_steps=1000), quadratic_task(total_steps=1000), 0)
    assert pick == Pick(0.1, (20 + 5 * 100) / 1000)
    assert lengths == [100] * 5


def test_without_an_answer_of_the_range_test_there_is_no_grid(monkeypatch):
    test = SimpleNamespace(rules={"minimum": None}, reached=np.array([3]))
    monkeypatch.setattr(grids, "fastai_test", lambda cell, seed: test)
    pick = grids.METHODS[0].pick(SimpleNamespace(total_steps=100), quadratic_task(), 0)
    assert pick.rate is None
    assert pick.cost == 0.03


def test_a_method_is_judged_without_the_domains_it_was_fitted_to():
    def left_out(method, domain):
        return Score(
            SimpleNamespace(domain=domain), method, 0, 1.0, 0.0, 0.0, 0.5, None, None, None, ""
        ).left_out

    assert "text" in fitted_domains("first plan, budget 0.5")
    assert not left_out("first plan, budget 0.5", "text")
    assert left_out("first plan, budget 0.5", "graphs")
    assert left_out("plain grid, 5 of T/10", "text")
