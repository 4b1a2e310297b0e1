"""Shared by the tests of the integrations."""

import pytest


@pytest.fixture
def make_optimizer():
    """A function that makes an optimizer with one parameter in each group, at the given rates."""
    import torch

    def make(*rates, cls=torch.optim.SGD, **options):
        groups = []
        for rate in rates:
            parameter = torch.nn.Parameter(torch.zeros(1))
            parameter.grad = torch.zeros(1)
            groups.append({"params": [parameter], "lr": rate})
        return cls(groups, **options)

    return make


@pytest.fixture
def trained_at():
    """A function that makes updates and returns the value of each, one list for each group."""

    def train(optimizer, scheduler, updates, read=lambda group: float(group["lr"])):
        rates = []
        for _ in range(updates):
            rates.append([read(group) for group in optimizer.param_groups])
            optimizer.step()
            scheduler.step()
        return [list(column) for column in zip(*rates, strict=True)]

    return train
