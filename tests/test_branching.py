"""Decays that branch off one stable run."""

import math

import pytest
import torch

import learnrate
from learnrate import ArgumentError, TaskError
from learnrate.branching import Branches, DecayBranch, branch_decays
from learnrate.schedules import Constant, Linear, OneMinusSqrt
from learnrate.testing import quadratic_task
from learnrate.trials import Training, preserved


def dropout_task(**options):
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
    return learnrate.Task(
        model=lambda: torch.nn.Sequential(
            torch.nn.Linear(5, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(8, 1),
        ),
        loss=torch.nn.MSELoss(),
        data=torch.utils.data.DataLoader(data, batch_size=16, shuffle=True),
        total_steps=30,
        **options,
    )


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
def test_each_decay_ends_where_a_separate_run_would(optimizer):
    task = dropout_task(optimizer=optimizer, accumulate=2, clip_norm=1.0)
    branches = branch_decays(
        task,
        "0.01 * constant()",
        steps=[8, 16],
        share=0.5,
        decays=[Linear(), OneMinusSqrt()],
        seeds=1,
    )
    for branch in branches.branches:
        stable = (0.01 * Constant()).over(branch.step)
        whole = stable.then(0.01 * learnrate.schedule(branch.decay).over(branch.steps))
        curve = learnrate.train(task, whole, progress=False).curve
        expected = curve.loss[-max(1, branch.steps // 10) :].mean()
        assert branch.loss == (expected,)
    assert branches.cost == 16 + 2 * (8 + 16)


def test_a_fork_leaves_no_trace_whatever_is_trained_in_it():
    task = dropout_task(optimizer=torch.optim.AdamW)

    def losses(forks):
        with preserved(task):
            training = Training(task, 1)
            trained = []
            for step in range(12):
                if step in forks:
                    with training.fork(7) as restore:
                        for _ in range(7):
                            training.update(10.0)
                        restore()
                        for _ in range(3):
                            training.update(0.5)
                trained.append(training.update(0.01))
        return trained

    assert losses({0, 5, 6}) == losses(set())


def branches_of(*losses):
    return Branches(
        stable="constant(4)",
        branches=tuple(
            DecayBranch(step=4, decay=decay, steps=1, loss=loss)
            for decay, loss in zip(("linear()", "linear(floor=0.1)"), losses, strict=True)
        ),
        seeds=tuple(range(len(losses[0]))),
        cost=1,
    )


def test_the_verdict_names_the_lower_decay_only_beyond_chance():
    clear = branches_of((1.0, 2.0, 3.0), (1.1, 2.12, 3.11))
    assert clear.verdict.startswith("linear() ends lower: 80% interval of the difference 0.09")
    assert clear.best == "linear()"
    unclear = branches_of((1.0, 2.0, 3.0), (1.1, 1.9, 3.01))
    assert "cannot be told apart" in unclear.verdict
    assert "one seed does not tell" in branches_of((1.0,), (0.9,)).verdict
    assert "cannot be judged" in branches_of((1.0, 2.0), (1.0, math.inf)).verdict
    assert unclear.to_dict()["verdict"] == unclear.verdict


def test_on_a_quadratic_a_decay_to_zero_ends_lower_than_one_to_a_half():
    task = quadratic_task(noise=1.0, total_steps=100)
    decays = ["linear()", "linear(floor=0.5)"]
    branches = branch_decays(task, "0.15 * constant()", decays=decays, seeds=8, progress=False)
    assert branches.best == "linear()"
    assert "linear() ends lower" in str(branches)


def test_arguments_outside_their_rule_are_refused():
    task = quadratic_task(total_steps=40)
    for options, message in (
        ({"steps": [20, 10]}, "in rising order"),
        ({"decays": ["linear(10)"]}, "shapes without a length"),
        ({"share": 1.0}, "above 0 and below 1"),
        ({"seeds": 0}, "at least 1"),
    ):
        with pytest.raises(ArgumentError, match=message):
            branch_decays(task, "0.1 * constant()", **options)
    with pytest.raises(TaskError, match=r"stable run diverged at step .* rate 5;"):
        branch_decays(task, "5 * constant()", progress=False)
