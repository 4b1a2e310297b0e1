"""A meta-gradient reads a model and leaves it as it was, whatever the model does."""

import copy

import pytest
import torch
from torch import nn

from learnrate import TaskError
from learnrate.meta import MetaTask, Sinusoids, adapt, meta_gradient


class RegisteredTwice(nn.Module):
    """An encoder that is also an element of a list."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(1, 4)
        self.layers = nn.ModuleList([self.encoder, nn.Linear(4, 1)])

    def forward(self, x):
        return self.layers[1](torch.tanh(self.encoder(x)))


class TwoNames(RegisteredTwice):
    def __init__(self):
        super().__init__()
        self.base = nn.Sequential(nn.Linear(1, 4), nn.Tanh())
        self.features = self.base

    def forward(self, x):
        return self.layers[1](self.features(x) + self.base(x) + self.encoder(x))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(1, 4), nn.Linear(1, 4), nn.Linear(4, 1)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.last(torch.tanh(self.first(x) * self.second(x)))


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell = kind(1, 4, batch_first=True)
        self.last = nn.Linear(4, 1)

    def forward(self, x):
        return self.last(self.cell(x[None])[0])[0]


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(1, 8), nn.Linear(8, 1)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)

    def forward(self, x):
        return self.last(self.encoder(self.first(x)[None]))[0]


class Stores(RegisteredTwice):
    """Keeps its last output, counts its passes and computes its weight anew in each pass."""

    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros((), dtype=torch.long))
        self.scaled = nn.utils.parametrizations.weight_norm(nn.Linear(1, 4))
        self.outputs = []

    def forward(self, x):
        self.passes += 1
        self.output = super().forward(x) + self.layers[1](self.scaled(x))
        self.outputs.append(self.output)
        return self.output


MODELS = {
    "registered twice": RegisteredTwice,
    "two names": TwoNames,
    "tied": Tied,
    "LSTM": lambda: Recurrent(nn.LSTM),
    "GRU": lambda: Recurrent(nn.GRU),
    "transformer": Transformer,
    "stores": Stores,
}


def task_of(model, loss=None):
    return MetaTask(model=model, loss=loss or nn.MSELoss(), episodes=Sinusoids(shots=3))


def assert_unchanged(model, before, parameters):
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    now = dict(model.named_parameters(remove_duplicate=False))
    assert {name: id(parameter) for name, parameter in now.items()} == parameters
    assert all(parameter.is_leaf and parameter.grad is None for parameter in now.values())
    copied = copy.deepcopy(model)  # a tensor of a dead transform cannot be copied
    assert torch.isfinite(copied(torch.ones(2, 1))).all()


def state(model):
    parameters = dict(model.named_parameters(remove_duplicate=False))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    return before, {name: id(parameter) for name, parameter in parameters.items()}


@pytest.mark.parametrize("name", MODELS)
def test_a_meta_gradient_is_finite_and_leaves_the_model_as_it_was(name):
    torch.manual_seed(0)
    model = MODELS[name]()
    before = state(model)
    task = task_of(model)
    episode = task.episodes.draw(2, seed=0)
    slopes = meta_gradient(task, model, episode, inner_lr=0.01)
    assert_unchanged(model, *before)
    assert all(torch.isfinite(slope).all() for slope in slopes.values())
    assert adapt(task, model, episode, adapt_lr=0.01).module(0) is not model
    assert_unchanged(model, *before)


@pytest.mark.parametrize("name", MODELS)
def test_an_error_in_the_loss_leaves_the_model_as_it_was(name):
    model = MODELS[name]()
    before = state(model)

    def fails(model, batch):
        raise KeyError(float(model(batch[0]).shape[0]))

    task = task_of(model, fails)
    with pytest.raises(TaskError, match="could not be computed: KeyError") as refused:
        meta_gradient(task, model, task.episodes.draw(2, seed=0), inner_lr=0.01)
    assert isinstance(refused.value.__cause__, KeyError)
    assert_unchanged(model, *before)


@pytest.mark.parametrize("name", ["registered twice", "tied", "LSTM"])
def test_the_gradient_of_shared_weights_is_that_of_finite_differences(name):
    torch.manual_seed(1)
    model = MODELS[name]().double()
    task = task_of(model)
    episode = task.episodes.draw(2, seed=0).to(torch.float64)
    slopes = meta_gradient(task, model, episode, inner_lr=0.05)
    for parameter_name, parameter in model.named_parameters():
        index = tuple(0 for _ in parameter.shape)
        ends = []
        for change in (1e-5, -1e-5):
            with torch.no_grad():
                parameter[index] += change
            ends.append(adapt(task, model, episode, adapt_lr=0.05, steps=1).query.mean())
            with torch.no_grad():
                parameter[index] -= change
        difference = float(ends[0] - ends[1]) / 2e-5
        assert float(slopes[parameter_name][index]) == pytest.approx(
            difference, rel=1e-5, abs=1e-8
        )
