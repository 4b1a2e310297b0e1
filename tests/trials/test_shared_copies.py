"""Copies of a model share what is not trained, and nobody notices."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import learnrate
from learnrate.task import copied_model, lazy_copy, shares_memory
from learnrate.trials import Training, kept_state, preserved


def adapted():
    """A frozen base with a trained head, a running mean, and a weight in two places."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Linear(4, 1))
    model[2].weight = model[0].weight
    for frozen in (model[0], model[1], model[2]):
        frozen.requires_grad_(False)
    return model


def tensors(model):
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(model, state):
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_only_frozen_weights_are_shared():
    model = adapted()
    shared = {
        name: shares_memory(value, tensors(copied_model(model))[name])
        for name, value in tensors(model).items()
    }
    trained = {"3.weight", "3.bias"}
    assert {name for name, is_shared in shared.items() if not is_shared} == trained


@pytest.mark.parametrize("name", ["0.weight", "1.running_mean", "1.weight"])
@pytest.mark.parametrize("is_copy_written", [True, False])
def test_a_write_to_one_copy_does_not_change_the_other(name, is_copy_written):
    model = adapted()
    state, copied = state_of(model), copied_model(model)
    written, left = (copied, model) if is_copy_written else (model, copied)
    tensors(written)[name].data.add_(1.0)
    assert_equal(left, state)
    assert torch.equal(tensors(written)[name], state[name] + 1.0)


def test_the_copy_equals_that_of_deepcopy():
    model = adapted()
    copied, deep = copied_model(model), copy.deepcopy(model)
    assert_equal(copied, deep.state_dict())
    assert copied[2].weight is copied[0].weight
    assert [p.requires_grad for p in copied.parameters()] == [
        p.requires_grad for p in model.parameters()
    ]
    x = torch.randn(8, 4)
    assert torch.equal(copied(x), deep(x))
    assert_equal(copied, deep.state_dict())  # both updated their running mean


def test_buffers_that_are_views_of_one_tensor_stay_views_of_one():
    model, memory = nn.Linear(2, 2), torch.zeros(4)
    model.register_buffer("first", memory[:2])
    model.register_buffer("all", memory)
    copied = copied_model(model)
    copied.first.add_(1.0)
    assert copied.all.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert memory.tolist() == [0.0] * 4


def test_memory_that_torch_does_not_own_is_copied():
    array = np.zeros(4, dtype=np.float32)
    model = nn.Linear(2, 2)
    model.register_buffer("foreign", torch.from_numpy(array))
    assert lazy_copy(model.foreign) is None
    copied = copied_model(model)
    copied.foreign.add_(1.0)
    array[0] = 5.0
    assert copied.foreign.tolist() == [1.0] * 4
    assert model.foreign.tolist() == [5.0, 0.0, 0.0, 0.0]


class Teacher(nn.Module):
    """A trained network, and a frozen one that follows it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.student, self.teacher = nn.Linear(3, 1), nn.Linear(3, 1)
        self.teacher.requires_grad_(False)


def follow(model, optimizer, batch):
    optimizer.zero_grad()
    loss = (model.student(batch) - model.teacher(batch)).square().mean()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for mean, weight in zip(
            model.teacher.parameters(), model.student.parameters(), strict=True
        ):
            mean.lerp_(weight, 0.1)
    return loss


def test_frozen_weights_that_change_change_in_the_trial_alone():
    model = Teacher()
    state, deep = state_of(model), copy.deepcopy(model)
    task = learnrate.Task(
        model=model,
        update=follow,
        data=[torch.randn(8, 3, generator=torch.Generator().manual_seed(0))],
        optimizer=lambda model: torch.optim.SGD(model.student.parameters(), lr=0.1),
        total_steps=20,
    )
    trained = learnrate.train(task, 0.1, progress=False)
    assert_equal(model, state)
    optimizer = torch.optim.SGD(deep.student.parameters(), lr=0.1)
    losses = [follow(deep, optimizer, task.data[0]).item() for _ in range(20)]
    assert trained.curve.loss.tolist() == losses
    assert_equal(trained.model, deep.state_dict())


def test_a_training_needs_no_memory_for_frozen_weights():
    model = adapted()
    task = learnrate.Task(
        model=model,
        loss=nn.MSELoss(),
        data=[(torch.randn(8, 4), torch.randn(8, 1))],
        optimizer=lambda model: torch.optim.SGD(model[3].parameters(), lr=0.1),
        total_steps=4,
    )
    with preserved(task):
        training = Training(task, seed=0)
        for _ in range(3):
            training.update(0.1)
    shared = [shares_memory(model[0].weight, training.model[0].weight)]
    shared += [
        shares_memory(p, q)
        for p, q in zip(model[1].parameters(), training.model[1].parameters(), strict=True)
    ]
    assert all(shared)


def test_a_checkpoint_with_the_same_frozen_weights_still_shares_them():
    model = adapted()
    state = copy.deepcopy(model.state_dict())
    state["3.bias"] += 1.0
    state["1.bias"] += 1.0  # a frozen weight that differs
    task = learnrate.Task(model=model, loss=nn.MSELoss(), data=[]).starting_from(state)
    started = task.model()
    assert_equal(started, state)
    assert shares_memory(started[0].weight, model[0].weight)
    assert not shares_memory(started[1].bias, model[1].bias)
    del state["3.bias"]
    with pytest.raises(RuntimeError, match="Missing key"):
        task.starting_from(state).model()


def test_kept_state_restores_a_frozen_weight_that_was_written_to_and_no_other():
    model = adapted()
    state, version = state_of(model), model[1].weight._version
    with kept_state([model]) as restore:
        for _ in range(2):
            model[0].weight.data.mul_(2.0)
            model[3].weight.data.mul_(2.0)
            model(torch.randn(8, 4))
            restore()
            assert_equal(model, state)
    assert model[1].weight._version == version
    assert_equal(model, state)
