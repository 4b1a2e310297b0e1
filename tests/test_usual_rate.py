"""The rate that is usually best for an optimizer like Adam, from the sizes of its weights."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import learnrate
from learnrate._usual_rate import known_usual_rate
from learnrate.testing import quadratic_task

CHANGE = math.exp(-0.82)  # of a matrix in one update at the usual rate, in norms of the matrix


def weights(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def usual_of(*tensors, optimizer=torch.optim.Adam, **options):
    parameters = [nn.Parameter(tensor.clone()) for tensor in tensors]
    return learnrate.usual_rate(optimizer(parameters, **options))


def test_an_update_of_all_weights_at_this_rate_is_0_44_of_the_matrix():
    usual = usual_of(weights(40, 25))
    change = torch.linalg.matrix_norm(usual.lr * torch.ones(40, 25), 2)
    assert float(change / torch.linalg.matrix_norm(weights(40, 25), 2)) == pytest.approx(
        0.44, rel=0.06
    )
    assert usual.high / usual.lr == pytest.approx(usual.lr / usual.low)
    assert usual.matrices == 1


@given(scale=st.floats(1e-3, 1e3))
def test_the_usual_rate_is_proportional_to_the_weights(scale):
    assert usual_of(scale * weights(12, 7)).lr == pytest.approx(
        scale * usual_of(weights(12, 7)).lr
    )


def test_a_layer_of_twice_the_width_has_half_the_rate():
    narrow, wide = (usual_of(weights(width, width) / width**0.5).lr for width in (128, 256))
    assert wide / narrow == pytest.approx(0.5, rel=0.1)


def test_the_usual_rate_is_the_geometric_mean_over_matrices_and_ignores_vectors():
    usual = usual_of(torch.eye(3, 5), 4 * torch.eye(7, 2), torch.full((9,), 1e6))
    assert usual.lr == pytest.approx((4.0 / (15 * 14) ** 0.5) ** 0.5 * CHANGE)
    assert usual.matrices == 2


def test_a_kernel_has_a_row_for_each_output():
    kernel = weights(8, 3, 5, 5)
    assert usual_of(kernel).lr == pytest.approx(usual_of(kernel.reshape(8, 75)).lr)


@pytest.mark.parametrize(
    "gains",
    [
        torch.ones(1, 9, 1, 1),
        torch.full((1, 6), 0.5),
        torch.full((8, 4), -0.7),
        torch.arange(1.0, 6.0).log().repeat(8, 1),
        math.pi * torch.arange(9.0).outer(torch.ones(7)),
    ],
    ids=["of channels", "of one row", "decays", "decays of Mamba", "frequencies"],
)
def test_gains_decays_and_frequencies_are_no_matrices(gains):
    usual = usual_of(weights(12, 7), gains)
    assert usual == usual_of(weights(12, 7))
    assert known_usual_rate([torch.optim.Adam([nn.Parameter(gains)])]) is None


def test_a_layer_with_one_input_or_one_output_counts():
    assert usual_of(weights(1, 20), weights(20, 1)).matrices == 2


def test_the_usual_rate_is_that_of_the_group_with_the_highest_rate():
    groups = [
        {"params": [nn.Parameter(4 * torch.eye(4))], "lr": 0.1},
        {"params": [nn.Parameter(4 * torch.eye(4))], "lr": 0.01},
    ]
    usual = learnrate.usual_rate(torch.optim.AdamW(groups))
    assert usual.lr == pytest.approx(CHANGE * 10**0.5)


def test_momentum_of_rmsprop_lowers_the_usual_rate_as_much_as_it_raises_updates():
    plain, heavy = (
        usual_of(weights(5, 5), optimizer=torch.optim.RMSprop, momentum=momentum).lr
        for momentum in (0.0, 0.9)
    )
    assert heavy == pytest.approx(plain / 10)


def test_of_many_matrices_64_evenly_spaced_ones_are_enough():
    many = [(2.0 + 2.0 * (number % 2)) * torch.eye(2) for number in range(200)]
    usual = usual_of(*many)
    assert usual.matrices == 64
    assert usual.lr == pytest.approx(2**0.5 * CHANGE, rel=0.1)


def test_computing_the_usual_rate_draws_nothing_and_changes_nothing():
    parameter = nn.Parameter(weights(6, 6))
    state = torch.get_rng_state()
    learnrate.usual_rate(torch.optim.NAdam([parameter]))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(parameter, weights(6, 6))


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adagrad, torch.optim.Adadelta])
def test_optimizers_of_another_kind_are_refused(optimizer):
    with pytest.raises(learnrate.ArgumentError, match=f"got an? {optimizer.__name__}"):
        usual_of(torch.ones(3, 3), optimizer=optimizer)


@pytest.mark.parametrize(
    "tensor", [torch.ones(5), torch.zeros(5, 5), torch.full((5, 5), math.nan)]
)
def test_weights_without_a_matrix_above_0_are_refused(tensor):
    with pytest.raises(learnrate.ArgumentError, match="at least one trained matrix"):
        usual_of(tensor)
    assert known_usual_rate([torch.optim.Adam([nn.Parameter(tensor)])]) is None


def test_a_model_instead_of_its_optimizer_is_refused():
    with pytest.raises(learnrate.ArgumentError, match=r"must be a torch\.optim\.Optimizer"):
        learnrate.usual_rate(nn.Linear(2, 2))


def test_a_range_test_states_the_usual_rate_and_suggests_its_mean_with_what_the_curve_gives():
    torch.manual_seed(0)
    model = nn.Linear(8, 8)
    optimizer = torch.optim.Adam(model.parameters())
    rows = weights(64, 8)

    def step(lr):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = (model(rows) - rows.flip(1)).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    usual = learnrate.usual_rate(optimizer)
    options = {"low": 1e-6, "high": 10.0, "iters": 60, "repeats": 2, "progress": False}
    known = learnrate.find(step=step, state=[model, optimizer], **options)
    assert known.usual == usual
    assert known.to_dict()["usual"]["lr"] == usual.lr
    unknown = learnrate.find(step=step, state=[model], **options)
    assert unknown.usual is None
    assert known.suggestion == pytest.approx((unknown.suggestion * usual.lr) ** 0.5)
    assert learnrate.find(quadratic_task(), progress=False).to_dict()["usual"] is None
