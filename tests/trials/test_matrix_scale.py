"""How large weight matrices are beside an update of an optimizer like Adam."""

import math

import pytest
import torch
from torch import nn

from learnrate.trials import log_matrix_scale


def scale_of(*weights, optimizer=torch.optim.Adam, lr=0.1):
    return log_matrix_scale([optimizer([nn.Parameter(weight) for weight in weights], lr=lr)])


def test_at_that_rate_an_update_of_all_weights_may_be_as_large_as_the_matrix():
    weight = torch.randn(40, 25, generator=torch.Generator().manual_seed(0))
    rate = math.exp(scale_of(weight))
    largest = torch.linalg.matrix_norm(rate * torch.ones(40, 25), 2)
    assert float(largest) == pytest.approx(float(torch.linalg.matrix_norm(weight, 2)), rel=0.05)


def test_it_is_the_geometric_mean_over_matrices_and_ignores_vectors():
    matrices = torch.ones(3, 5), 4 * torch.ones(7, 2)
    assert scale_of(*matrices, torch.full((9,), 1e6)) == pytest.approx(math.log(2.0), abs=1e-4)


def test_kernels_have_a_row_for_each_output():
    kernel = torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    assert scale_of(kernel) == pytest.approx(scale_of(kernel.reshape(8, 75)))


def test_a_group_with_a_tenth_of_the_rate_stands_ten_times_as_much():
    weight = torch.ones(4, 4)
    groups = [
        {"params": [nn.Parameter(weight.clone())], "lr": 0.1},
        {"params": [nn.Parameter(weight.clone())], "lr": 0.01},
    ]
    one_rate = scale_of(weight)
    assert log_matrix_scale([torch.optim.AdamW(groups)]) == pytest.approx(
        one_rate + math.log(10.0) / 2
    )


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adagrad, torch.optim.Adadelta])
def test_nothing_is_said_of_optimizers_whose_updates_are_of_another_size(optimizer):
    assert scale_of(torch.ones(3, 3), optimizer=optimizer) is None


def test_nothing_is_said_without_a_matrix_above_0():
    assert scale_of(torch.ones(5)) is None
    assert scale_of(torch.zeros(5, 5)) is None
    assert scale_of(torch.full((5, 5), math.nan)) is None


def test_it_draws_nothing_and_changes_nothing():
    weight = nn.Parameter(torch.randn(6, 6))
    kept, state = weight.detach().clone(), torch.get_rng_state()
    log_matrix_scale([torch.optim.RMSprop([weight])])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(weight, kept)
