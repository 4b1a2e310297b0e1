"""Shared by the tests of the integrations."""

import pytest


@pytest.fixture
def make_optimizer():
    """An optimizer over one parameter a group, each group with the rate given."""
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
    """Make updates; the value that each was made with, a list a group."""

    def train(optimizer, scheduler, updates, read=lambda group: float(group["lr"])):
        found = []
        for _ in range(updates):
            found.append([read(group) for group in optimizer.param_groups])
            optimizer.step()
            scheduler.step()
        return [list(column) for column in zip(*found, strict=True)]

    return train
