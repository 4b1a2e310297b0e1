"""Nothing of the user's changes: finished, failed or interrupted."""

import pickle
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import learnrate
from learnrate import Task
from learnrate.sweeping import sweep

X = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()


class Everything:
    """A user's whole state: model with dropout and batch norm, optimizer, shuffling loader."""

    def __init__(self):
        torch.manual_seed(7)
        self.model = nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2)
        )
        self.model[3].eval()  # a part set to another mode than the whole
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.0123)
        self.generator = torch.Generator().manual_seed(11)
        self.loader = DataLoader(
            TensorDataset(X, Y), batch_size=16, shuffle=True, generator=self.generator
        )
        nn.functional.cross_entropy(self.model(X), Y).backward()
        self.optimizer.step()  # state in the optimizer, gradients in the model
        random.random()
        np.random.rand()  # noqa: NPY002 - the global generator is the one to be kept

    def fingerprint(self):
        return pickle.dumps(
            (
                {name: value.tolist() for name, value in self.model.state_dict().items()},
                [parameter.grad.tolist() for parameter in self.model.parameters()],
                [module.training for module in self.model.modules()],
                [
                    {key: value.tolist() if torch.is_tensor(value) else value}
                    for state in self.optimizer.state_dict()["state"].values()
                    for key, value in state.items()
                ],
                [group["lr"] for group in self.optimizer.param_groups],
                self.generator.get_state().tolist(),
                torch.get_rng_state().tolist(),
                random.getstate(),
                np.random.get_state()[1].tolist(),  # noqa: NPY002
            )
        )

    def task(self, loss=nn.CrossEntropyLoss()):  # noqa: B008 - stateless
        return Task(
            model=self.model,
            loss=loss,
            data=self.loader,
            optimizer=torch.optim.Adam,
            validate=lambda model: float(nn.functional.cross_entropy(model(X), Y)),
            total_steps=200,
        )


class FailsAfter:
    """A loss that raises after some calls, as a user's code or a user's Ctrl-C does."""

    def __init__(self, calls, error):
        self.left, self.error = calls, error

    def __call__(self, model, batch):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return nn.functional.cross_entropy(model(batch[0]), batch[1])


VERBS = {
    "find": lambda task: learnrate.find(task, iters=30, repeats=2),
    "plan": lambda task: learnrate.plan(task, budget=0.5),
    "train": lambda task: learnrate.train(task, "0.01 * warmup(10%) >> linear()", total_steps=30),
    "sweep": lambda task: sweep(task, [0.001, 0.01], seeds=2, total_steps=30, engine="vectorised"),
}
RETURN_WHAT_WAS_TRAINED = (VERBS["train"], VERBS["sweep"])


@pytest.fixture
def user():
    return Everything()


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_finished_trial_changes_nothing_of_the_users(user, verb):
    before = user.fingerprint()
    verb(user.task())
    assert user.fingerprint() == before


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize("error", [ValueError("bad record"), KeyboardInterrupt()], ids=type)
def test_a_failed_or_interrupted_trial_changes_nothing_of_the_users(user, verb, error):
    before = user.fingerprint()
    try:
        verb(user.task(FailsAfter(25, error)))
    except (ValueError, KeyboardInterrupt, learnrate.TaskError):
        pass
    else:
        assert verb in RETURN_WHAT_WAS_TRAINED
    assert user.fingerprint() == before


@pytest.mark.parametrize("error", [None, ValueError("bad record"), KeyboardInterrupt()], ids=type)
def test_nothing_changes_around_a_loop_of_the_user(user, error):
    batches = iter(user.loader)
    next(batches)
    before, left = user.fingerprint(), [12]

    def step(lr):
        left[0] -= 1
        if error is not None and left[0] < 0:
            raise error
        for group in user.optimizer.param_groups:
            group["lr"] = lr
        user.model.train()
        user.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(user.model(X), Y)
        loss.backward()
        user.optimizer.step()
        return loss

    if error is None:
        learnrate.find(step=step, state=[user.model, user.optimizer], iters=20, repeats=2)
    else:
        with pytest.raises(type(error)):
            learnrate.find(step=step, state=[user.model, user.optimizer], iters=20, repeats=2)
    assert user.fingerprint() == before


def test_a_loader_in_mid_pass_with_persistent_workers_keeps_its_position():
    loader = DataLoader(TensorDataset(X, Y), batch_size=16, num_workers=1, persistent_workers=True)
    batches = iter(loader)
    first = next(batches)[0]
    task = Task(model=nn.Linear(6, 2), loss=nn.CrossEntropyLoss(), data=loader)
    learnrate.train(task, 0.01, total_steps=6)
    rest = torch.cat([first, *(batch[0] for batch in batches)])
    assert torch.equal(rest, X)


def test_a_loader_with_a_state_dict_gets_its_position_back():
    class Positioned:
        position = 0

        def __iter__(self):
            while self.position < 4:
                yield X[:8], Y[:8]
                self.position += 1
            self.position = 0

        def state_dict(self):
            return {"position": self.position}

        def load_state_dict(self, state):
            self.position = state["position"]

    data = Positioned()
    data.position = 2
    task = Task(model=nn.Linear(6, 2), loss=nn.CrossEntropyLoss(), data=data)
    learnrate.train(task, 0.01, total_steps=5)
    assert data.position == 2


def test_state_that_cannot_be_restored_is_refused():
    with pytest.raises(learnrate.ArgumentError, match="state_dict and load_state_dict"):
        learnrate.find(step=lambda lr: 1.0, state=[object()])
