"""Claims train as the library does, with common seeds, and leave the caller's state unchanged."""

import numpy as np
import pytest
import torch

import learnrate
from learnrate.claims._tasks import digits_mlp
from learnrate.claims._trials import ClaimTrials, seeds_from
from learnrate.schedules import Constant
from learnrate.testing import quadratic_task
from learnrate.trials import Trial, preserved, run_trial

SEEDS = seeds_from(0, 3)


@pytest.fixture
def trials():
    return ClaimTrials(SEEDS, progress=False)


def test_a_sweep_has_a_row_for_each_rate_and_a_column_for_each_seed(trials):
    task = digits_mlp(width=8, steps=30)
    losses = trials.sweep(task, [1e-3, 1e-2])
    shape = learnrate.schedule("warmup(5%) >> linear()")
    with preserved(task):
        alone, _ = run_trial(task, Trial((1e-2 * shape).over(30), SEEDS[1]))
    assert losses.shape == (2, 3)
    assert losses[1, 1] == pytest.approx(alone.final, rel=1e-4)


def test_a_run_that_diverges_counts_with_its_first_loss(trials):
    task = quadratic_task(total_steps=50)
    diverged, unchanged = trials.losses(
        task, [(1e6 * Constant()).over(50), (0.0 * Constant()).over(50)]
    )
    assert np.isfinite(diverged).all()
    assert (diverged > 0.1 * unchanged).all()


def test_the_callers_generators_are_left_unchanged(trials):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    trials.sweep(digits_mlp(width=4, steps=3), [1e-3])
    assert torch.equal(torch.get_rng_state(), before)


def threads_and_square(number):
    return torch.get_num_threads(), number * number


def test_a_parallel_map_gives_results_in_order_from_processes_with_one_thread(trials):
    assert trials.parallel_map(threads_and_square, [3, 1, 2]) == [(1, 9), (1, 1), (1, 4)]


def test_results_for_each_seed_come_by_setting_and_then_by_seed(trials):
    results = trials.for_each_seed(lambda setting, seed: (setting, seed), ["a", "b"])
    assert results == [[(setting, seed) for seed in SEEDS] for setting in "ab"]


def test_a_task_that_raises_is_refused_with_its_message(trials):
    def loss(model, batch):
        raise RuntimeError("the labels are missing")

    task = learnrate.Task(
        model=lambda: torch.nn.Linear(1, 1), loss=loss, data=[torch.ones(1)], total_steps=2
    )
    with pytest.raises(learnrate.TaskError, match="the labels are missing"):
        trials.sweep(task, [0.1])
