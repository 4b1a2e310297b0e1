"""The bench trains as the library does, with common seeds, and changes nothing of the caller's."""

import numpy as np
import pytest
import torch

import learnrate
from learnrate.claims._bench import Bench, seeds_from
from learnrate.claims._tasks import digits_mlp
from learnrate.schedules import Constant
from learnrate.testing import quadratic_task
from learnrate.trials import Trial, preserved, run_trial

SEEDS = seeds_from(0, 3)


def bench():
    return Bench(SEEDS, progress=False)


def test_a_sweep_has_a_row_a_rate_and_a_column_a_seed_as_single_trials_give_them():
    task = digits_mlp(width=8, steps=30)
    losses = bench().sweep(task, [1e-3, 1e-2])
    shape = learnrate.schedule("warmup(5%) >> linear()")
    with preserved(task):
        alone, _ = run_trial(task, Trial((1e-2 * shape).over(30), SEEDS[1]))
    assert losses.shape == (2, 3)
    assert losses[1, 1] == pytest.approx(alone.final, rel=1e-4)


def test_a_run_that_diverges_counts_with_the_loss_it_began_with():
    task = quadratic_task(total_steps=50)
    diverged, still = bench().losses(
        task, [(1e6 * Constant()).over(50), (0.0 * Constant()).over(50)]
    )
    assert np.isfinite(diverged).all()
    assert (diverged > 0.1 * still).all()


def test_the_callers_generators_are_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    bench().sweep(digits_mlp(width=4, steps=3), [1e-3])
    assert torch.equal(torch.get_rng_state(), before)


def threads_and_square(number):
    return torch.get_num_threads(), number * number


def test_each_gives_results_in_order_from_processes_of_one_thread():
    assert bench().each(threads_and_square, [3, 1, 2]) == [(1, 9), (1, 1), (1, 4)]


def test_a_task_that_raises_is_refused_with_what_it_raised():
    def loss(model, batch):
        raise RuntimeError("the labels are missing")

    task = learnrate.Task(
        model=lambda: torch.nn.Linear(1, 1), loss=loss, data=[torch.ones(1)], total_steps=2
    )
    with pytest.raises(learnrate.TaskError, match="the labels are missing"):
        bench().sweep(task, [0.1])
