"""One update is what a plain PyTorch loop does."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from learnrate import Task, TaskError
from learnrate.schedules import Constant
from learnrate.testing import quadratic_task
from learnrate.trials import Training, Trial, check_task, preserved, run_trial

X = torch.randn(48, 5, generator=torch.Generator().manual_seed(1))
Y = X.sum(1, keepdim=True)
BATCHES = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 48, 8)]
RATES = [0.05, 0.04, 0.03, 0.02, 0.01, 0.005]
MODEL = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))


def make_optimizer(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def make_task(**changes):
    settings = {
        "model": MODEL,
        "loss": nn.MSELoss(),
        "data": BATCHES,
        "optimizer": make_optimizer,
    }
    return Task(**(settings | changes))


def plain_loop(*, clip_norm=None, accumulate=1, amp=None):
    model = copy.deepcopy(MODEL)
    optimizer = make_optimizer(model)
    batches = iter(BATCHES * accumulate)
    for lr in RATES:
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        for _ in range(accumulate):
            x, y = next(batches)
            with torch.autocast("cpu", dtype=amp, enabled=amp is not None):
                loss = nn.functional.mse_loss(model(x), y)
            (loss / accumulate).backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


def trained(**changes):
    task = make_task(**changes)
    with preserved(task):
        training = Training(task, seed=0)
        for lr in RATES:
            training.update(lr)
    return [parameter.detach().clone() for parameter in training.model.parameters()]


@pytest.mark.parametrize(
    ("changes", "plain_options"),
    [
        ({}, {}),
        ({"clip_norm": 0.1}, {"clip_norm": 0.1}),
        ({"accumulate": 3}, {"accumulate": 3}),
        ({"clip_norm": 0.1, "accumulate": 2}, {"clip_norm": 0.1, "accumulate": 2}),
        ({"amp": "bfloat16"}, {"amp": torch.bfloat16}),
    ],
)
def test_updates_equal_a_plain_loop_to_the_last_bit(changes, plain_options):
    expected, actual = plain_loop(**plain_options), trained(**changes)
    assert all(torch.equal(e, a) for e, a in zip(expected, actual, strict=True))


def test_half_precision_with_its_gradient_scaler_learns():
    task = make_task(amp="float16")
    with preserved(task):
        training = Training(task, seed=0)
        losses = [training.update(0.01) for _ in range(60)]
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("wrap", [list, tuple])
def test_batches_may_be_dictionaries_and_the_loss_any_function(wrap):
    batches = [{"x": x, "y": wrap([y])} for x, y in BATCHES]

    def loss(model, batch):
        return nn.functional.mse_loss(model(batch["x"]), batch["y"][0])

    expected = plain_loop()
    actual = trained(loss=loss, data=batches, device="cpu")
    assert all(torch.equal(e, a) for e, a in zip(expected, actual, strict=True))


def test_parameter_groups_keep_the_ratio_of_their_rates():
    def optimizer(model):
        return torch.optim.SGD(
            [
                {"params": model[0].parameters(), "lr": 0.01},
                {"params": model[2].parameters(), "lr": 0.1},
            ]
        )

    task = make_task(optimizer=optimizer)
    with preserved(task):
        training = Training(task, seed=0)
        training.update(0.5)
    actual = [group["lr"] for group in training.optimizer.param_groups]
    assert actual == pytest.approx([0.05, 0.5], rel=1e-12)


def test_a_tensor_rate_stays_the_same_tensor():
    def optimizer(model):
        return torch.optim.Adam(model.parameters(), lr=torch.tensor(0.1))

    task = make_task(optimizer=optimizer)
    with preserved(task):
        training = Training(task, seed=0)
        rate = training.optimizer.param_groups[0]["lr"]
        training.update(0.25)
    assert training.optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == 0.25


def test_the_same_seed_gives_the_same_curve_and_another_seed_another():
    task = quadratic_task(noise=1.0)
    trial = Trial(0.01 * Constant(30), seed=3)
    with preserved(task):
        first, again = (run_trial(task, trial)[0].loss.tolist() for _ in range(2))
        other = run_trial(task, Trial(trial.schedule, seed=4))[0].loss.tolist()
    assert first == again
    assert first != other


def test_what_the_model_draws_does_not_change_the_batches():
    def batches_with(dropout):
        batches = []

        def loss(model, batch):
            batches.append(batch[0].tolist())
            return model(batch[0]).square().mean()

        data = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(X), batch_size=16, shuffle=True
        )
        task = Task(
            model=nn.Sequential(nn.Dropout(dropout), nn.Linear(5, 1)), loss=loss, data=data
        )
        with preserved(task):
            training = Training(task, seed=0)
            for _ in range(9):
                training.update(0.01)
        return batches

    assert batches_with(0.0) == batches_with(0.5)


def test_a_function_of_a_seed_is_called_once_a_pass_each_time_with_another_seed():
    seeds = []

    def data(seed):
        seeds.append(seed)
        return BATCHES[:2]

    trained(data=data)
    assert seeds[0] == 0
    assert len(seeds) == len(set(seeds)) == 3


def test_validation_is_in_evaluation_mode_without_gradients_and_restores_the_modes():
    states = []

    def validate(model):
        states.append((model.training, torch.is_grad_enabled(), torch.rand(1).item()))
        return 1.0

    task = make_task(model=nn.Sequential(nn.Linear(5, 1), nn.Dropout()), validate=validate)
    with preserved(task):
        training = Training(task, seed=0)
        training.model[1].eval()
        before = torch.get_rng_state()
        training.validate()
        assert torch.equal(torch.get_rng_state(), before)
    assert states[0][:2] == (False, False)
    assert (training.model.training, training.model[1].training) == (True, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": nn.ReLU()}, "no trainable parameter"),
        ({"model": lambda: MODEL}, "same module twice"),
        ({"model": lambda: 3}, "must make a torch.nn.Module; got an int"),
        ({"optimizer": lambda model: model}, "must return a torch.optim.Optimizer"),
        ({"loss": lambda m, b: m(b[0])}, r"must be a scalar; got shape \(8, 1\)"),
        ({"loss": lambda m, b: 3.0}, "must return a tensor; got a float"),
        ({"loss": lambda m, b: None}, "must return a tensor; got None"),
        ({"loss": lambda m, b: m(b[0]).mean() * float("nan")}, "before any update, is nan"),
        ({"loss": lambda m, b: m(b[0]).mean().detach()}, "has no gradient"),
        ({"loss": lambda m, b: m(b[1]).mean()}, "could not be computed: RuntimeError"),
        ({"data": []}, "gave no batch in pass 1"),
        ({"data": iter(BATCHES)}, "can be read only once"),
        ({"data": [X]}, r"needs batches that are pairs.*this batch is a Tensor\."),
        ({"data": [(X, X, X)]}, r"needs batches that are pairs.*this batch is a tuple of 3\."),
        ({"data": lambda seed: None}, r"Task\(data=.*must return the batches.*returned None\.$"),
        ({"data": lambda seed: 3}, r"a list or any other iterable; it returned an int\.$"),
        (
            {"data": lambda seed: 1 / 0},
            r"Task\(data=...\) could not give its first batch: Zero.*:\d",
        ),
    ],
)
def test_what_is_wrong_with_a_task_is_said_at_the_first_batch(changes, message):
    with pytest.raises(TaskError, match=message):
        check_task(make_task(**changes))


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        (None, "None"),
        ("0.5", "a str"),
        (torch.zeros(3), r"a Tensor of shape \(3,\)"),
        ([0.5], "a list"),
    ],
)
def test_a_validation_that_returns_no_number_is_named(returned, shown):
    task = make_task(validate=lambda model: returned)
    rule = r"Task\(validate=...\) must return .* a number or a tensor of one element; it returned "
    with preserved(task), pytest.raises(TaskError, match=f"{rule}{shown}\\.$"):
        Training(task, seed=0).validate()


@pytest.mark.parametrize("returned", [2, torch.tensor(2.0), torch.tensor([[2.0]]), np.float32(2)])
def test_a_validation_may_return_a_number_or_a_tensor_of_one_element(returned):
    task = make_task(validate=lambda model: returned)
    with preserved(task):
        assert Training(task, seed=0).validate() == 2.0
