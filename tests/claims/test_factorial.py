import math

import numpy as np
import pytest
import torch
from torch import nn

from learnrate.claims._data import digits
from learnrate.claims._factorial import NetworkStack, final_losses, main_effects
from learnrate.trials import seed_everything

STACK = NetworkStack(
    batch=64, width=8, rates=(0.05, 1e4), decays=(0.0, 0.1), momenta=(0.5, 0.9), passes=1, seed=3
)


def by_torch(decay, momentum):
    """The loss of one network, at the first rate, with torch's own layers and optimizer."""
    seed_everything(STACK.seed)
    first, last = nn.Linear(64, STACK.width), nn.Linear(STACK.width, 10)
    model = nn.Sequential(first, nn.ReLU(), last)
    optimizer = torch.optim.SGD(model.parameters(), momentum=momentum, weight_decay=decay)
    batches = list(digits().batches(STACK.batch)(STACK.seed))
    for step, (x, y) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = STACK.rates[0] * (1 - step / len(batches))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        return nn.functional.cross_entropy(model(digits().held_x), digits().held_y).item()


def test_a_stack_trains_as_torch_trains_each_network():
    expected = [
        [by_torch(decay, momentum) for momentum in STACK.momenta] for decay in STACK.decays
    ]
    assert final_losses(STACK)[0] == pytest.approx(np.array(expected), rel=1e-4)


def test_a_network_that_diverges_counts_with_its_first_loss():
    diverged = final_losses(STACK)[1]
    assert np.ptp(diverged) == 0.0
    assert diverged[0, 0] == pytest.approx(math.log(10), abs=0.3)


def test_main_effects_of_a_sum_share_its_variance():
    grid = np.array([0.0, 3.0])[:, None, None] + np.array([0.0, 1.0, 2.0])[:, None]
    shares = main_effects(grid + np.zeros(4))
    parts = np.array([np.var([0.0, 3.0]), np.var([0.0, 1.0, 2.0]), 0.0])
    assert shares == pytest.approx(parts / parts.sum())


def test_main_effects_do_not_include_an_interaction():
    assert main_effects(np.array([[0.0, 1.0], [1.0, 0.0]])) == [0.0, 0.0]
