"""The package `mup` as an oracle: the same multipliers and the same training."""

import copy

import pytest
import torch
from torch import nn

from learnrate import transfer

mup = pytest.importorskip("mup")


class Network(nn.Module):
    def __init__(self, width, readout=nn.Linear):
        super().__init__()
        self.first, self.norm = nn.Linear(8, width), nn.LayerNorm(width)
        self.hidden, self.wider = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.head = readout(2 * width, 4)

    def forward(self, x):
        hidden = torch.relu(self.hidden(self.norm(torch.relu(self.first(x)))))
        return self.head(torch.relu(self.wider(hidden)))


SETTINGS = {
    "Adam": {"lr": 0.01, "weight_decay": 0.1},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
    "SGD": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
}


def networks(width):
    """One network, in both packages."""
    torch.manual_seed(0)
    reference = Network(width, mup.MuReadout)
    for name, parameter in reference.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)  # random ones are few, so that their scale is not exact
    model = Network(width)
    model.load_state_dict(copy.deepcopy(reference.state_dict()))
    base, delta = Network(16, mup.MuReadout), Network(17, mup.MuReadout)
    mup.set_base_shapes(reference, base, delta=delta)
    return reference, model


def settings_by_name(model, optimizer):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("width", [16, 64, 256])
def test_rates_and_weight_decay_are_those_of_mup(name, width):
    reference, model = networks(width)
    transfer.parametrize(model, Network(16), absorb=False)
    optimizer = getattr(torch.optim, name)(model.parameters(), **SETTINGS[name])
    transfer.regroup(optimizer, model)
    expected = getattr(mup, f"Mu{name}")(reference.parameters(), **SETTINGS[name])
    assert settings_by_name(model, optimizer) == {
        parameter: pytest.approx(settings)
        for parameter, settings in settings_by_name(reference, expected).items()
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_is_that_of_mup_without_a_factor_in_the_forward_pass(name):
    reference, model = networks(64)
    transfer.parametrize(model, Network(16))
    optimizer = getattr(torch.optim, name)(model.parameters(), **SETTINGS[name])
    transfer.regroup(optimizer, model)
    expected = getattr(mup, f"Mu{name}")(reference.parameters(), **SETTINGS[name])
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        x = torch.randn((16, 8), generator=generator)
        torch.testing.assert_close(model(x), reference(x), rtol=1e-3, atol=1e-4)
        for network, stepped in ((model, optimizer), (reference, expected)):
            stepped.zero_grad()
            (network(x) - x[:, :4]).pow(2).mean().backward()
            stepped.step()
