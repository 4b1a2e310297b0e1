"""Inner rates of every form: what they do to a step, and what is refused."""

import math

import pytest
import torch
from torch import nn

from learnrate import ArgumentError
from learnrate.meta import Learned, MetaTask, Sinusoids, adapt, meta_gradient, train
from learnrate.meta._inner import gradient
from learnrate.meta._learner import Learner


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def task(**changed):
    arguments = {"model": model, "loss": nn.MSELoss(), "episodes": Sinusoids(), **changed}
    return MetaTask(**arguments)


EPISODE = Sinusoids(shots=6).draw(4, seed=2).to(torch.float64)
SAME = {
    "per step": [-0.1, -0.1],
    "per layer": {"0": -0.1, "2.weight": -0.1, "2.bias": [-0.1, -0.1]},
    "per parameter": {
        "0": -0.1,
        "2.weight": torch.full((1, 5), -0.1),
        "2.bias": torch.full((2, 1), -0.1),
    },
    "learned": Learned(start=-0.1, per="parameter and step"),
}


@pytest.mark.parametrize("rates", SAME.values(), ids=SAME)
def test_every_form_of_one_rate_gives_one_gradient(rates):
    network = model()
    expected = meta_gradient(task(inner_lr=-0.1, inner_steps=2), network, EPISODE)
    actual = meta_gradient(task(inner_lr=rates, inner_steps=2), network, EPISODE)
    for name, slope in expected.items():
        torch.testing.assert_close(actual[name], slope)


def test_a_rate_of_zero_leaves_its_layer_as_it_is():
    network = model()
    after = adapt(task(), network, EPISODE, adapt_lr={"0": 0.0, "2": 0.1}).weights
    assert torch.equal(after["0.weight"], network[0].weight.expand(4, -1, -1))
    assert not torch.equal(after["2.weight"], network[2].weight.expand(4, -1, -1))


@pytest.mark.parametrize("per", ["all", "step", "layer", "layer and step", "parameter"])
def test_the_gradient_of_learned_rates_is_the_difference_quotient(per):
    learner = Learner(task(inner_steps=2), model())
    weights = {n: tensor.detach()[None].requires_grad_() for n, tensor in learner.weights.items()}
    rates = learner.rates(Learned(start=0.05, per=per), 2, "inner_lr")
    # As is: single precision of the rates would drown the difference.
    values = {name: tensor.double().requires_grad_() for name, tensor in rates.values.items()}
    rates = type(rates)(values, learned=True)
    name, leaf = next(iter(values.items()))
    slope = gradient(learner, weights, rates, EPISODE).rates[name].flatten()[0]
    losses = []
    for move in (1e-5, -1e-5):
        with torch.no_grad():
            leaf.view(-1)[0] += move
        losses.append(float(gradient(learner, weights, rates, EPISODE).loss))
        with torch.no_grad():
            leaf.view(-1)[0] -= move
    assert float(slope) == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4)


def test_meta_sgd_learns_a_rate_a_weight_and_counts_the_negative_ones():
    small = MetaTask(
        model=lambda: nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1)),
        loss=nn.MSELoss(),
        episodes=Sinusoids(),
        inner_lr=Learned(start=0.001),
        optimizer=lambda tensors: torch.optim.Adam(tensors, lr=3e-3),
    )
    trained = train(small, total_steps=40)
    first = [share for share in trained.negative if share.step == 0]
    last = [share for share in trained.negative if share.step == 40]
    assert [share.count for share in last] == [8, 8, 8, 1]
    assert sum(share.negative for share in first) == 0
    counts = {name: int((share < 0).sum()) for name, share in trained.rates.values.items()}
    assert {share.layer: share.negative for share in last} == counts
    assert sum(counts.values()) > 0
    axes = trained.plot_rates()
    assert len(axes.lines) == 4


BAD = {
    "three rates for two steps": ([0.1, 0.2, 0.3], r"shape \(3,\) fits no parameter"),
    "a tensor of no parameter's shape": (
        {"0": 0.1, "2.bias": 0.1, "2.weight": torch.zeros(5, 1)},
        r"shape \(5, 1\) fits no parameter.*2.weight \(1, 5\)",
    ),
    "a name of nothing": (
        {"1": 0.1},
        "names '1', which is neither an adapted parameter nor a module",
    ),
    "a parameter left out": ({"0": 0.1}, "no rate for 2.weight, 2.bias"),
    "not a number": (math.nan, "must be finite"),
    "a word": ("fast", "must be a number"),
    "learned rates that start wider": (
        Learned(start={"0": 0.1, "2": 0.1}, per="all"),
        "starts at a number",
    ),
}


@pytest.mark.parametrize(("rates", "message"), BAD.values(), ids=BAD)
def test_rates_that_fit_nothing_are_refused(rates, message):
    with pytest.raises(ArgumentError, match=message):
        meta_gradient(task(inner_lr=rates, inner_steps=2), model(), EPISODE)


def test_an_unknown_granularity_is_refused():
    with pytest.raises(ArgumentError, match="must be one of 'all'"):
        Learned(per="weight")


def test_reptile_cannot_learn_rates():
    with pytest.raises(ArgumentError, match="reptile"):
        task(algorithm="reptile", inner_lr=Learned())
