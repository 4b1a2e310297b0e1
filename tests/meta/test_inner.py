"""The inner loop and its gradient against a loop written plainly, and against closed forms."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from learnrate import ArgumentError, TaskError
from learnrate.meta import Episode, MetaTask, Sinusoids, adapt, meta_gradient, train


def dense():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4, track_running_stats=False),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        nn.Linear(16, 3),
    ).double()


def sines(count=5):
    return Sinusoids(shots=6, queries=7).draw(count, seed=1).to(torch.float64)


def images():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 4, 6, 1, 8, 8, generator=generator, dtype=torch.float64)
    y = torch.arange(3).repeat(2).expand(4, -1)
    return Episode((x[0], y), (x[1], y))


def plain_gradient(model, criterion, episode, rates, *, second_order=True, adapted=None):
    """By a loop over episodes with double backward, one episode at a time."""
    first = dict(model.named_parameters())
    names = adapted or list(first)
    loss_sum = 0.0
    for index in range(len(episode)):
        weights = dict(first)
        for rate in rates:
            loss = criterion(
                functional_call(model, weights, episode.support[0][index]),
                episode.support[1][index],
            )
            slopes = torch.autograd.grad(
                loss, [weights[name] for name in names], create_graph=second_order
            )
            for name, slope in zip(names, slopes, strict=True):
                weights[name] = weights[name] - rate * slope
        loss_sum = loss_sum + criterion(
            functional_call(model, weights, episode.query[0][index]), episode.query[1][index]
        )
    slopes = torch.autograd.grad(loss_sum / len(episode), list(first.values()))
    return dict(zip(first, slopes, strict=True))


def task_of(model, criterion, **changed):
    return MetaTask(model=model, loss=criterion, episodes=Sinusoids(), **changed)


def assert_equal(actual, expected, tolerance=1e-10):
    assert set(actual) == set(expected)
    for name, slope in expected.items():
        scale = 1.0 + float(slope.abs().max())
        assert float((actual[name] - slope).abs().max()) < tolerance * scale, name


CASES = {
    "dense": (dense, nn.MSELoss(), sines),
    "convolutional": (convolutional, nn.CrossEntropyLoss(), images),
}


@pytest.mark.parametrize("rates", [[0.1], [-0.1], [0.2, 0.0, -0.3]], ids=str)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_meta_gradient_is_that_of_plain_double_backward(case, rates):
    make, criterion, draw = case
    model, episode = make(), draw()
    task = task_of(model, criterion, inner_lr=rates, inner_steps=len(rates))
    expected = plain_gradient(model, criterion, episode, rates)
    assert_equal(meta_gradient(task, model, episode), expected)
    assert_equal(meta_gradient(replace(task, chunk_size=3), model, episode), expected)


def test_first_order_leaves_the_second_derivatives_out():
    model, episode = dense(), sines()
    task = task_of(model, nn.MSELoss(), inner_lr=0.1, inner_steps=2, algorithm="first-order")
    expected = plain_gradient(model, nn.MSELoss(), episode, [0.1, 0.1], second_order=False)
    assert_equal(meta_gradient(task, model, episode), expected)


def test_anil_adapts_the_head_alone():
    model, episode = dense(), sines()
    task = task_of(model, nn.MSELoss(), inner_lr=-0.2, algorithm="anil")
    expected = plain_gradient(model, nn.MSELoss(), episode, [-0.2], adapted=["2.weight", "2.bias"])
    assert_equal(meta_gradient(task, model, episode), expected)
    after = adapt(task, model, episode).weights
    assert torch.equal(after["0.weight"][2], model[0].weight)
    assert not torch.equal(after["2.weight"][2], model[2].weight)


def test_reptile_moves_towards_the_adapted_weights():
    model, episode = dense(), sines()
    task = task_of(model, nn.MSELoss(), inner_lr=0.1, inner_steps=3, algorithm="reptile")
    after = adapt(task, model, episode).weights
    expected = {
        name: parameter.detach() - after[name].mean(0)
        for name, parameter in model.named_parameters()
    }
    assert_equal(meta_gradient(task, model, episode), expected)
    assert_equal(meta_gradient(replace(task, chunk_size=2), model, episode), expected)


def test_at_a_rate_of_zero_maml_is_joint_training():
    model, episode = dense(), sines()
    task = task_of(model, nn.MSELoss(), inner_lr=0.0, inner_steps=4)
    joint = nn.functional.mse_loss(model(episode.query[0]), episode.query[1])
    slopes = torch.autograd.grad(joint, list(model.parameters()))
    assert_equal(
        meta_gradient(task, model, episode),
        dict(zip(dict(model.named_parameters()), slopes, strict=True)),
    )


@given(st.floats(-1.0, 1.0), st.integers(1, 4))
def test_on_a_quadratic_the_inner_loop_is_its_closed_form(rate, steps):
    """loss (w x - y)^2 with x = 1: each step moves w by a factor 1 - 2 rate towards y."""
    model = nn.Linear(1, 1, bias=False).double()
    y = torch.tensor([[[1.0]], [[-3.0]]], dtype=torch.float64)
    part = torch.ones_like(y), y
    task = task_of(model, nn.MSELoss(), inner_steps=steps)
    initial = model.weight.detach().clone()
    after = adapt(task, model, Episode(part, part), adapt_lr=rate, steps=steps).weights["weight"]
    expected = y + (initial - y) * (1 - 2 * rate) ** steps
    torch.testing.assert_close(after, expected.reshape(after.shape))


def test_a_loss_function_of_model_and_batch_serves_as_well():
    model, episode = dense(), sines()

    def loss(network, batch):
        return (network(batch[0]) - batch[1]).square().mean()

    expected = meta_gradient(task_of(model, nn.MSELoss()), model, episode)
    assert_equal(meta_gradient(task_of(model, loss), model, episode), expected)


def test_nothing_of_the_model_is_changed():
    model = dense()
    before = copy.deepcopy(model.state_dict())
    random = torch.get_rng_state()
    task = task_of(model, nn.MSELoss())
    meta_gradient(task, model, sines())
    adapt(task, model, sines())
    assert all(torch.equal(before[name], layer) for name, layer in model.state_dict().items())
    assert all(tensor.grad is None for tensor in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_an_adapted_module_is_the_model_with_one_episodes_weights():
    model, episode = dense(), sines()
    after = adapt(task_of(model, nn.MSELoss()), model, episode, adapt_lr=0.1)
    loss = nn.functional.mse_loss(after.module(3)(episode.query[0][3]), episode.query[1][3])
    torch.testing.assert_close(loss.detach(), after.query[3])


def test_running_statistics_are_refused_with_what_to_use():
    model = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    task = task_of(model, nn.MSELoss())
    with pytest.raises(ArgumentError, match=r"BatchNorm1d '1'.*track_running_stats=False"):
        meta_gradient(task, model, Sinusoids().draw(2, 0))


def test_a_loss_that_is_not_finite_names_episode_and_step():
    model, episode = dense(), sines()
    episode.support[1][3] = torch.nan
    task = task_of(model, nn.MSELoss(), inner_steps=2)
    with pytest.raises(TaskError, match="loss of episode 3 of 5 is nan at inner step 0 of 2"):
        meta_gradient(task, model, episode)
    with pytest.raises(TaskError, match="episode 3 of 5"):
        adapt(task, model, episode)


def test_an_inner_rate_that_is_too_high_says_where_it_left():
    trained = train(
        MetaTask(model=lambda: nn.Linear(1, 1), loss=nn.MSELoss(), episodes=Sinusoids()),
        inner_lr=1e30,
        total_steps=3,
    )
    assert str(trained.status) == "diverged"
    assert trained.failure.startswith(
        "at meta-update 0 the loss of episode 0 of 16 is inf after 1"
    )


def test_a_head_that_is_not_there_is_refused():
    task = task_of(dense(), nn.MSELoss(), algorithm="anil", head="classifier")
    with pytest.raises(ArgumentError, match="'classifier'"):
        meta_gradient(task, dense(), sines())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"algorithm": "mml"}, "algorithm=...\\) must be one of"),
        ({"batch": 0}, "batch=...\\) must be a whole number"),
        ({"episodes": [1, 2]}, "must have a method draw"),
        ({"adapt_steps": -1}, "adapt_steps"),
    ],
)
def test_a_task_outside_the_rules_is_refused(changed, message):
    with pytest.raises(ArgumentError, match=message):
        MetaTask(**{"model": dense, "loss": nn.MSELoss(), "episodes": Sinusoids(), **changed})
