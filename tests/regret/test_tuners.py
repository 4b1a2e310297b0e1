import importlib
import math
from types import SimpleNamespace

import numpy as np
import pytest
from regret.trial_budget import RATES, WORST_LOSS, TrialBudget, seed_of_draws, trial_lengths

from learnrate.testing import quadratic_task

TUNERS = [
    ("optuna", "tuners", "Optuna TPE, 16 of T/32"),
    ("optuna", "tuners", "Optuna Hyperband"),
    ("smac", "smac_tuners", "SMAC, 16 of T/32"),
    ("smac", "smac_tuners", "SMAC Hyperband"),
    ("smac", "smac_tuners", "SMAC multi-fidelity"),
    ("syne_tune", "syne_tune_tuners", "Syne Tune CQR, 16 of T/32"),
    ("syne_tune", "syne_tune_tuners", "Syne Tune ASHA"),
    ("syne_tune", "syne_tune_tuners", "Syne Tune ASHA with CQR"),
]
MULTI_FIDELITY = [tuner for tuner in TUNERS if "16 of" not in tuner[-1]]
CELL = SimpleNamespace(name="a-quadratic", total_steps=192)


def tuner(package, module, name):
    pytest.importorskip(package)
    methods = importlib.import_module(f"regret.{module}").METHODS
    return next(method for method in methods if method.name == name)


@pytest.fixture
def trials(monkeypatch):
    """The length, the rate and the loss of every trial, in their order."""
    trained = TrialBudget.loss
    results = []

    def loss(budget, rate, steps):
        results.append((steps, rate, trained(budget, rate, steps)))
        return results[-1][-1]

    monkeypatch.setattr(TrialBudget, "loss", loss)
    return results


@pytest.mark.filterwarnings("default")  # of the peers
@pytest.mark.parametrize(("package", "module", "name"), TUNERS)
def test_a_tuner_spends_half_a_run_and_answers_with_its_best_trial(package, module, name, trials):
    whole, longest = (192, 12) if (package, module, name) in MULTI_FIDELITY else (96, 8)
    cell = SimpleNamespace(name="a-quadratic", total_steps=whole)
    pick = tuner(package, module, name).pick(cell, quadratic_task(total_steps=whole), 5)
    spent = sum(steps for steps, _, _ in trials)
    assert whole / 2 - longest < spent <= whole / 2
    assert pick.cost == spent / whole
    finished = {rate: loss for steps, rate, loss in trials if steps == longest}
    assert pick.rate == min(finished, key=finished.__getitem__)
    assert finished[pick.rate] < WORST_LOSS
    assert RATES[0] <= pick.rate <= RATES[1]


@pytest.mark.filterwarnings("default")  # of the peers
@pytest.mark.parametrize(("package", "module", "name"), MULTI_FIDELITY)
def test_a_tuner_draws_its_rates_apart_from_the_trials(package, module, name, trials):
    method = tuner(package, module, name)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - some tuners draw from it
    picks = [method.pick(CELL, quadratic_task(total_steps=192), 5) for _ in range(2)]
    assert picks[0] == picks[1]
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    of_one_pick = [(steps, rate) for steps, rate, _ in trials[: len(trials) // 2]]
    assert len(of_one_pick) == len(set(of_one_pick))


def test_other_cells_have_other_draws_of_the_same_seed():
    other = SimpleNamespace(name="another-quadratic")
    assert seed_of_draws(CELL, 5) == seed_of_draws(CELL, 5)
    assert len({seed_of_draws(cell, seed) for cell in (CELL, other) for seed in (5, 6)}) == 4


def test_each_length_of_a_trial_is_a_rung():
    assert trial_lengths(1000) == {1: 15, 2: 31, 4: 62}
    assert trial_lengths(192) == {1: 8, 2: 12}  # a trial has at least 8 updates
    assert trial_lengths(100) == {1: 8}


def test_the_longest_trials_that_did_not_diverge_decide():
    budget = TrialBudget(quadratic_task(), 0, allowed=100, spent=40)
    assert budget.answer(200).rate is None
    assert budget.answer(200).cost == 0.2
    budget.tried += [(8, 0.1, 1e-3), (16, 0.5, 1e-2), (16, 0.4, 1e-1), (32, WORST_LOSS, 1.0)]
    assert budget.answer(200).rate == 1e-1


def test_a_diverged_trial_has_the_worst_loss():
    budget = TrialBudget(quadratic_task(total_steps=64), 0, allowed=100)
    assert budget.loss(1e-3, 32) < WORST_LOSS
    assert budget.loss(10.0, 32) == WORST_LOSS
    assert budget.spent <= 64
    assert math.isclose(budget.tried[0][1], budget.loss(1e-3, 32))
